-- The lists of columns, {copied} and {staged}, come from columns.py.

-- name: staging
CREATE TEMPORARY TABLE IF NOT EXISTS etld_staging ({staged}) ON COMMIT DELETE ROWS

-- name: passing_staging
-- Behind a pooler the session is somebody else's afterwards, perhaps an etld's with other columns.
CREATE TEMPORARY TABLE etld_staging ({staged}) ON COMMIT DROP

-- name: copy
COPY pg_temp.etld_staging ({copied}) FROM STDIN (FORMAT binary)

-- name: immediate
-- What is deferred to the end would be nobody's fault there.
SET CONSTRAINTS ALL IMMEDIATE

-- name: merge
WITH kept AS (
    INSERT INTO public.processed_events ({copied})
    SELECT {copied}
    FROM pg_temp.etld_staging
    ORDER BY kafka_partition, kafka_offset
    ON CONFLICT (event_id) DO NOTHING
    RETURNING kafka_partition
)
SELECT kafka_partition, count(*) FROM kept GROUP BY 1

-- name: insert
-- For a table with partitions, which has no index on event_id as a whole.
WITH kept AS (
    INSERT INTO public.processed_events ({copied})
    SELECT {copied}
    FROM pg_temp.etld_staging
    ORDER BY kafka_partition, kafka_offset
    RETURNING kafka_partition
)
SELECT kafka_partition, count(*) FROM kept GROUP BY 1

-- name: swallowed
SELECT kafka_partition, kafka_offset
FROM pg_temp.etld_staging s
WHERE NOT EXISTS (SELECT FROM public.processed_events e WHERE e.event_id = s.event_id)

-- name: empty
DELETE FROM pg_temp.etld_staging
