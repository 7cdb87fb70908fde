-- The lists of columns, {copied}, {staged} and {read}, come from columns.py.

-- name: copy
COPY public.processed_events ({copied}) FROM STDIN (FORMAT binary)

-- name: staging
CREATE TEMPORARY TABLE IF NOT EXISTS etld_staging ({staged}) ON COMMIT DELETE ROWS

-- name: copy_staging
COPY pg_temp.etld_staging ({copied}) FROM STDIN (FORMAT binary)

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

-- name: empty_staging
DELETE FROM pg_temp.etld_staging

-- name: one
SELECT {read}
FROM public.processed_events
WHERE event_id = %(event_id)s::uuid

-- name: count
SELECT event_type, kafka_partition, count(*) FROM public.processed_events GROUP BY 1, 2
