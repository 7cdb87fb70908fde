-- What a person does with dead letters.

-- name: chosen
(%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
AND (%(types)s::text[] IS NULL OR event_type = ANY(%(types)s::text[]))
AND (%(error)s::text IS NULL OR concat_ws(' ', stage, error_class, sqlstate, error, reason) ~* %(error)s::text)
AND (%(older)s::float8 IS NULL OR created_at < now() - make_interval(secs => %(older)s::float8))
AND (%(newer)s::float8 IS NULL OR created_at >= now() - make_interval(secs => %(newer)s::float8))

-- name: listed
id::text, coalesce(event_id::text, event_id_text), event_type, state, stage, error_class, error, sqlstate, topic,
partition, "offset", attempts, reason, created_at, updated_at

-- name: known_as
id BETWEEN %(first_id)s::uuid AND %(last_id)s::uuid OR event_id = %(event_id)s::uuid OR event_id_text = %(name)s

-- name: page
SELECT
    -- include: listed
FROM etld.dead_letter
WHERE
    -- include: chosen
    AND (%(after)s::uuid IS NULL
         OR (created_at, id) < (SELECT created_at, id FROM etld.dead_letter WHERE id = %(after)s::uuid))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s

-- name: count
SELECT count(*) FROM etld.dead_letter
WHERE
    -- include: chosen

-- name: whole
SELECT
    -- include: listed
    , key, value, headers, base_attempts, replays,
    waits_for,
    CASE WHEN stage = 'VALIDATION' THEN extract(epoch FROM coalesce(queued_at, created_at))::float8 END
FROM etld.dead_letter
WHERE
    -- include: known_as
ORDER BY id::text = %(name)s DESC, created_at DESC
LIMIT 2

-- name: named
SELECT id::text, state FROM etld.dead_letter
WHERE
    -- include: known_as
ORDER BY id::text = %(name)s DESC, created_at DESC
LIMIT 2

-- name: states_of
SELECT id::text, state FROM etld.dead_letter WHERE id = ANY(%(ids)s::uuid[])

-- name: now
SELECT now()

-- name: replay
WITH chosen AS (
    SELECT id FROM etld.dead_letter
    WHERE
    -- include: chosen
        AND state IN ('parked', 'discarded', 'resent') AND updated_at < %(before)s
    ORDER BY created_at, id
    LIMIT %(limit)s
    FOR UPDATE
)
UPDATE etld.dead_letter d
SET state = 'new', reason = 'replayed', base_attempts = attempts, replays = replays + 1, not_before = NULL,
    waits_for = NULL, announced = false, updated_at = clock_timestamp()
FROM chosen WHERE d.id = chosen.id

-- name: discard
WITH chosen AS (
    SELECT id FROM etld.dead_letter
    WHERE
    -- include: chosen
        AND state IN ('parked', 'new') AND updated_at < %(before)s
    ORDER BY created_at, id
    LIMIT %(limit)s
    FOR UPDATE
), gone AS (
    UPDATE etld.dead_letter d
    SET state = 'discarded', reason = %(reason)s, attempts = attempts + 1, updated_at = clock_timestamp()
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.id, d.attempts
)
INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, error, outcome)
SELECT id, attempts, %(reason)s, 'discarded' FROM gone

-- name: states
SELECT state, count(*)
FROM etld.dead_letter
WHERE %(states)s::text[] IS NULL OR state = ANY(%(states)s::text[])
GROUP BY 1

-- name: by_error
SELECT coalesce(event_type, '?'), stage, error_class, coalesce(sqlstate, ''), count(*),
    count(*) FILTER (WHERE state = 'parked'), count(*) FILTER (WHERE state = 'resolved'),
    -- What was expected where, without what came and without numbers.
    left(CASE WHEN stage = 'VALIDATION' THEN split_part(split_part(error, ', got ', 1), '; did you mean', 1)
              ELSE regexp_replace(split_part(error, ' DETAIL:', 1), '\d+', '#', 'g') END, 200),
    (array_agg(id ORDER BY created_at DESC, id))[1]::text
FROM etld.dead_letter
WHERE %(states)s::text[] IS NULL OR state = ANY(%(states)s::text[])
GROUP BY 1, 2, 3, 4, 8
ORDER BY 5 DESC, 1, 2, 3, 4, 8

-- name: by_rule
SELECT coalesce(rule, '(none)'), count(*),
    count(*) FILTER (WHERE outcome IN ('stored', 'duplicate', 'filtered')),
    count(*) FILTER (WHERE outcome = 'failed'),
    count(*) FILTER (WHERE outcome = 'repaired'),
    count(*) FILTER (WHERE outcome = 'parked')
FROM (
    SELECT dead_letter_id, rule, outcome FROM etld.dead_letter_attempt WHERE tried IS NULL
    UNION ALL
    -- What no rule repaired counts for each that was tried.
    SELECT a.dead_letter_id, one ->> 'rule', a.outcome FROM etld.dead_letter_attempt a, json_array_elements(a.tried) one
) attempts
WHERE %(states)s::text[] IS NULL OR EXISTS (
    SELECT FROM etld.dead_letter d WHERE d.id = attempts.dead_letter_id AND d.state = ANY(%(states)s::text[])
)
GROUP BY 1
ORDER BY 2 DESC, 1

-- name: by_day
SELECT created_at::date, count(*), count(*) FILTER (WHERE state = 'resolved'),
    count(*) FILTER (WHERE state = 'parked'), count(*) FILTER (WHERE state = 'discarded')
FROM etld.dead_letter
WHERE %(states)s::text[] IS NULL OR state = ANY(%(states)s::text[])
GROUP BY 1
ORDER BY 1
