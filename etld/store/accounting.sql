-- name: letters_by_state
SELECT state, count(*) FROM etld.dead_letter GROUP BY 1

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
