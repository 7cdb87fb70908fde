-- The list of columns, {read}, comes from columns.py.

-- name: found
-- The newest first; of what Kafka took at one moment, by id.
SELECT {read}
FROM public.processed_events
WHERE accepted_at >= %(lower)s::timestamptz AND accepted_at <= %(upper)s::timestamptz
    AND (%(after)s::uuid IS NULL OR (accepted_at, event_id) < (%(upper)s::timestamptz, %(after)s::uuid))
    AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
    AND (%(event_name)s::text IS NULL OR event_name = %(event_name)s)
    AND (%(user)s::text IS NULL OR (user_details ->> 'user_id') = %(user)s)
ORDER BY accepted_at DESC, event_id DESC
LIMIT %(limit)s

-- name: index_columns
-- What each index of the table leads with, in PostgreSQL's own spelling.
SELECT pg_get_indexdef(i.indexrelid, 1, true), coalesce(pg_get_indexdef(i.indexrelid, 2, true), '')
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = 'public.processed_events'::regclass AND i.indisvalid AND m.amname = 'btree'
