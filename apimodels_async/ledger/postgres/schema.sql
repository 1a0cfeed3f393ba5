-- The ledger in PostgreSQL (14 or newer), version 2. Everything is in the schema "apimodels".

CREATE TABLE apimodels.ledger (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version int NOT NULL,
    server text,                         -- to which it belongs, once it is bound
    budget bigint,                       -- millionths of a US dollar; NULL: no budget
    granted bigint NOT NULL DEFAULT 0,   -- of the budget, to runs; never more than the budget
    create_rate float8,                  -- create requests a second, of all runs; NULL: no limit
    next_slot float8 NOT NULL DEFAULT 0, -- epoch seconds, by this server's clock
    slot_taken float8 NOT NULL DEFAULT 0 -- likewise, when a slot was taken last: a clock that is set back is before it
);

-- Where this ledger was written last: a copy of it elsewhere differs from this row.
CREATE TABLE apimodels.place (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    system_identifier bigint NOT NULL,
    timeline text NOT NULL,
    written_by bigint NOT NULL,          -- the transaction that wrote this row, as its xmin says
    database oid                         -- stays when it is renamed, and a copy as by TEMPLATE has another; NULL: not known
);

-- One process that uses the ledger.
CREATE TABLE apimodels.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host text NOT NULL,
    pid int NOT NULL,
    ttl float8 NOT NULL,                 -- seconds without a heartbeat after which others may end it
    began timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended timestamptz,
    granted bigint NOT NULL DEFAULT 0,   -- its allowance
    used bigint NOT NULL DEFAULT 0       -- the cost of its entries that are billed or may be
) WITH (fillfactor = 50);

CREATE TABLE apimodels.shard (
    number int PRIMARY KEY,
    fence bigint NOT NULL DEFAULT 0,
    run bigint,                          -- which began it last
    finished boolean NOT NULL DEFAULT false,
    first bytea NOT NULL,
    beyond bytea                         -- NULL: to the end
) WITH (fillfactor = 50);

CREATE SEQUENCE apimodels.request_line;

-- Narrow, because it is updated four times in its life. No further index, which would end HOT updates.
CREATE TABLE apimodels.entry (
    digest bytea NOT NULL,               -- 16 bytes of the content's; of the name, if the user named it
    occurrence int NOT NULL,             -- of this content in the input; -1 if the user named it
    step text NOT NULL,
    run bigint,                          -- which marked it as sending last
    attempt bigint,                      -- of that mark
    cost bigint,                         -- millionths of a US dollar; NULL: not known
    changed float8 NOT NULL,             -- epoch seconds
    task_id text,
    task text,
    files text,
    error text,
    intent_id text,
    name text,                           -- the key that the user gave it
    picture_name text,                   -- what its pictures are called
    PRIMARY KEY (digest, occurrence)
) PARTITION BY RANGE (digest);

-- Cold: written once.
CREATE TABLE apimodels.request (
    digest bytea NOT NULL,
    occurrence int NOT NULL,
    line bigint NOT NULL DEFAULT nextval('apimodels.request_line'),
    content bytea NOT NULL,              -- the whole digest of the content
    model text NOT NULL,
    body text NOT NULL,                  -- what was asked for, pictures as digests
    given text,                          -- as it was loaded, where that differs
    PRIMARY KEY (digest, occurrence)
) PARTITION BY RANGE (digest);

DO $$
DECLARE
    low text;
    high text;
BEGIN
    FOR part IN 0..15 LOOP
        low := CASE part WHEN 0 THEN 'MINVALUE' ELSE format('%L', '\x' || to_hex(part * 16)) END;
        high := CASE part WHEN 15 THEN 'MAXVALUE' ELSE format('%L', '\x' || to_hex(part * 16 + 16)) END;
        EXECUTE format('CREATE TABLE apimodels.entry_%s PARTITION OF apimodels.entry FOR VALUES FROM (%s) TO (%s) '
                       'WITH (fillfactor = 40)', to_hex(part), low, high);
        EXECUTE format('CREATE TABLE apimodels.request_%s PARTITION OF apimodels.request FOR VALUES FROM (%s) TO (%s)',
                       to_hex(part), low, high);
    END LOOP;
END $$;

-- Tasks that were created, and do not fit their entries any more: never lost.
CREATE TABLE apimodels.stray (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest bytea NOT NULL,
    occurrence int NOT NULL,
    attempt bigint,
    task_id text NOT NULL,
    task text,
    UNIQUE (digest, occurrence, task_id)
);

-- A change on its way into an entry, as the client gives it.
CREATE TYPE apimodels.change AS (
    n int,                               -- its place among those that were given together
    wave int,                            -- how many of those before it, and itself, are of the same entry
    digest bytea,
    occurrence int,
    name text,
    step text,
    before text,                         -- steps from which it may come, with blanks between
    attempt bigint,
    content bytea,                       -- of a new entry, as what follows
    model text,
    body text,
    cost bigint,
    task_id text,
    task text,
    files text,
    error text,
    intent_id text,
    picture_name text,
    at float8
);

-- A change, the entry as it was found, and what may become of it.
CREATE TYPE apimodels.judgement AS (
    change apimodels.change,
    step text,
    attempt bigint,
    run bigint,
    cost bigint,
    task_id text,
    result int                           -- NULL: it may be carried out
);
