-- The ledger in PostgreSQL (14 or newer), version 1. Everything is in the schema "apimodels".
CREATE SCHEMA IF NOT EXISTS apimodels;

CREATE TABLE apimodels.ledger (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version int NOT NULL,
    server text,                         -- to which it belongs, once it is bound
    budget bigint,                       -- millionths of a US dollar; NULL: no budget
    granted bigint NOT NULL DEFAULT 0,   -- of the budget, to runs; never more than the budget
    create_rate float8,                  -- create requests a second, of all runs; NULL: no limit
    next_slot float8 NOT NULL DEFAULT 0  -- epoch seconds, by this server's clock
);

-- Where this ledger was written last: a copy of it elsewhere differs from this row.
CREATE TABLE apimodels.place (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    system_identifier bigint NOT NULL,
    timeline text NOT NULL,
    written_by bigint NOT NULL           -- the transaction that wrote this row, as its xmin says
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

-- What the clients call. Each call is one statement and one transaction: a client that stops in the middle of it holds
-- no lock, and no state of a session is needed, so that a pooler may stand in between.

-- Why this is not the place where the ledger was written last; NULL if it is.
CREATE OR REPLACE FUNCTION apimodels.moved() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (
        SELECT CASE
            WHEN place.system_identifier <> (SELECT system_identifier FROM pg_control_system())
                THEN 'it was restored on another server'
            -- Not of pg_control_checkpoint(), which says so only after the first checkpoint of a promoted standby.
            WHEN place.timeline <> left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
                THEN 'a standby was promoted, or it was restored to an earlier time'
            WHEN place.written_by <> place.xmin::text::bigint
                THEN 'it was restored from a dump'
            END
        FROM apimodels.place
    );
END $$;

CREATE OR REPLACE FUNCTION apimodels.settle_here() RETURNS void LANGUAGE sql AS $$
    DELETE FROM apimodels.place;
    INSERT INTO apimodels.place (system_identifier, timeline, written_by)
    SELECT system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
           pg_current_xact_id()::text::bigint & 4294967295
    FROM pg_control_system()
$$;

CREATE OR REPLACE FUNCTION apimodels.is_billed(step text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT step NOT IN ('intent', 'rejected', 'failed')
$$;

-- End a run, and return what is left of its allowance to the budget.
CREATE OR REPLACE FUNCTION apimodels.end_run(which bigint, lapsed_only boolean) RETURNS void LANGUAGE plpgsql
SET lock_timeout = '10s' AS $$
DECLARE
    rest bigint;
BEGIN
    UPDATE apimodels.run SET ended = clock_timestamp()
    WHERE id = which AND ended IS NULL AND (NOT lapsed_only OR seen < clock_timestamp() - make_interval(secs => ttl))
    RETURNING granted - used INTO rest;
    IF FOUND AND rest <> 0 THEN
        UPDATE apimodels.run SET granted = used WHERE id = which;
        UPDATE apimodels.ledger SET granted = granted - rest;
    END IF;
END $$;

-- Whether a run has ended; one whose lease ran out is ended by this. An entry without a run belongs to no one.
CREATE OR REPLACE FUNCTION apimodels.has_ended(which bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_over boolean;
BEGIN
    IF which IS NULL THEN
        RETURN true;
    END IF;
    PERFORM apimodels.end_run(which, true);
    SELECT ended IS NOT NULL INTO is_over FROM apimodels.run WHERE id = which;
    RETURN coalesce(is_over, true);
END $$;

-- Whether a run that is alive is sending an entry that it marked then. A create request takes 5 minutes at most: after
-- 15 its process will not say any more what came of it.
CREATE OR REPLACE FUNCTION apimodels.is_being_sent(which bigint, marked float8) RETURNS boolean LANGUAGE sql AS $$
    SELECT NOT apimodels.has_ended(which) AND marked > extract(epoch FROM clock_timestamp()) - 900
$$;

-- Count a cost for (or, negative, no longer for) a run.
CREATE OR REPLACE FUNCTION apimodels.charge(which bigint, cost bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE apimodels.run SET used = used + cost WHERE id = which AND ended IS NULL;
    IF NOT FOUND THEN
        UPDATE apimodels.run SET used = used + cost, granted = granted + cost WHERE id = which;
        IF FOUND THEN
            UPDATE apimodels.ledger SET granted = granted + cost;
        END IF;
    END IF;
END $$;

-- Add those of the changes that begin an entry, and return the numbers of those whose entry was not there.
CREATE OR REPLACE FUNCTION apimodels.begin_entries(changes apimodels.change[]) RETURNS int[] LANGUAGE plpgsql
SET enable_hashjoin = on AS $$
DECLARE
    begun int[];
BEGIN
    WITH new AS MATERIALIZED (
        SELECT * FROM unnest(changes) WHERE content IS NOT NULL ORDER BY digest, occurrence
    ), added AS (
        INSERT INTO apimodels.entry (digest, occurrence, step, cost, changed, name)
        SELECT digest, occurrence, step, cost, coalesce(at, extract(epoch FROM clock_timestamp())), name FROM new
        ON CONFLICT DO NOTHING RETURNING digest, occurrence
    ), kept AS (
        INSERT INTO apimodels.request (digest, occurrence, content, model, body)
        SELECT digest, occurrence, content, model, body FROM new JOIN added USING (digest, occurrence) ORDER BY n
    )
    SELECT array_agg(n) INTO begun FROM new JOIN added USING (digest, occurrence);
    RETURN coalesce(begun, '{}');
END $$;

-- Carry out changes in their order. The result of each: 1 changed, 0 not; below 0 the reasons why a mark was refused:
-- -1 fence, -2 run ended, -3 ledger moved, -4 no budget left, -5 no price known.
--
-- They go in waves, the first change of each entry and then the second, because a statement changes a row only once.
-- Each wave is judged by what is there, and carried out where it is still so; what another transaction has changed in
-- between is judged again.
--
-- About the settings: a plan is made once in a session, perhaps while the tables are empty, and must do when they are
-- large. So each look at an entry is one by its primary key, whatever the statistics say.
CREATE OR REPLACE FUNCTION apimodels.apply(
    given json, my_run bigint, marks boolean, my_shard int, my_fence bigint
) RETURNS int[] LANGUAGE plpgsql
SET lock_timeout = '10s' SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    refusal int := 0;
    my_granted bigint := 0;
    my_used bigint := 0;
    my_change bigint := 0;
    total bigint;
    changes apimodels.change[];
    waves int;
    some_begin boolean;
    results int[];
    those apimodels.change[];  -- of this wave, as far as they are not decided
    judged apimodels.judgement[];
    judgement apimodels.judgement;
    some_decided boolean;
    change_before bigint;
    ahead bigint;
    needed bigint;
    rest bigint;
    drawn bigint;
    done record;
    number int;
BEGIN
    IF marks THEN
        IF my_shard IS NOT NULL THEN
            PERFORM 1 FROM apimodels.shard s WHERE s.number = my_shard AND s.fence = my_fence FOR SHARE;
            IF NOT FOUND THEN
                refusal := -1;
            END IF;
        END IF;
        UPDATE apimodels.run SET seen = clock_timestamp() WHERE id = my_run AND ended IS NULL
        RETURNING granted, used INTO my_granted, my_used;
        IF NOT FOUND THEN
            refusal := -2;
        END IF;
        IF apimodels.moved() IS NOT NULL THEN
            refusal := -3;
        END IF;
        SELECT budget INTO total FROM apimodels.ledger;
    END IF;

    SELECT array_agg(x::apimodels.change), max(wave), bool_or(content IS NOT NULL), array_agg(0)
    INTO changes, waves, some_begin, results
    FROM (
        SELECT ordinality::int AS n,
               (row_number() OVER (PARTITION BY digest, occurrence ORDER BY ordinality))::int AS wave,
               digest, occurrence, name, step, before, attempt, content, model, body, cost, task_id, task, files, error,
               intent_id, picture_name, at
        FROM ROWS FROM (json_to_recordset(given) AS (
            digest bytea, occurrence int, name text, step text, before text, attempt bigint, content bytea,
            model text, body text, cost bigint, task_id text, task text, files text, error text, intent_id text,
            picture_name text, at float8
        )) WITH ORDINALITY
        ORDER BY digest, occurrence
    ) x;

    FOR wave_now IN 1..coalesce(waves, 0) LOOP
        those := changes;
        IF waves > 1 OR some_begin THEN
            IF some_begin THEN
                SELECT array_agg(x) INTO those FROM unnest(changes) x WHERE x.wave = wave_now AND x.content IS NOT NULL;
                IF those IS NOT NULL THEN
                    FOREACH number IN ARRAY apimodels.begin_entries(those) LOOP
                        results[number] := 1;
                    END LOOP;
                END IF;
            END IF;
            SELECT array_agg(x) INTO those FROM unnest(changes) x WHERE x.wave = wave_now AND x.content IS NULL;
        END IF;

        WHILE those IS NOT NULL LOOP
            SELECT array_agg(ROW(c, e.step, e.attempt, e.run, e.cost, e.task_id, d.result)::apimodels.judgement
                             ORDER BY c.n),
                   bool_or(d.result IS NOT NULL)
            INTO judged, some_decided
            FROM unnest(those) c
            LEFT JOIN apimodels.entry e ON e.digest = c.digest AND e.occurrence = c.occurrence
            CROSS JOIN LATERAL (SELECT CASE
                WHEN e.step IS NULL THEN 0
                WHEN c.step = 'sending' THEN CASE
                    WHEN e.step = 'sending' AND e.attempt = c.attempt THEN 1  -- done before, and its answer was lost
                    WHEN refusal < 0 THEN refusal
                    WHEN e.step <> ALL (string_to_array(c.before, ' ')) THEN 0
                END
                WHEN e.step <> ALL (string_to_array(c.before, ' '))
                    -- the news of another attempt
                    OR (c.attempt IS NOT NULL AND e.attempt IS DISTINCT FROM c.attempt)
                    -- the end of an earlier task
                    OR (c.step IN ('done', 'failed') AND e.task_id <> c.task_id) THEN 0
                -- while its own run is alive, that alone knows what comes of it; but a task that was found is one
                WHEN e.step = 'sending' AND c.step <> 'created' AND e.run IS DISTINCT FROM my_run
                    THEN CASE WHEN apimodels.is_being_sent(e.run, e.changed) THEN 0 END
            END AS result) d;

            change_before := my_change;
            IF total IS NOT NULL THEN
                ahead := 0;  -- what the marks of this wave cost; what others give back counts when it is done
                FOR at IN 1..cardinality(judged) LOOP
                    judgement := judged[at];
                    CONTINUE WHEN judgement.result IS NOT NULL OR (judgement.change).step <> 'sending';
                    IF judgement.cost IS NULL THEN
                        judged[at].result := -5;
                        some_decided := true;
                        CONTINUE;
                    END IF;
                    needed := my_used + my_change + ahead + judgement.cost - my_granted;
                    IF needed > 0 THEN
                        SELECT budget - granted INTO rest FROM apimodels.ledger FOR UPDATE;
                        IF rest < needed THEN
                            judged[at].result := -4;
                            some_decided := true;
                            CONTINUE;
                        END IF;
                        -- A hundred prices, but never more than a quarter of the rest: others want to draw as well.
                        drawn := greatest(needed, least(rest / 4, 100 * judgement.cost));
                        UPDATE apimodels.ledger SET granted = granted + drawn;
                        UPDATE apimodels.run SET granted = granted + drawn WHERE id = my_run;
                        my_granted := my_granted + drawn;
                    END IF;
                    ahead := ahead + judgement.cost;
                END LOOP;
            END IF;

            -- In the order of the keys, so that two transactions seldom wait for each other in a circle.
            FOR done IN
                UPDATE apimodels.entry e SET
                    step = (j.change).step,
                    run = CASE (j.change).step WHEN 'sending' THEN my_run ELSE e.run END,
                    attempt = CASE (j.change).step WHEN 'sending' THEN (j.change).attempt ELSE e.attempt END,
                    changed = coalesce((j.change).at, extract(epoch FROM clock_timestamp())),
                    task_id = coalesce((j.change).task_id, e.task_id),
                    task = coalesce((j.change).task, e.task),
                    files = coalesce((j.change).files, e.files),
                    error = (j.change).error,
                    intent_id = coalesce((j.change).intent_id, e.intent_id),
                    picture_name = coalesce((j.change).picture_name, e.picture_name)
                FROM (
                    SELECT * FROM unnest(judged) x WHERE x.result IS NULL
                    ORDER BY (x.change).digest, (x.change).occurrence
                ) j
                WHERE e.digest = (j.change).digest AND e.occurrence = (j.change).occurrence AND e.step = j.step
                    AND e.attempt IS NOT DISTINCT FROM j.attempt AND e.run IS NOT DISTINCT FROM j.run
                RETURNING (j.change).n, j.run, (j.change).step = 'sending' OR j.run = my_run AS is_mine,
                    coalesce(j.cost, 0)
                    * (apimodels.is_billed((j.change).step)::int - apimodels.is_billed(j.step)::int) AS delta
            LOOP
                results[done.n] := 1;
                IF done.is_mine THEN
                    my_change := my_change + done.delta;
                ELSIF done.delta <> 0 THEN
                    PERFORM apimodels.charge(done.run, done.delta);
                END IF;
            END LOOP;

            IF some_decided THEN
                FOREACH judgement IN ARRAY judged LOOP
                    CONTINUE WHEN judgement.result IS NULL;
                    results[(judgement.change).n] := judgement.result;
                    IF judgement.result = 0 AND (judgement.change).step = 'created'
                        AND (judgement.change).task_id IS NOT NULL
                        AND judgement.task_id IS DISTINCT FROM (judgement.change).task_id
                    THEN
                        INSERT INTO apimodels.stray (digest, occurrence, attempt, task_id, task)
                        SELECT (judgement.change).digest, (judgement.change).occurrence, (judgement.change).attempt,
                               (judgement.change).task_id, (judgement.change).task
                        ON CONFLICT DO NOTHING;
                    END IF;
                END LOOP;
            END IF;

            -- Again: what was changed in between, and what could not be afforded before others gave something back.
            SELECT array_agg(x.change) INTO those FROM unnest(judged) x
            WHERE (x.result IS NULL AND results[(x.change).n] = 0) OR (x.result = -4 AND my_change < change_before);
        END LOOP;
    END LOOP;

    IF my_change <> 0 THEN
        PERFORM apimodels.charge(my_run, my_change);
    END IF;
    RETURN coalesce(results, '{}');
END $$;

SELECT apimodels.settle_here();
INSERT INTO apimodels.ledger (version) VALUES (1);
