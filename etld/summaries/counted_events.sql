-- name: partitions
SELECT c.relname::text
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'etld.counted_event'::regclass
ORDER BY 1

-- name: total
SELECT coalesce(sum(stored), 0)::bigint FROM etld.kafka_position WHERE consumer_group = %(group)s

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld.counted_event'))

-- name: among
SELECT event_id::text, accepted_at, counted_on
FROM etld.counted_event
WHERE counted_on = ANY(%(days)s::date[]) AND event_id = ANY(%(ids)s::uuid[])

-- name: one_event
SELECT id
FROM unnest(%(ids)s::text[], %(before)s::timestamptz[], %(after)s::timestamptz[]) AS s (id, before, after)
WHERE etld.is_one_event(s.before, s.after, make_interval(secs => %(window)s))

-- name: renew
UPDATE etld.counted_event c
SET accepted_at = s.accepted
FROM unnest(%(ids)s::uuid[], %(accepted)s::timestamptz[]) AS s (id, accepted)
WHERE c.counted_on = %(day)s AND c.event_id = s.id
