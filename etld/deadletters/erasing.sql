-- name: erase
-- Letters with their attempts, counted where those are that were deleted at the end of their time.
WITH gone AS (
    SELECT id, CASE WHEN state IN ('resolved', 'discarded') THEN state ELSE 'forgotten' END AS state,
        repair_key IS NOT NULL AS repaired,
        CASE WHEN "offset" IS NOT NULL AND headers ? 'etld.dead_letter_id' THEN topic END AS topic
    FROM etld.dead_letter
    WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY id
    FOR UPDATE
), returns AS (
    SELECT gone.state, gone.repaired, a.returned_as, a.returned_topic
    FROM gone JOIN etld.dead_letter_attempt a ON a.dead_letter_id = gone.id
    WHERE a.returned_as IS NOT NULL
), counted AS (
    INSERT INTO etld.dead_letter_removed AS r (state, repaired, letters, returns)
    SELECT state, repaired, count(*),
        (SELECT count(*) FROM returns WHERE returns.state = gone.state AND returns.repaired = gone.repaired)
    FROM gone
    GROUP BY 1, 2
    ON CONFLICT (state, repaired) DO UPDATE
        SET letters = r.letters + excluded.letters, returns = r.returns + excluded.returns
), counted_by_topic AS (
    INSERT INTO etld.dead_letter_removed_from AS r (topic, letters)
    SELECT topic, count(*)
    FROM (SELECT topic FROM gone UNION ALL SELECT returned_topic FROM returns) sources
    WHERE topic IS NOT NULL
    GROUP BY 1
    ON CONFLICT (topic) DO UPDATE SET letters = r.letters + excluded.letters
), noted AS (
    INSERT INTO etld.forgotten_letter (id, arrived)
    SELECT id, true FROM gone UNION SELECT returned_as, true FROM returns
    ON CONFLICT (id) DO UPDATE SET arrived = true
)
DELETE FROM etld.dead_letter d USING gone WHERE d.id = gone.id

-- name: erase_outbox
-- Letters that are yet to go to the dead letter queue; one that a relay had sent may still come from there.
WITH gone AS (
    DELETE FROM etld.dlq_outbox WHERE id = ANY(%(ids)s::bigint[])
    RETURNING dead_letter_id, headers ->> '__connect.errors.topic' AS topic
), noted AS (
    INSERT INTO etld.forgotten_letter AS f (id, arrived) SELECT dead_letter_id, false FROM gone
    ON CONFLICT (id) DO UPDATE SET arrived = false WHERE f.arrived IS NULL
    RETURNING id
)
INSERT INTO etld.dead_letter_removed_from AS r (topic, letters)
SELECT topic, count(*) FROM gone JOIN noted ON noted.id = gone.dead_letter_id WHERE topic IS NOT NULL GROUP BY 1
ON CONFLICT (topic) DO UPDATE SET letters = r.letters + excluded.letters

-- name: leave_out
-- Letters of forgotten subjects that arrived; those that had not been counted yet.
WITH came AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(topics)s::text[]) AS c (id, topic)
), new AS (
    INSERT INTO etld.forgotten_letter (id, arrived) SELECT id, true FROM came
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), awaited AS (
    UPDATE etld.forgotten_letter f SET arrived = true FROM came, etld.forgotten_letter before
    WHERE f.id = came.id AND before.id = f.id AND f.arrived IS NOT TRUE
    RETURNING f.id, before.arrived IS NULL AS uncounted
), first AS (
    SELECT id, true AS uncounted FROM new UNION ALL SELECT id, uncounted FROM awaited
), counted AS (
    INSERT INTO etld.dead_letter_removed AS r (state, repaired, letters, returns)
    SELECT 'forgotten', false, count(*), 0 FROM first HAVING count(*) > 0
    ON CONFLICT (state, repaired) DO UPDATE SET letters = r.letters + excluded.letters
), counted_by_topic AS (
    INSERT INTO etld.dead_letter_removed_from AS r (topic, letters)
    SELECT topic, count(*) FROM came JOIN first ON first.id = came.id WHERE topic IS NOT NULL AND uncounted GROUP BY 1
    ON CONFLICT (topic) DO UPDATE SET letters = r.letters + excluded.letters
)
SELECT id::text FROM first

-- name: accepted
-- When Kafka took the dead record, where its letter says so; headers may be a stranger's.
CASE WHEN headers ->> 'etld.accepted_at' ~ '^[0-9]{1,14}$'
    THEN to_timestamp((headers ->> 'etld.accepted_at')::float8 / 1000) END

-- name: page
-- Ids of letters in their order, and when the event of each was accepted.
SELECT id::text, coalesce(
    -- include: accepted
    , queued_at, created_at)
FROM etld.dead_letter
WHERE id > %(after)s::uuid
ORDER BY id
LIMIT %(limit)s

-- name: outbox_page
SELECT id, value, headers ->> 'etld.value_schema_id', headers, coalesce(
    -- include: accepted
    , created_at)
FROM etld.dlq_outbox
WHERE id > %(after)s
ORDER BY id
LIMIT %(limit)s

-- name: outbox_left
SELECT count(*) FROM etld.dlq_outbox WHERE id <= %(until)s

-- name: outbox_end
SELECT coalesce(max(id), 0) FROM etld.dlq_outbox
