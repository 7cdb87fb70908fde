-- The lists of columns, {copied}, {staged} and {read}, come from columns.py.

-- name: copy
COPY public.processed_events ({copied}) FROM STDIN (FORMAT binary)

-- name: staging
CREATE TEMPORARY TABLE IF NOT EXISTS etld_staging ({staged}) ON COMMIT DELETE ROWS

-- name: passing_staging
-- Behind a pooler the session is somebody else's afterwards, perhaps an etld's with other columns.
CREATE TEMPORARY TABLE etld_staging ({staged}) ON COMMIT DROP

-- name: copy_staging
COPY pg_temp.etld_staging ({copied}) FROM STDIN (FORMAT binary)

-- name: merge
WITH kept AS (
    INSERT INTO public.processed_events ({copied})
    SELECT {copied}
    FROM pg_temp.etld_staging s
    WHERE NOT EXISTS (SELECT FROM public.processed_events e WHERE e.event_id = s.event_id)
    ORDER BY kafka_partition, kafka_offset
    ON CONFLICT DO NOTHING
    RETURNING kafka_partition
)
SELECT kafka_partition, count(*) FROM kept GROUP BY 1

-- name: immediate
-- What is deferred to the end would be nobody's fault there.
SET CONSTRAINTS ALL IMMEDIATE

-- name: present
SELECT count(*)
FROM unnest(%(ids)s::uuid[]) AS sent (event_id)
JOIN public.processed_events USING (event_id)

-- name: swallowed
SELECT kafka_partition, kafka_offset
FROM pg_temp.etld_staging s
WHERE NOT EXISTS (SELECT FROM public.processed_events e WHERE e.event_id = s.event_id)

-- name: empty_staging
DELETE FROM pg_temp.etld_staging

-- name: one
SELECT {read}
FROM public.processed_events
WHERE event_id = %(event_id)s::uuid

-- name: count
SELECT event_type, kafka_partition, count(*) FROM public.processed_events GROUP BY 1, 2
