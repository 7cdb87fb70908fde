-- name: add
INSERT INTO etld.dead_letter
    (id, event_id, event_id_text, event_type, state, stage, error_class, error, sqlstate, topic, partition, "offset",
    key, value, headers, queue_partition, queue_offset, queued_at)
SELECT l.id, l.event_id, l.event_id_text, l.event_type, 'new', l.stage, l.error_class, l.error, l.sqlstate, l.topic,
    l.partition, l."offset", l.key, l.value, l.headers, l.queue_partition, l.queue_offset, l.queued_at
FROM unnest(%(id)s::uuid[], %(event_id)s::uuid[], %(event_id_text)s::text[], %(event_type)s::text[], %(stage)s::text[],
            %(error_class)s::text[], %(error)s::text[], %(sqlstate)s::text[], %(topic)s::text[],
            %(partition)s::int[], %(offset)s::bigint[], %(key)s::bytea[], %(value)s::bytea[], %(headers)s::jsonb[],
            %(queue_partition)s::int[], %(queue_offset)s::bigint[], %(queued_at)s::timestamptz[])
    AS l (id, event_id, event_id_text, event_type, stage, error_class, error, sqlstate, topic, partition, "offset",
          key, value, headers, queue_partition, queue_offset, queued_at)
ON CONFLICT (id) DO NOTHING
RETURNING id::text

-- name: there
SELECT FROM etld.dead_letter WHERE id = ANY(%(ids)s::uuid[])

-- name: lock
SELECT id::text, state, attempts, base_attempts, reason, stage, error_class, error, sqlstate, event_type
FROM etld.dead_letter
WHERE id = %(id)s::uuid
FOR UPDATE

-- name: record_return
UPDATE etld.dead_letter_attempt
SET returned_as = %(returned_as)s::uuid, returned_topic = %(topic)s, outcome = 'failed', stage = %(stage)s, error_class = %(error_class)s,
    error = %(error)s, sqlstate = %(sqlstate)s
WHERE dead_letter_id = %(id)s::uuid AND attempt = %(attempt)s AND returned_as IS NULL
    AND NOT EXISTS (SELECT FROM etld.dead_letter_attempt a WHERE a.returned_as = %(returned_as)s::uuid)
    AND NOT EXISTS (SELECT FROM etld.dead_letter d WHERE d.id = %(returned_as)s::uuid)

-- name: after_return
UPDATE etld.dead_letter
SET state = %(state)s, reason = %(reason)s, not_before = NULL, announced = false, updated_at = now()
WHERE id = %(id)s::uuid

-- name: waiting
id::text, coalesce(event_id::text, event_id_text), event_type, stage, error_class, error, sqlstate, topic, value,
    attempts, base_attempts, replays, waits_for, extract(epoch FROM now() - updated_at)::float8,
    CASE WHEN stage = 'VALIDATION' THEN extract(epoch FROM coalesce(queued_at, created_at))::float8 END,
    headers ->> 'etld.value_schema_id', reason
FROM etld.dead_letter

-- name: take_new
SELECT
    -- include: waiting
WHERE state = 'new' AND (not_before IS NULL OR not_before <= now())
ORDER BY created_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: take_tried
SELECT
    -- include: waiting
WHERE state = 'new' AND id = ANY(%(ids)s::uuid[])
FOR UPDATE SKIP LOCKED

-- name: set_aside
UPDATE etld.dead_letter
SET not_before = now() + make_interval(secs => %(seconds)s), reason = %(reason)s
WHERE id = ANY(%(ids)s::uuid[]) AND state = 'new'

-- name: of_ids
SELECT
    -- include: waiting
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY created_at DESC, id DESC

-- name: attempts_of
SELECT dead_letter_id::text, attempt, rule, before, after, error, outcome, stage, error_class, sqlstate,
    returned_as::text, at, tried
FROM etld.dead_letter_attempt
WHERE dead_letter_id = ANY(%(ids)s::uuid[])
ORDER BY dead_letter_id, attempt

-- name: stored_already
SELECT event_id::text FROM public.processed_events WHERE event_id = ANY(%(ids)s::uuid[])

-- name: add_attempts
INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, rule, before, after, error, outcome, tried)
SELECT a.id, a.attempt, a.rule, a.before::json, a.after::json, a.error, a.outcome, a.tried::json
FROM unnest(%(id)s::uuid[], %(attempt)s::int[], %(rule)s::text[], %(before)s::text[], %(after)s::text[],
            %(error)s::text[], %(outcome)s::text[], %(tried)s::text[])
    AS a (id, attempt, rule, before, after, error, outcome, tried)

-- name: write_decisions
UPDATE etld.dead_letter d
SET state = s.state, event_type = coalesce(s.event_type, d.event_type),
    -- An id that is no UUID stays what the letter is known by.
    event_id = CASE WHEN d.event_id_text IS NULL THEN coalesce(d.event_id, s.repair_key) END, attempts = s.attempts,
    repair_topic = s.repair_topic, repair_key = s.repair_key, repair_value = s.repair_value,
    repair_partition = NULL, repair_offset = NULL, reason = s.reason,
    not_before = now() + make_interval(secs => s.wait), waits_for = s.waits_for, announced = false,
    updated_at = CASE WHEN s.state = 'new' THEN d.updated_at ELSE now() END
FROM unnest(%(id)s::uuid[], %(state)s::text[], %(event_type)s::text[], %(attempts)s::int[],
            %(repair_topic)s::text[], %(repair_key)s::uuid[], %(repair_value)s::bytea[], %(reason)s::text[],
            %(wait)s::float8[], %(waits_for)s::bigint[])
    AS s (id, state, event_type, attempts, repair_topic, repair_key, repair_value, reason, wait, waits_for)
WHERE d.id = s.id

-- name: take_repaired
SELECT id::text, repair_topic, repair_key::text, repair_value, attempts
FROM etld.dead_letter
WHERE state = 'repaired' AND id <> ALL(%(aside)s::uuid[])
ORDER BY created_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: mark_resent
UPDATE etld.dead_letter d
SET state = 'resent', repair_partition = s.partition, repair_offset = s."offset", updated_at = now()
FROM unnest(%(id)s::uuid[], %(partition)s::int[], %(offset)s::bigint[]) AS s (id, partition, "offset")
WHERE d.id = s.id AND d.state = 'repaired'

-- name: under_way
SELECT count(*) FROM etld.dead_letter WHERE state = 'resent' AND updated_at > now() - make_interval(secs => %(seconds)s)

-- name: take_parked
SELECT id::text, key, value, headers, reason, attempts
FROM etld.dead_letter
WHERE state = 'parked' AND NOT announced AND id <> ALL(%(aside)s::uuid[])
ORDER BY created_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: mark_announced
UPDATE etld.dead_letter SET announced = true WHERE id = ANY(%(ids)s::uuid[]) AND state = 'parked'

-- name: resolve
WITH page AS (
    SELECT id, attempts, created_at, repair_key, repair_topic, repair_partition, repair_offset, event_type, not_before
    FROM etld.dead_letter
    WHERE state = 'resent' AND (created_at, id) > (%(after_at)s, %(after_id)s::uuid)
    ORDER BY created_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), seen AS (
    SELECT page.*, p.processed_at,
        -- Its processor has passed it and did not store it. A dead letter may still be on its way back.
        p.event_id IS NULL AND EXISTS (
            SELECT FROM etld.kafka_position k
            WHERE k.cluster_id = %(cluster)s AND k.consumer_group = 'etld-processor-' || page.event_type
                AND k.topic = page.repair_topic AND k.partition = page.repair_partition
                AND k.next_offset > page.repair_offset
        ) AND NOT EXISTS (
            SELECT FROM etld.dlq_outbox o WHERE o.headers ->> 'etld.repair_of' = page.id::text
        ) AS passed
    FROM page LEFT JOIN public.processed_events p ON p.event_id = page.repair_key
), passed AS (
    UPDATE etld.dead_letter d SET not_before = now() + make_interval(secs => %(grace)s)
    FROM seen WHERE d.id = seen.id AND seen.passed AND seen.not_before IS NULL
), outcome AS (
    SELECT seen.id, seen.attempts,
        CASE
            WHEN seen.passed THEN 'filtered'
            WHEN seen.processed_at < a.at THEN 'duplicate'
            ELSE 'stored'
        END AS outcome
    FROM seen
    JOIN etld.dead_letter_attempt a ON a.dead_letter_id = seen.id AND a.attempt = seen.attempts
    -- Passed this long ago, neither stored nor dead: a transform left it out.
    WHERE seen.processed_at IS NOT NULL OR (seen.passed AND seen.not_before < now())
), audit AS (
    UPDATE etld.dead_letter_attempt a SET outcome = o.outcome
    FROM outcome o WHERE a.dead_letter_id = o.id AND a.attempt = o.attempts
), resolved AS (
    UPDATE etld.dead_letter d
    SET state = 'resolved', updated_at = now(), reason = CASE o.outcome
        WHEN 'stored' THEN 'stored'
        WHEN 'duplicate' THEN 'an event with this event_id had been stored before'
        ELSE 'the transform of its event type left it out' END
    FROM outcome o WHERE d.id = o.id
    RETURNING d.id
)
SELECT count(*), max(page.created_at),
    (SELECT id::text FROM page ORDER BY created_at DESC, id DESC LIMIT 1), (SELECT count(*) FROM resolved)
FROM page

-- name: waits_for
SELECT DISTINCT waits_for FROM etld.dead_letter WHERE waits_for IS NOT NULL AND state = 'parked'

-- name: revive
UPDATE etld.dead_letter
SET state = 'new', reason = NULL, not_before = NULL, waits_for = NULL, base_attempts = attempts, updated_at = now()
WHERE waits_for = ANY(%(schema_ids)s::bigint[]) AND state = 'parked'

-- name: retire
WITH old AS (
    SELECT id, state, repair_key IS NOT NULL AS repaired,
        CASE WHEN "offset" IS NOT NULL AND headers ? 'etld.dead_letter_id' THEN topic END AS topic
    FROM etld.dead_letter
    WHERE state = %(state)s AND updated_at < now() - make_interval(secs => %(keep)s)
    ORDER BY created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), counted AS (
    SELECT old.state, old.repaired, count(DISTINCT old.id) AS letters, count(a.returned_as) AS returns
    FROM old LEFT JOIN etld.dead_letter_attempt a ON a.dead_letter_id = old.id
    GROUP BY 1, 2
), kept AS (
    INSERT INTO etld.dead_letter_removed AS r (state, repaired, letters, returns)
    SELECT CASE state WHEN 'parked' THEN 'discarded' ELSE state END, repaired, letters, returns FROM counted
    ON CONFLICT (state, repaired) DO UPDATE
        SET letters = r.letters + excluded.letters, returns = r.returns + excluded.returns
), sources AS (
    SELECT topic FROM old WHERE topic IS NOT NULL
    UNION ALL
    SELECT a.returned_topic FROM old JOIN etld.dead_letter_attempt a ON a.dead_letter_id = old.id
    WHERE a.returned_topic IS NOT NULL
), kept_by_topic AS (
    INSERT INTO etld.dead_letter_removed_from AS r (topic, letters)
    SELECT topic, count(*) FROM sources GROUP BY topic
    ON CONFLICT (topic) DO UPDATE SET letters = r.letters + excluded.letters
)
DELETE FROM etld.dead_letter d USING old WHERE d.id = old.id

-- name: counts
SELECT state, repaired, sum(letters)::bigint FROM (
    SELECT state, repair_key IS NOT NULL AS repaired, count(*) AS letters FROM etld.dead_letter GROUP BY 1, 2
    UNION ALL
    SELECT state, repaired, letters FROM etld.dead_letter_removed
) counted GROUP BY 1, 2

-- name: note_ended
UPDATE etld.repair_breaker b
SET ended = least(b.ended + n.ended, 2 * %(window)s::bigint),
    -- What is older than two windows counts no more: the share stays.
    failed = (b.failed + n.failed) * 2 * %(window)s::bigint / greatest(b.ended + n.ended, 2 * %(window)s::bigint)
FROM (SELECT count(*) AS failed, count(*) + %(resolved)s::bigint AS ended FROM unnest(%(ages)s::float8[]) age
      WHERE now() - make_interval(secs => age) > (SELECT since FROM etld.repair_breaker)) n
WHERE n.ended > 0

-- name: outcomes
SELECT ended, failed, extract(epoch FROM now() - opened_at)::float8, trying FROM etld.repair_breaker

-- name: breaker_open
UPDATE etld.repair_breaker SET opened_at = now(), trying = false WHERE opened_at IS NULL

-- name: breaker_try
UPDATE etld.repair_breaker SET opened_at = NULL, trying = true, since = now(), ended = 0, failed = 0
WHERE opened_at IS NOT NULL

-- name: breaker_close
UPDATE etld.repair_breaker SET opened_at = NULL, trying = false, since = now(), ended = 0, failed = 0
