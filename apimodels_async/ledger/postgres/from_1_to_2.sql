-- A ledger of version 1 becomes one of version 2. No row is written: what shows that it was moved is still there.
ALTER TABLE apimodels.ledger ADD COLUMN slot_taken float8 NOT NULL DEFAULT 0;
ALTER TABLE apimodels.place ADD COLUMN database oid;
