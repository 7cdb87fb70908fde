-- name: removed
-- How many of the rows that a position `p` of a processor (etld-processor-TYPE) counts are gone on purpose.
coalesce((SELECT expired FROM etld.removed_event r
    WHERE r.event_type = substr(p.consumer_group, 16) AND r.partition = p.partition), 0),
coalesce((SELECT forgotten FROM etld.removed_event r
    WHERE r.event_type = substr(p.consumer_group, 16) AND r.partition = p.partition), 0)

-- name: ended_lives
-- What was counted in earlier lives of a position `p`.
coalesce((SELECT sum(h.stored) FROM etld.kafka_position_history h
    WHERE (h.cluster_id, h.consumer_group, h.topic, h.partition)
        = (p.cluster_id, p.consumer_group, p.topic, p.partition) AND h.reason <> 'lost'), 0)::bigint,
coalesce((SELECT sum(h.duplicate) FROM etld.kafka_position_history h
    WHERE (h.cluster_id, h.consumer_group, h.topic, h.partition)
        = (p.cluster_id, p.consumer_group, p.topic, p.partition) AND h.reason <> 'lost'), 0)::bigint,
coalesce((SELECT sum(h.filtered) FROM etld.kafka_position_history h
    WHERE (h.cluster_id, h.consumer_group, h.topic, h.partition)
        = (p.cluster_id, p.consumer_group, p.topic, p.partition) AND h.reason <> 'lost'), 0)::bigint,
coalesce((SELECT sum(h.dead) FROM etld.kafka_position_history h
    WHERE (h.cluster_id, h.consumer_group, h.topic, h.partition)
        = (p.cluster_id, p.consumer_group, p.topic, p.partition) AND h.reason <> 'lost'), 0)::bigint

-- name: claim
INSERT INTO etld.kafka_position AS p
    (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner)
SELECT %(cluster)s, %(group)s, c.topic, c.partition, c.topic_id, c.low, c.low, etld.next_epoch(0), %(owner)s
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(ids)s::text[], %(lows)s::bigint[])
    AS c (topic, partition, topic_id, low)
ORDER BY c.topic, c.partition
ON CONFLICT (cluster_id, consumer_group, topic, partition) DO UPDATE
    SET owner_epoch = etld.next_epoch(p.owner_epoch), owner = excluded.owner, updated_at = now(),
        failed_over_at = CASE
            WHEN p.owner_epoch >> 40 > 0 AND etld.timeline() > p.owner_epoch >> 40 THEN now()
            ELSE p.failed_over_at
        END
RETURNING topic, partition, topic_id, next_offset, owner_epoch, halted, coalesce(failed_over_at = now(), false),
    -- include: ended_lives
    , stored, duplicate, filtered, dead,
    -- include: removed

-- name: blockers
-- Materialized: as a condition of the join, the planner would try pg_terminate_backend on every backend of etld first.
WITH blocking AS MATERIALIZED (
    SELECT a.pid
    FROM unnest(pg_blocking_pids(%(pid)s)) AS blocker
    JOIN pg_stat_activity a ON a.pid = blocker
    -- A worker's own, "etld NAME-NUMBER": what commands and keepers hold they give back by themselves.
    -- PostgreSQL cuts a long name short.
    WHERE a.application_name ~ '^etld [^ ]+-[0-9]+( [(]|$)' OR a.application_name ~ '^etld [^ ]{58}$'
)
SELECT pid FROM blocking WHERE pg_terminate_backend(pid)

-- name: advance
-- A claim holds on the server on which it was made: one that was promoted since may have another that it knows nothing of.
UPDATE etld.kafka_position p
SET next_offset = m.next_offset,
    consumed = p.consumed + m.consumed,
    gaps = p.gaps + m.gaps,
    stored = p.stored + m.stored,
    duplicate = p.duplicate + m.duplicate,
    filtered = p.filtered + m.filtered,
    dead = p.dead + m.dead,
    updated_at = now()
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(ids)s::text[], %(epochs)s::bigint[], %(expected)s::bigint[],
            %(next)s::bigint[], %(consumed)s::bigint[], %(gaps)s::bigint[], %(stored)s::bigint[],
            %(duplicate)s::bigint[], %(filtered)s::bigint[], %(dead)s::bigint[])
    AS m (topic, partition, topic_id, epoch, expected, next_offset, consumed, gaps, stored, duplicate, filtered, dead)
WHERE p.cluster_id = %(cluster)s AND p.consumer_group = %(group)s AND p.topic = m.topic AND p.partition = m.partition
    AND p.topic_id = m.topic_id AND p.owner_epoch = m.epoch AND p.next_offset = m.expected
    AND etld.timeline() IN (0, m.epoch >> 40)
RETURNING p.topic, p.partition, p.stored, p.duplicate, p.filtered, p.dead,
    -- include: removed
    , p.erasures, (
        SELECT bool_or(relhastriggers)
        FROM pg_class
        WHERE oid = to_regclass('public.processed_events')
            OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('public.processed_events'))
    ),
    (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('public.processed_events'))

-- name: adjust
UPDATE etld.kafka_position p
SET stored = p.stored + m.stored,
    duplicate = p.duplicate + m.duplicate,
    filtered = p.filtered + m.filtered,
    dead = p.dead + m.dead
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(stored)s::bigint[], %(duplicate)s::bigint[],
            %(filtered)s::bigint[], %(dead)s::bigint[])
    AS m (topic, partition, stored, duplicate, filtered, dead)
WHERE p.cluster_id = %(cluster)s AND p.consumer_group = %(group)s AND p.topic = m.topic AND p.partition = m.partition
RETURNING p.topic, p.partition, p.stored, p.duplicate, p.filtered, p.dead,
    -- include: removed

-- name: read
SELECT topic, partition, owner_epoch, next_offset
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = ANY(%(topics)s)

-- name: server
SELECT etld.timeline(), system_identifier FROM pg_control_system()

-- name: timeline
SELECT etld.timeline(), ''

-- name: note_rewound
UPDATE etld.kafka_position p
SET rewound = p.rewound + m.records
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(records)s::bigint[]) AS m (topic, partition, records)
WHERE p.cluster_id = %(cluster)s AND p.consumer_group = %(group)s AND p.topic = m.topic AND p.partition = m.partition

-- name: halt
UPDATE etld.kafka_position
SET halted = %(why)s, updated_at = now()
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s

-- name: archive
INSERT INTO etld.kafka_position_history
    (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner, stored,
    duplicate, filtered, dead, consumed, gaps, lost, halted, updated_at, erasures, reason, ended_at)
SELECT cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner, stored,
    duplicate, filtered, dead, consumed, gaps, lost, halted, updated_at, erasures, %(reason)s, now()
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s

-- name: restart
UPDATE etld.kafka_position
SET topic_id = %(topic_id)s, start_offset = %(low)s, next_offset = %(low)s, owner_epoch = etld.next_epoch(owner_epoch),
    stored = 0, duplicate = 0, filtered = 0, dead = 0, consumed = 0, gaps = 0, lost = 0, halted = '',
    updated_at = now()
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
RETURNING owner_epoch

-- name: skip_lost
UPDATE etld.kafka_position
SET lost = lost + (%(low)s - next_offset), next_offset = %(low)s, owner_epoch = etld.next_epoch(owner_epoch), halted = '',
    updated_at = now()
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
    AND next_offset < %(low)s

-- name: forget
DELETE FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s

-- name: halted
SELECT consumer_group, topic, partition, topic_id, next_offset, halted
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND topic = %(topic)s AND (halted <> '' OR NOT partition = ANY(%(there)s::int[]))
    AND (%(partition)s::int IS NULL OR partition = %(partition)s)
ORDER BY consumer_group, topic, partition

-- name: to_rewind
SELECT topic, partition, topic_id, next_offset, halted
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND topic = %(topic)s
ORDER BY partition
FOR UPDATE

-- name: owners
SELECT topic, partition, owner
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s

-- name: standing
SELECT topic, partition
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s AND halted <> ''

-- name: epochs
-- One of another server holds no more.
SELECT topic, partition, CASE WHEN etld.timeline() IN (0, owner_epoch >> 40) THEN owner_epoch ELSE -1 END
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s

-- name: all
SELECT consumer_group, topic, partition, topic_id, start_offset, next_offset, consumed, stored, duplicate, filtered, dead,
    gaps, lost, halted, rewound
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s
ORDER BY consumer_group, topic, partition

-- name: ended
SELECT consumer_group, topic, partition, sum(stored)::bigint
FROM (
    SELECT consumer_group, topic, partition, stored
    FROM etld.kafka_position_history
    WHERE reason <> 'lost'
    UNION ALL
    SELECT consumer_group, topic, partition, stored
    FROM etld.kafka_position
    WHERE cluster_id <> %(cluster)s
) earlier
GROUP BY consumer_group, topic, partition
