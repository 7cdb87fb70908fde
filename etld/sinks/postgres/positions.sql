-- name: claim
INSERT INTO etld.kafka_position AS p
    (cluster_id, grp, topic, part, topic_id, start_offset, next_offset, owner_epoch, owner)
SELECT %(cluster)s, %(group)s, c.topic, c.part, c.topic_id, c.low, c.low, 1, %(owner)s
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(ids)s::text[], %(lows)s::bigint[])
    AS c (topic, part, topic_id, low)
ORDER BY c.topic, c.part
ON CONFLICT (cluster_id, grp, topic, part) DO UPDATE
    SET owner_epoch = p.owner_epoch + 1, owner = excluded.owner, updated_at = now()
RETURNING topic, part, topic_id, next_offset, owner_epoch, halted, stored, duplicate, filtered, dead

-- name: blockers
-- Materialized: as a condition of the join, the planner would try pg_terminate_backend on every backend of etld first.
WITH blocking AS MATERIALIZED (
    SELECT a.pid
    FROM unnest(pg_blocking_pids(%(pid)s)) AS blocker
    JOIN pg_stat_activity a ON a.pid = blocker
    WHERE a.application_name LIKE 'etld%%'
)
SELECT pid FROM blocking WHERE pg_terminate_backend(pid)

-- name: advance
UPDATE etld.kafka_position p
SET next_offset = m.next_offset,
    consumed = p.consumed + m.consumed,
    gaps = p.gaps + m.gaps,
    stored = p.stored + m.stored,
    duplicate = p.duplicate + m.duplicate,
    filtered = p.filtered + m.filtered,
    dead = p.dead + m.dead,
    updated_at = now()
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(ids)s::text[], %(epochs)s::bigint[], %(expected)s::bigint[],
            %(next)s::bigint[], %(consumed)s::bigint[], %(gaps)s::bigint[], %(stored)s::bigint[],
            %(duplicate)s::bigint[], %(filtered)s::bigint[], %(dead)s::bigint[])
    AS m (topic, part, topic_id, epoch, expected, next_offset, consumed, gaps, stored, duplicate, filtered, dead)
WHERE p.cluster_id = %(cluster)s AND p.grp = %(group)s AND p.topic = m.topic AND p.part = m.part
    AND p.topic_id = m.topic_id AND p.owner_epoch = m.epoch AND p.next_offset = m.expected
RETURNING p.topic, p.part, p.stored, p.duplicate, p.filtered, p.dead

-- name: adjust
UPDATE etld.kafka_position p
SET stored = p.stored + m.stored,
    duplicate = p.duplicate + m.duplicate,
    filtered = p.filtered + m.filtered,
    dead = p.dead + m.dead
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(stored)s::bigint[], %(duplicate)s::bigint[],
            %(filtered)s::bigint[], %(dead)s::bigint[])
    AS m (topic, part, stored, duplicate, filtered, dead)
WHERE p.cluster_id = %(cluster)s AND p.grp = %(group)s AND p.topic = m.topic AND p.part = m.part
RETURNING p.topic, p.part, p.stored, p.duplicate, p.filtered, p.dead

-- name: read
SELECT topic, part, owner_epoch, next_offset
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = ANY(%(topics)s)

-- name: halt
UPDATE etld.kafka_position
SET halted = %(why)s, updated_at = now()
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = %(topic)s AND part = %(part)s

-- name: archive
INSERT INTO etld.kafka_position_history
SELECT p.*, %(reason)s, now()
FROM etld.kafka_position p
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = %(topic)s AND part = %(part)s

-- name: restart
UPDATE etld.kafka_position
SET topic_id = %(topic_id)s, start_offset = %(low)s, next_offset = %(low)s, owner_epoch = owner_epoch + 1,
    stored = 0, duplicate = 0, filtered = 0, dead = 0, consumed = 0, gaps = 0, lost = 0, halted = '',
    updated_at = now()
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = %(topic)s AND part = %(part)s
RETURNING owner_epoch

-- name: skip_lost
UPDATE etld.kafka_position
SET lost = lost + (%(low)s - next_offset), next_offset = %(low)s, owner_epoch = owner_epoch + 1, halted = '',
    updated_at = now()
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = %(topic)s AND part = %(part)s
    AND next_offset < %(low)s

-- name: forget
DELETE FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND topic = %(topic)s AND part = %(part)s

-- name: halted
SELECT grp, topic, part, topic_id, next_offset, halted
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND topic = %(topic)s AND (halted <> '' OR NOT part = ANY(%(there)s::int[]))
    AND (%(part)s::int IS NULL OR part = %(part)s)
ORDER BY grp, topic, part

-- name: owners
SELECT topic, part, owner
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND grp = %(group)s

-- name: standing
SELECT topic, part
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND grp = %(group)s AND halted <> ''

-- name: all
SELECT grp, topic, part, topic_id, start_offset, next_offset, consumed, stored, duplicate, filtered, dead,
    gaps, lost, halted
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s
ORDER BY grp, topic, part

-- name: ended
SELECT grp, topic, part, sum(stored)::bigint
FROM (
    SELECT grp, topic, part, stored
    FROM etld.kafka_position_history
    WHERE reason <> 'lost'
    UNION ALL
    SELECT grp, topic, part, stored
    FROM etld.kafka_position
    WHERE cluster_id <> %(cluster)s
) earlier
GROUP BY grp, topic, part
