-- Who writes which partitions of processed_events at the same time: see etld/sinks/postgres/deduplication/.

-- The newest leaf that has been written; NULL while none has.
CREATE FUNCTION etld.current_leaf() RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT p.name
        FROM etld.event_partition p
        WHERE p.version <> 0
        ORDER BY p.lower DESC NULLS LAST
        LIMIT 1
    );
END
$$;

-- For a batch whose rows have accepted_at from `lowest` to `highest`: until the end of the transaction it shares the
-- leaves with other ordinary batches, or is alone with them, where it is not ordinary or `must_be_alone`. Gives each
-- leaf that may have an id of the batch within `dedup_window`; times in microseconds since 1970. A function, since each
-- of its statements sees what was committed before it, and so after the wait for the lock.
CREATE FUNCTION etld.enter_leaves(
    lowest timestamptz, highest timestamptz, dedup_window interval, must_be_alone boolean,
    OUT schema_name text, OUT name text, OUT oid bigint, OUT lower bigint, OUT upper bigint, OUT version bigint,
    OUT taken_over bigint, OUT is_current boolean, OUT is_alone boolean
) RETURNS SETOF record
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    writers CONSTANT bigint := 7310587273700270438;
    ordinary boolean := false;
BEGIN
    -- As the COPY that follows does: until the end, no leaf goes. Not the leaves: one may be about to go, and held.
    LOCK TABLE ONLY public.processed_events IN ROW EXCLUSIVE MODE;
    IF NOT must_be_alone AND etld.is_within(etld.current_leaf(), lowest, highest) THEN
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(writers);
            ordinary := etld.is_within(etld.current_leaf(), lowest, highest);
            IF NOT ordinary THEN
                -- Another batch has begun a newer leaf since. Two that share a lock and both wait to be alone would
                -- wait for ever: this gives it back.
                RAISE EXCEPTION USING ERRCODE = 'ETLD1';
            END IF;
        EXCEPTION WHEN SQLSTATE 'ETLD1' THEN
        END;
    END IF;
    IF NOT ordinary THEN
        PERFORM pg_advisory_xact_lock(writers);
    END IF;
    RETURN QUERY
    SELECT n.nspname::text, c.relname::text, c.oid::bigint,
        (extract(epoch FROM p.lower) * 1000000)::bigint, (extract(epoch FROM p.upper) * 1000000)::bigint, p.version,
        (extract(epoch FROM p.taken_over_at) * 1000000)::bigint, coalesce(p.name = etld.current_leaf(), false),
        NOT ordinary
    FROM etld.event_partition p
    JOIN pg_class c ON c.relname = p.name
    JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'public.processed_events'::regclass
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE greatest(p.upper, p.taken_over_at) >= lowest - dedup_window
        AND (p.lower IS NULL OR p.lower <= highest + dedup_window)
    ORDER BY p.lower NULLS FIRST;
END
$$;

-- Do all times from `lowest` to `highest` belong to this leaf?
CREATE FUNCTION etld.is_within(leaf text, lowest timestamptz, highest timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT
        FROM etld.event_partition p
        WHERE p.name = leaf AND (p.lower IS NULL OR p.lower <= lowest) AND p.upper > highest
    );
END
$$;

-- The index on id costs COPY a tenth, and no query uses it. A table that is published needs it to tell rows apart.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_publication_tables WHERE schemaname = 'public' AND tablename = 'processed_events'
    ) THEN
        ALTER TABLE public.processed_events DROP CONSTRAINT IF EXISTS processed_events_pkey;
    END IF;
EXCEPTION WHEN dependent_objects_still_exist THEN
    NULL; -- a foreign key of somebody else's
END
$$;
