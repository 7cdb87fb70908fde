-- The list of columns, {read}, comes from columns.py.

-- name: one
SELECT {read}
FROM public.processed_events
WHERE event_id = %(event_id)s::uuid

-- name: count
SELECT event_type, kafka_partition, count(*) FROM public.processed_events GROUP BY 1, 2
