-- name: letters_by_state
SELECT state, count(*) FROM etld.dead_letter GROUP BY 1

-- name: letters_by_topic
SELECT topic, sum(n)::bigint
FROM (
    SELECT topic, count(*) AS n FROM etld.dead_letter WHERE topic = ANY(%(topics)s) GROUP BY 1
    UNION ALL
    SELECT d.topic, count(*)
    FROM etld.dead_letter_attempt a JOIN etld.dead_letter d ON d.id = a.dead_letter_id
    WHERE a.returned_as IS NOT NULL GROUP BY 1
) counted
GROUP BY 1

-- name: letters_of_event
SELECT id::text, state, stage, error_class, error, sqlstate, topic, part, off, attempts, reason,
    created_at, updated_at
FROM etld.dead_letter
WHERE event_id = %(event_id)s OR id::text = %(event_id)s
ORDER BY created_at

-- name: attempts
SELECT attempt, rule, error, outcome, returned_as::text, at
FROM etld.dead_letter_attempt
WHERE dead_letter_id = %(id)s::uuid
ORDER BY attempt

-- name: outbox
SELECT count(*) FROM etld.dlq_outbox
