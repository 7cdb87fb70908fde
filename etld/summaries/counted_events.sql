-- name: partitions
SELECT c.relname::text
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'etld.counted_event'::regclass
ORDER BY 1

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld.counted_event'))

-- name: among
SELECT event_id::text
FROM etld.counted_event
WHERE counted_on = ANY(%(days)s::date[]) AND event_id = ANY(%(ids)s::uuid[])
