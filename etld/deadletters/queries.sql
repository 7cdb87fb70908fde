-- What a person does with dead letters.

-- name: chosen
(%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
AND (%(types)s::text[] IS NULL OR coalesce(event_type, '?') = ANY(%(types)s::text[]))
AND (%(stages)s::text[] IS NULL OR stage = ANY(%(stages)s::text[]))
AND (%(group)s::uuid IS NULL OR etld.letter_group(stage, error_class, sqlstate, error) = %(group)s::uuid)
AND (%(error)s::text IS NULL OR concat_ws(' ', stage, error_class, sqlstate, error, reason) ~* %(error)s::text)
-- A text in what came: as it is in JSON and Avro.
AND (%(text)s::text IS NULL OR position(convert_to(%(text)s::text, 'UTF8') IN value) > 0)
AND (%(event_id)s::text IS NULL OR event_id = %(event_uuid)s::uuid OR event_id_text = %(event_id)s::text)
-- An array, so that the index finds the few letters of a user.
AND (%(user)s::text IS NULL OR id = ANY(ARRAY(
    SELECT dead_letter_id FROM etld.dead_letter_attempt WHERE etld.letter_user(before) = left(%(user)s::text, 64))))
AND (%(older)s::float8 IS NULL OR created_at < now() - make_interval(secs => %(older)s::float8))
AND (%(newer)s::float8 IS NULL OR created_at >= now() - make_interval(secs => %(newer)s::float8))
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)

-- name: chosen_counts
(%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
AND (%(types)s::text[] IS NULL OR event_type = ANY(%(types)s::text[]))
AND (%(group)s::uuid IS NULL OR error_group = %(group)s::uuid)
-- All letters of a group are of one stage.
AND (%(stages)s::text[] IS NULL OR error_group IN (
    SELECT g.error_group FROM (SELECT DISTINCT error_group FROM etld.dead_letter_count) g, LATERAL (
        SELECT stage FROM etld.dead_letter d
        WHERE etld.letter_group(d.stage, d.error_class, d.sqlstate, d.error) = g.error_group
        LIMIT 1
    ) one WHERE one.stage = ANY(%(stages)s::text[])))

-- name: listed
id::text, coalesce(event_id::text, event_id_text), event_type, state, stage, error_class, error, sqlstate, topic,
partition, "offset", attempts, reason, created_at, updated_at

-- name: known_as
id BETWEEN %(first_id)s::uuid AND %(last_id)s::uuid OR event_id = %(event_id)s::uuid OR event_id_text = %(name)s

-- name: page
-- State by state, so that an index gives each in its order, however many there are.
SELECT l.id::text, coalesce(l.event_id::text, l.event_id_text), l.event_type, l.state, l.stage, l.error_class, l.error,
    l.sqlstate, l.topic, l.partition, l."offset", l.attempts, l.reason, l.created_at, l.updated_at
FROM unnest(coalesce(%(states)s::text[], %(all_states)s::text[])) AS one (letter_state), LATERAL (
    SELECT * FROM etld.dead_letter
    WHERE state = one.letter_state AND
        -- include: chosen
        AND (%(after)s::uuid IS NULL
             OR (created_at, id) < (SELECT created_at, id FROM etld.dead_letter WHERE id = %(after)s::uuid))
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
) l
ORDER BY l.created_at DESC, l.id DESC
LIMIT %(limit)s

-- name: count
SELECT count(*) FROM etld.dead_letter
WHERE
    -- include: chosen

-- name: counted
SELECT coalesce(sum(letters), 0) FROM etld.dead_letter_count
WHERE
    -- include: chosen_counts

-- name: folded
-- By the hour; by the day what is older.
date_bin(CASE WHEN hour < now() - %(hours_kept)s::interval THEN interval '1 day' ELSE interval '1 hour' END, hour, 'epoch')

-- name: groups_counted
WITH came AS NOT MATERIALIZED (
    SELECT error_group, event_type, state,
        -- include: folded
        AS hour, letters
    FROM etld.dead_letter_count
    WHERE
        -- include: chosen_counts
)
-- include: grouped

-- name: groups_looked_up
WITH came AS MATERIALIZED (
    SELECT etld.letter_group(stage, error_class, sqlstate, error) AS error_group, coalesce(event_type, '?') AS event_type,
        state,
        -- include: folded
        AS hour, count(*) AS letters
    FROM etld.dead_letter, LATERAL (SELECT date_bin('1 hour', created_at, 'epoch') AS hour) h
    WHERE
        -- include: chosen
    GROUP BY 1, 2, 3, 4
)
-- include: grouped

-- name: grouped
, span AS (
    -- What is older is counted by day.
    SELECT greatest(date_part('epoch', now() - min(hour)) / %(bins)s,
        CASE WHEN min(hour) < now() - %(hours_kept)s::interval THEN 86400 ELSE 3600 END) AS width
    FROM came WHERE letters > 0
), counted AS MATERIALIZED (
    SELECT error_group, event_type, state,
        greatest(0, %(bins)s - 1 - floor(date_part('epoch', now() - hour) / span.width)::int) AS bin,
        sum(letters) AS letters
    FROM came, span
    GROUP BY 1, 2, 3, 4
), top AS (
    SELECT error_group, event_type, sum(letters)::bigint AS letters,
        coalesce(sum(letters) FILTER (WHERE state = 'parked'), 0)::bigint AS parked,
        coalesce(sum(letters) FILTER (WHERE state = 'resolved'), 0)::bigint AS resolved,
        array_agg(DISTINCT state) FILTER (WHERE letters > 0) AS states, count(*) OVER () AS groups
    FROM counted
    GROUP BY 1, 2
    HAVING sum(letters) > 0
    ORDER BY 3 DESC, 1, 2
    LIMIT %(most)s
), spark AS (
    SELECT error_group, event_type, json_object_agg(bin, letters) AS bins
    FROM (SELECT error_group, event_type, bin, sum(letters) AS letters FROM counted GROUP BY 1, 2, 3) b
    GROUP BY 1, 2
)
SELECT top.error_group::text, top.event_type, stage, error_class, coalesce(sqlstate, ''), top.letters, top.parked,
    top.resolved, etld.letter_error(stage, error), newest.id::text, oldest.created_at, newest.created_at, spark.bins,
    top.groups
FROM top JOIN spark USING (error_group, event_type), LATERAL (
    SELECT l.* FROM unnest(top.states) AS one (letter_state), LATERAL (
        SELECT id, stage, error_class, sqlstate, error, created_at FROM etld.dead_letter d
        WHERE etld.letter_group(d.stage, d.error_class, d.sqlstate, d.error) = top.error_group
            AND d.state = one.letter_state AND coalesce(d.event_type, '?') = top.event_type
        ORDER BY created_at DESC, id DESC
        LIMIT 1
    ) l ORDER BY l.created_at DESC, l.id DESC LIMIT 1
) newest, LATERAL (
    SELECT min(l.created_at) AS created_at FROM unnest(top.states) AS one (letter_state), LATERAL (
        SELECT created_at FROM etld.dead_letter d
        WHERE etld.letter_group(d.stage, d.error_class, d.sqlstate, d.error) = top.error_group
            AND d.state = one.letter_state AND coalesce(d.event_type, '?') = top.event_type
        ORDER BY created_at, id
        LIMIT 1
    ) l
) oldest
ORDER BY top.letters DESC, top.event_type, stage, error_class, sqlstate

-- name: add_counts_up
-- Hours of some days ago become days.
WITH counted AS MATERIALIZED (
    SELECT ctid AS row, error_group, event_type, state, hour, letters,
        -- include: folded
        AS bin
    FROM etld.dead_letter_count
), several AS (
    SELECT error_group, event_type, state, bin FROM counted
    GROUP BY 1, 2, 3, 4 HAVING count(*) > 1 OR sum(letters) = 0 OR bool_or(hour <> bin)
), gone AS (
    -- What another has added up meanwhile is not there any more.
    DELETE FROM etld.dead_letter_count c USING counted JOIN several USING (error_group, event_type, state, bin)
    WHERE c.ctid = counted.row
    RETURNING c.error_group, c.event_type, c.state, counted.bin, c.letters
)
INSERT INTO etld.dead_letter_count (error_group, event_type, state, hour, letters)
SELECT error_group, event_type, state, bin, sum(letters) FROM gone GROUP BY 1, 2, 3, 4 HAVING sum(letters) <> 0

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

-- name: next_of_action
-- Oldest first, state by state, so that an index gives each in its order, however many there are.
SELECT l.id::text, l.created_at
FROM unnest(%(allowed)s::text[]) AS one (letter_state), LATERAL (
    SELECT id, created_at FROM etld.dead_letter
    WHERE state = one.letter_state AND updated_at < %(before)s AND (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid) AND
        -- include: chosen
    ORDER BY created_at, id
    LIMIT %(limit)s
) l
ORDER BY l.created_at, l.id
LIMIT %(limit)s

-- name: locked
SELECT id FROM etld.dead_letter
WHERE id = ANY(%(ids)s::uuid[]) AND state = ANY(%(allowed)s::text[]) AND updated_at < %(before)s
ORDER BY id
FOR UPDATE

-- name: replay
WITH chosen AS (
    -- include: locked
)
UPDATE etld.dead_letter d
SET state = 'new', reason = 'replayed', base_attempts = attempts, replays = replays + 1, not_before = NULL,
    waits_for = NULL, announced = false, updated_at = clock_timestamp()
FROM chosen WHERE d.id = chosen.id

-- name: discard
WITH chosen AS (
    -- include: locked
), gone AS (
    UPDATE etld.dead_letter d
    SET state = 'discarded', reason = %(reason)s, attempts = attempts + 1, updated_at = clock_timestamp()
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.id, d.attempts
)
INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, error, outcome)
SELECT id, attempts, %(reason)s, 'discarded' FROM gone

-- name: states_counted
SELECT state, sum(letters)::bigint FROM etld.dead_letter_count
WHERE
    -- include: chosen_counts
GROUP BY 1 HAVING sum(letters) <> 0

-- name: states_looked_up
SELECT state, count(*) FROM etld.dead_letter
WHERE
    -- include: chosen
GROUP BY 1

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

-- name: outcomes_of_rules
SELECT rule,
    count(*) FILTER (WHERE outcome IN ('stored', 'duplicate', 'filtered')),
    count(*) FILTER (WHERE outcome = 'failed'),
    count(*) FILTER (WHERE outcome = 'repaired')
FROM etld.dead_letter_attempt
WHERE rule = ANY(%(rules)s::text[])
GROUP BY 1

-- name: by_day
SELECT hour::date, sum(letters)::bigint, coalesce(sum(letters) FILTER (WHERE state = 'resolved'), 0)::bigint,
    coalesce(sum(letters) FILTER (WHERE state = 'parked'), 0)::bigint,
    coalesce(sum(letters) FILTER (WHERE state = 'discarded'), 0)::bigint
FROM etld.dead_letter_count
WHERE %(states)s::text[] IS NULL OR state = ANY(%(states)s::text[])
GROUP BY 1 HAVING sum(letters) <> 0
ORDER BY 1
