-- The callbacks that the receivers of many hosts have accepted, version 1.

CREATE TABLE IF NOT EXISTS apimodels.arrival (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    intent text NOT NULL,
    task text NOT NULL,
    settled boolean NOT NULL,
    added float8 NOT NULL                -- epoch seconds
);
CREATE INDEX IF NOT EXISTS arrival_by_intent ON apimodels.arrival (intent);
CREATE INDEX IF NOT EXISTS arrival_by_time ON apimodels.arrival (added);

-- Add arrivals in one statement, and return the stored arrival of each key, in their order.
CREATE OR REPLACE FUNCTION apimodels.add_arrivals(arrivals json, now float8)
RETURNS TABLE (intent text, task text, settled boolean) LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    each record;
    is_new boolean := false;
BEGIN
    -- One at a time, so that numbers become visible in their order: a reader that has seen one has seen all before it.
    PERFORM pg_advisory_xact_lock(hashtext('apimodels.arrival'));
    FOR each IN SELECT * FROM json_to_recordset(arrivals) AS x(key text, intent text, task text, settled boolean) LOOP
        INSERT INTO apimodels.arrival AS a (key, intent, task, settled, added)
        VALUES (each.key, each.intent, each.task, each.settled, now) ON CONFLICT DO NOTHING;
        is_new := is_new OR FOUND;
        RETURN QUERY SELECT a.intent, a.task, a.settled FROM apimodels.arrival a WHERE a.key = each.key;
    END LOOP;
    IF is_new THEN
        PERFORM pg_notify('apimodels_arrival', '');
    END IF;
END $$;
