-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld.summary'))

-- name: states
SELECT name, definition, state FROM etld.summary ORDER BY name

-- name: hurry
SET LOCAL lock_timeout = '1s'

-- name: lock_holders
SELECT a.pid, a.usename::text, a.application_name, to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS'), a.query
FROM pg_locks l
JOIN pg_stat_activity a USING (pid)
WHERE l.relation = to_regclass(%(table)s) AND l.granted AND a.pid <> pg_backend_pid()
ORDER BY a.xact_start

-- name: hold_positions
SELECT 1 FROM etld.kafka_position WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s ORDER BY topic, partition FOR UPDATE

-- name: known
SELECT name, definition, state, to_regclass('etld.' || quote_ident('summary_' || name)) IS NOT NULL
FROM etld.summary
ORDER BY name

-- name: not_ours
-- Is there something of this name that etld did not make? A table of a summary, of any version, has a key that begins
-- with bucket_start and takes nulls for equal.
SELECT to_regclass(%(table)s) IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass(%(table)s) AND i.indisunique AND i.indnullsnotdistinct AND a.attname = 'bucket_start'
)

-- name: forget
DELETE FROM etld.summary WHERE name = %(name)s

-- name: note
INSERT INTO etld.summary (name, definition, state, cut)
VALUES (%(name)s, %(definition)s, 'backfill', %(cut)s)
ON CONFLICT (name) DO UPDATE
    SET definition = excluded.definition, state = excluded.state, cut = excluded.cut, updated_at = now()

-- name: live
UPDATE etld.summary SET state = 'live', cut = '{}', updated_at = now() WHERE name = %(name)s

-- name: waiting
SELECT name, definition FROM etld.summary WHERE state = 'backfill' ORDER BY name

-- name: take
SELECT definition, cut FROM etld.summary WHERE name = %(name)s AND state = 'backfill' FOR UPDATE SKIP LOCKED

-- name: now
SELECT clock_timestamp()::text

-- name: positions
SELECT consumer_group, topic, partition, topic_id, start_offset, next_offset
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND topic = ANY(%(topics)s)
    AND (consumer_group = %(group)s OR consumer_group LIKE 'etld-processor-%%')

-- name: ended_lives
SELECT topic, partition, topic_id, ended_at::text
FROM etld.kafka_position_history
WHERE cluster_id = %(cluster)s AND topic = ANY(%(topics)s) AND consumer_group LIKE 'etld-processor-%%'
UNION ALL
SELECT topic, partition, '', updated_at::text
FROM etld.kafka_position
WHERE cluster_id <> %(cluster)s AND topic = ANY(%(topics)s) AND consumer_group LIKE 'etld-processor-%%'
ORDER BY 4
