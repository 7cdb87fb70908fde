-- name: lock
-- One erasure at a time; for the session.
SELECT pg_try_advisory_lock(hashtext('etld.erasure'))

-- name: unlock
SELECT pg_advisory_unlock(hashtext('etld.erasure'))

-- name: all
-- What counts on arrival, with the number of the step that it was read at.
SELECT (SELECT coalesce(max(erasures), 0) FROM etld.kafka_position), id, fields, subject, key_fingerprint, state,
    (extract(epoch FROM accepted_until) * 1000)::bigint, read_until
FROM etld.erasure

-- name: step
SELECT coalesce(max(erasures), 0) FROM etld.kafka_position

-- name: hold
-- Nobody writes a batch from here to the end of the transaction.
SELECT FROM etld.kafka_position ORDER BY cluster_id, consumer_group, topic, partition FOR UPDATE

-- name: next_step
UPDATE etld.kafka_position SET erasures = (SELECT coalesce(max(erasures), 0) + 1 FROM etld.kafka_position)

-- name: foreign_key
SELECT key_fingerprint FROM etld.erasure WHERE key_fingerprint <> %(fingerprint)s LIMIT 1

-- name: begin
INSERT INTO etld.erasure (fields, subject, key_fingerprint, requested_by, accepted_until)
SELECT s.fields::text[], s.subject, %(fingerprint)s, %(who)s, greatest(clock_timestamp(), to_timestamp(%(now)s))
FROM unnest(%(fields)s::text[], %(subjects)s::bytea[]) AS s (fields, subject)
ON CONFLICT (subject) WHERE state IN ('begun', 'reading', 'active') DO NOTHING

-- name: unfinished
SELECT id, subject, state, accepted_until
FROM etld.erasure
WHERE subject = ANY(%(subjects)s::bytea[]) AND state IN ('begun', 'reading', 'active')
ORDER BY id

-- name: read_on
UPDATE etld.erasure
SET state = 'reading', read_until = %(ends)s, accepted_until = greatest(clock_timestamp(), to_timestamp(%(now)s))
WHERE id = ANY(%(ids)s) AND state = 'begun'

-- name: activate
UPDATE etld.erasure SET state = 'active', read_until = '{}' WHERE id = ANY(%(ids)s) AND state = 'reading'

-- name: ends
-- How far everybody has read, whichever the topic's life.
SELECT consumer_group, topic, topic_id, partition, next_offset
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s

-- name: read_until
SELECT e.key, max(e.value::bigint)
FROM etld.erasure, jsonb_each_text(read_until) e
WHERE id = ANY(%(ids)s) AND state = 'reading'
GROUP BY 1

-- name: count
UPDATE etld.erasure e
SET events = e.events + n.events, dead_letters = e.dead_letters + n.dead_letters
FROM unnest(%(ids)s::bigint[], %(events)s::bigint[], %(dead_letters)s::bigint[]) AS n (id, events, dead_letters)
WHERE e.id = n.id

-- name: finish
UPDATE etld.erasure
SET state = 'done', finished_at = clock_timestamp(),
    kafka_until = CASE WHEN %(keeps)s::float8 IS NULL THEN 'infinity'
        ELSE accepted_until + make_interval(secs => %(keeps)s::float8) END
WHERE id = ANY(%(ids)s) AND state = 'active'

-- name: receipts
SELECT id, fields, encode(subject, 'hex'), state, requested_by, requested_at, accepted_until, events, dead_letters,
    NULLIF(kafka_until, 'infinity'), finished_at
FROM etld.erasure
WHERE id = ANY(%(ids)s)
ORDER BY id

-- name: forgotten_letters
SELECT id::text FROM etld.forgotten_letter WHERE id = ANY(%(ids)s::uuid[])

-- name: rebuilds
-- What `etld rebuild` has begun, or whose replaced rows are kept: events outside of processed_events.
SELECT event_type, state = 'kept' FROM etld.rebuild ORDER BY 2, 1 LIMIT 1

-- name: left_over
-- A forget that came to no end, and for how many seconds.
SELECT id, requested_by, extract(epoch FROM now() - requested_at)::float8
FROM etld.erasure WHERE state IN ('begun', 'reading', 'active') ORDER BY id LIMIT 1

-- name: restored
SELECT id, fields, accepted_until FROM etld.erasure WHERE state = 'restored' ORDER BY id

-- name: finish_restored
UPDATE etld.erasure SET state = 'done' WHERE id = ANY(%(ids)s) AND state = 'restored'
