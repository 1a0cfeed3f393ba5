"""The ledger in a PostgreSQL database, which many hosts share."""
