-- name: letters_of_event
-- By the names that `etld trace --json` has for them.
SELECT id::text, state, stage, error_class, error, sqlstate, topic, partition AS part, "offset" AS off, attempts, reason,
    created_at, updated_at, queue_partition AS queue_part, queue_offset AS queue_off, queued_at
FROM etld.dead_letter
WHERE event_id = %(event_id)s::uuid OR event_id_text = %(event_id)s::text OR id = %(event_id)s::uuid
ORDER BY created_at

-- name: outbox_of_event
-- What the corrector has not seen yet; a relay that died may have left what it has.
SELECT o.dead_letter_id::text AS id, headers ->> '__connect.errors.topic' AS topic,
    (headers ->> '__connect.errors.partition')::int AS part, (headers ->> '__connect.errors.offset')::bigint AS off,
    headers ->> '__connect.errors.exception.class.name' AS error_class,
    headers ->> '__connect.errors.exception.message' AS error, created_at
FROM etld.dlq_outbox o
WHERE (headers ->> 'etld.event_id' = %(event_id)s OR dead_letter_id::text = %(event_id)s)
    AND NOT EXISTS (SELECT FROM etld.dead_letter d WHERE d.id = o.dead_letter_id)
    AND NOT EXISTS (SELECT FROM etld.dead_letter_attempt a WHERE a.returned_as = o.dead_letter_id)
ORDER BY o.id

-- name: attempts
SELECT attempt, rule, error, outcome, returned_as::text, at
FROM etld.dead_letter_attempt
WHERE dead_letter_id = %(id)s::uuid
ORDER BY attempt

-- name: is_counted
-- Has the aggregator counted it? It counts what is not filtered.
SELECT EXISTS (SELECT FROM etld.counted_event WHERE event_id = %(event_id)s::uuid)

-- name: position
-- Where the group reads next, and whether it left any record out, in an earlier life of the position too.
SELECT next_offset, filtered > 0 OR EXISTS (
    SELECT FROM etld.kafka_position_history h
    WHERE h.consumer_group = p.consumer_group AND h.topic = p.topic AND h.partition = p.partition AND h.filtered > 0
)
FROM etld.kafka_position p
WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
ORDER BY updated_at DESC
LIMIT 1
