-- What the clients call. Each call is one statement and one transaction: a client that stops in the middle of it holds
-- no lock, and no state of a session is needed, so that a pooler may stand in between.

-- Why this is not the place where the ledger was written last; NULL if it is.
CREATE OR REPLACE FUNCTION apimodels.moved() RETURNS text LANGUAGE sql VOLATILE AS $$
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
$$;

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

-- Carry out changes in their order. The result of each: 1 changed, 0 not; below 0 the reasons why a mark was refused:
-- -1 fence, -2 run ended, -3 ledger moved, -4 no budget left, -5 no price known.
CREATE OR REPLACE FUNCTION apimodels.apply(
    changes json, my_run bigint, marks boolean, my_shard int, my_fence bigint
) RETURNS int[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET lock_timeout = '10s' AS $$
DECLARE
    refusal int := 0;
    my_granted bigint := 0;
    my_used bigint := 0;
    my_change bigint := 0;
    total bigint;
    needed bigint;
    rest bigint;
    drawn bigint;
    delta bigint;
    c record;
    e record;
    result int;
    results int[] := '{}';
BEGIN
    IF marks THEN
        IF my_shard IS NOT NULL THEN
            PERFORM 1 FROM apimodels.shard WHERE number = my_shard AND fence = my_fence FOR SHARE;
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

    FOR c IN SELECT * FROM json_to_recordset(changes) AS x(
        digest bytea, occurrence int, name text, step text, before text[], attempt bigint, content bytea, model text,
        body text, cost bigint, task_id text, task text, files text, error text, intent_id text,
        picture_name text, at float8
    ) LOOP
        result := 0;
        IF c.content IS NOT NULL THEN
            INSERT INTO apimodels.entry (digest, occurrence, step, cost, changed, name)
            VALUES (c.digest, c.occurrence, c.step, c.cost,
                    coalesce(c.at, extract(epoch FROM clock_timestamp())), c.name)
            ON CONFLICT DO NOTHING;
            IF FOUND THEN
                INSERT INTO apimodels.request (digest, occurrence, content, model, body)
                VALUES (c.digest, c.occurrence, c.content, c.model, c.body);
                result := 1;
            END IF;
            results := results || result;
            CONTINUE;
        END IF;

        LOOP  -- again, if another transaction has changed the entry meanwhile
            SELECT step, attempt, run, cost, task_id, changed INTO e FROM apimodels.entry
            WHERE digest = c.digest AND occurrence = c.occurrence;
            EXIT WHEN NOT FOUND;
            IF c.step = 'sending' THEN
                IF e.step = 'sending' AND e.attempt = c.attempt THEN
                    result := 1;  -- carried out before, and its answer was lost
                    EXIT;
                END IF;
                result := refusal;
                EXIT WHEN result < 0 OR e.step <> ALL (c.before);
                IF total IS NOT NULL THEN
                    IF e.cost IS NULL THEN
                        result := -5;
                        EXIT;
                    END IF;
                    needed := my_used + my_change + e.cost - my_granted;
                    IF needed > 0 THEN
                        SELECT budget - granted INTO rest FROM apimodels.ledger FOR UPDATE;
                        IF rest < needed THEN
                            result := -4;
                            EXIT;
                        END IF;
                        -- A hundred prices, but never more than a quarter of the rest: others want to draw as well.
                        drawn := greatest(needed, least(rest / 4, 100 * e.cost));
                        UPDATE apimodels.ledger SET granted = granted + drawn;
                        UPDATE apimodels.run SET granted = granted + drawn WHERE id = my_run;
                        my_granted := my_granted + drawn;
                    END IF;
                END IF;
            ELSE
                EXIT WHEN e.step <> ALL (c.before)
                    -- the news of another attempt
                    OR (c.attempt IS NOT NULL AND e.attempt IS DISTINCT FROM c.attempt)
                    -- the end of an earlier task
                    OR (c.step IN ('done', 'failed') AND e.task_id <> c.task_id)
                    -- while its own run is alive, that alone knows what comes of it; but a task that was found is one
                    OR (e.step = 'sending' AND c.step <> 'created' AND e.run IS DISTINCT FROM my_run
                        AND apimodels.is_being_sent(e.run, e.changed));
            END IF;
            UPDATE apimodels.entry SET
                step = c.step,
                run = CASE c.step WHEN 'sending' THEN my_run ELSE run END,
                attempt = CASE c.step WHEN 'sending' THEN c.attempt ELSE attempt END,
                changed = coalesce(c.at, extract(epoch FROM clock_timestamp())),
                task_id = coalesce(c.task_id, task_id),
                task = coalesce(c.task, task),
                files = coalesce(c.files, files),
                error = c.error,
                intent_id = coalesce(c.intent_id, intent_id),
                picture_name = coalesce(c.picture_name, picture_name)
            WHERE digest = c.digest AND occurrence = c.occurrence
                AND step = e.step AND attempt IS NOT DISTINCT FROM e.attempt AND run IS NOT DISTINCT FROM e.run;
            CONTINUE WHEN NOT FOUND;
            result := 1;
            delta := coalesce(e.cost, 0) * (apimodels.is_billed(c.step)::int - apimodels.is_billed(e.step)::int);
            IF c.step = 'sending' OR e.run = my_run THEN
                my_change := my_change + delta;
            ELSIF delta <> 0 THEN
                PERFORM apimodels.charge(e.run, delta);
            END IF;
            EXIT;
        END LOOP;

        IF result = 0 AND c.step = 'created' AND c.task_id IS NOT NULL AND e.task_id IS DISTINCT FROM c.task_id THEN
            INSERT INTO apimodels.stray (digest, occurrence, attempt, task_id, task)
            VALUES (c.digest, c.occurrence, c.attempt, c.task_id, c.task) ON CONFLICT DO NOTHING;
        END IF;
        results := results || result;
    END LOOP;

    IF my_change <> 0 THEN
        PERFORM apimodels.charge(my_run, my_change);
    END IF;
    RETURN results;
END $$;
