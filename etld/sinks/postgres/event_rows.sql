-- name: copy
COPY public.processed_events
    (event_id, triggered_at, kafka_partition, kafka_offset, event_name, event_type, user_details, event_details)
FROM STDIN (FORMAT binary)

-- name: staging
CREATE TEMPORARY TABLE IF NOT EXISTS etld_staging (
    event_id uuid, event_name text, event_type text, user_details jsonb, event_details jsonb,
    triggered_at timestamptz, kafka_partition integer, kafka_offset bigint
) ON COMMIT DELETE ROWS

-- name: copy_staging
COPY pg_temp.etld_staging
    (event_id, triggered_at, kafka_partition, kafka_offset, event_name, event_type, user_details, event_details)
FROM STDIN (FORMAT binary)

-- name: merge
WITH kept AS (
    INSERT INTO public.processed_events
        (event_id, triggered_at, kafka_partition, kafka_offset, event_name, event_type, user_details, event_details)
    SELECT event_id, triggered_at, kafka_partition, kafka_offset, event_name, event_type, user_details, event_details
    FROM pg_temp.etld_staging
    ORDER BY kafka_partition, kafka_offset
    ON CONFLICT (event_id) DO NOTHING
    RETURNING kafka_partition
)
SELECT kafka_partition, count(*) FROM kept GROUP BY 1

-- name: empty_staging
DELETE FROM pg_temp.etld_staging

-- name: one
SELECT event_id::text, event_name, event_type, user_details, event_details, triggered_at, processed_at,
    kafka_partition, kafka_offset
FROM public.processed_events
WHERE event_id = %(event_id)s::uuid

-- name: count
SELECT event_type, kafka_partition, count(*) FROM public.processed_events GROUP BY 1, 2
