-- Dead letters by what is wrong with them: counted as they come and change, so that a million is told in a moment; and
-- actions on many letters, which go on when whoever asked for them is gone.
-- Where there are letters, the corrector makes the two indexes beside its work. Counting a million of them takes some
-- seconds, in which correctors wait. Nothing else does.

-- What was expected where, without what came and without numbers: alike for all letters of one group.
CREATE FUNCTION etld.letter_error(stage text, error text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT pg_catalog.left(
    CASE WHEN stage = 'VALIDATION'
        THEN pg_catalog.split_part(pg_catalog.split_part(error, ', got ', 1), '; did you mean', 1)
        ELSE pg_catalog.regexp_replace(pg_catalog.split_part(error, ' DETAIL:', 1), '\d+', '#', 'g') END, 200)
$$;

CREATE FUNCTION etld.letter_group(stage text, error_class text, sqlstate text, error text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT pg_catalog.md5(stage || E'\n' || error_class || E'\n' || coalesce(sqlstate, '') || E'\n'
    || etld.letter_error(stage, error))::uuid
$$;

-- Whose event it was, as far as an attempt could read it.
CREATE FUNCTION etld.letter_user(event json) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT pg_catalog.left(pg_catalog.substring(event::text, '"user_details":\s*\{[^{}]*"user_id":\s*"?([^",}]+)'), 64)
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM etld.dead_letter) THEN
        CREATE INDEX dead_letter_error_group ON etld.dead_letter
            (etld.letter_group(stage, error_class, sqlstate, error), state, created_at, id);
        CREATE INDEX dead_letter_attempt_user ON etld.dead_letter_attempt (etld.letter_user(before));
    END IF;
END
$$;

-- How many letters came and went: sums of rows, so that writers of one group do not wait for each other. The corrector
-- adds rows up that are of one kind. Holds nothing that is in a letter.
CREATE TABLE etld.dead_letter_count (
    error_group uuid        NOT NULL,
    event_type  text        NOT NULL,
    state       text        NOT NULL,
    -- Of the letters' arrival; the corrector makes days of those some days ago.
    hour        timestamptz NOT NULL,
    letters     bigint      NOT NULL
);
CREATE INDEX dead_letter_count_kind ON etld.dead_letter_count (error_group, event_type, state, hour);
COMMENT ON TABLE etld.dead_letter_count IS 'How many dead letters there are, by group of errors, event type, state and hour of arrival: the sum of letters.';

CREATE FUNCTION etld.count_dead_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO etld.dead_letter_count (error_group, event_type, state, hour, letters)
        SELECT etld.letter_group(stage, error_class, sqlstate, error), coalesce(event_type, '?'), state,
            date_bin('1 hour', created_at, 'epoch'), count(*)
        FROM came GROUP BY 1, 2, 3, 4;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO etld.dead_letter_count (error_group, event_type, state, hour, letters)
        SELECT etld.letter_group(stage, error_class, sqlstate, error), coalesce(event_type, '?'), state,
            date_bin('1 hour', created_at, 'epoch'), -count(*)
        FROM gone GROUP BY 1, 2, 3, 4;
    ELSIF TG_OP = 'TRUNCATE' THEN
        DELETE FROM etld.dead_letter_count;
    ELSE
        INSERT INTO etld.dead_letter_count (error_group, event_type, state, hour, letters)
        SELECT etld.letter_group(one.stage, one.error_class, one.sqlstate, one.error), coalesce(one.event_type, '?'),
            one.state, date_bin('1 hour', one.created_at, 'epoch'), sum(one.letters)
        FROM came JOIN gone ON gone.id = came.id, LATERAL (VALUES
            (came.stage, came.error_class, came.sqlstate, came.error, came.event_type, came.state, came.created_at, 1),
            (gone.stage, gone.error_class, gone.sqlstate, gone.error, gone.event_type, gone.state, gone.created_at, -1)
        ) AS one (stage, error_class, sqlstate, error, event_type, state, created_at, letters)
        WHERE (came.state, came.event_type, came.created_at, came.stage, came.error_class, came.sqlstate, came.error)
            IS DISTINCT FROM (gone.state, gone.event_type, gone.created_at, gone.stage, gone.error_class, gone.sqlstate, gone.error)
        GROUP BY 1, 2, 3, 4 HAVING sum(one.letters) <> 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_came AFTER INSERT ON etld.dead_letter REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION etld.count_dead_letters();
CREATE TRIGGER count_changed AFTER UPDATE ON etld.dead_letter REFERENCING OLD TABLE AS gone NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION etld.count_dead_letters();
CREATE TRIGGER count_gone AFTER DELETE ON etld.dead_letter REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION etld.count_dead_letters();
CREATE TRIGGER count_none AFTER TRUNCATE ON etld.dead_letter
    FOR EACH STATEMENT EXECUTE FUNCTION etld.count_dead_letters();

-- By the day what is some days old, as the corrector adds it up.
INSERT INTO etld.dead_letter_count (error_group, event_type, state, hour, letters)
SELECT etld.letter_group(stage, error_class, sqlstate, error), coalesce(event_type, '?'), state,
    date_bin(CASE WHEN created_at < now() - interval '4 days' THEN interval '1 day' ELSE interval '1 hour' END,
             created_at, 'epoch'),
    count(*)
FROM etld.dead_letter GROUP BY 1, 2, 3, 4;

-- Actions on all letters that match. A page at a time, with its count, is one transaction.
CREATE TABLE etld.letter_job (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action     text        NOT NULL CHECK (action IN ('replay', 'discard')),
    -- Which letters; those that changed after asked_at are left alone.
    chosen     jsonb       NOT NULL,
    reason     text,
    asked_by   text        NOT NULL,
    state      text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled', 'failed')),
    total      bigint      NOT NULL,
    done       bigint      NOT NULL DEFAULT 0,
    -- The last letter of its last page.
    after_at   timestamptz NOT NULL DEFAULT '-infinity',
    after_id   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    error      text,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    -- Whoever asked works on it until then; later a corrector does.
    held_until timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX letter_job_running ON etld.letter_job (id) WHERE state = 'running';
COMMENT ON COLUMN etld.letter_job.chosen IS 'Which letters; those that changed after asked_at are left alone.';
COMMENT ON COLUMN etld.letter_job.total IS 'Letters that were chosen when it was asked for.';
COMMENT ON COLUMN etld.letter_job.done IS 'Letters that it changed so far.';
COMMENT ON TABLE etld.letter_job IS 'Replays and discards of many dead letters: who asked, for which, and how far each has come.';
