-- name: lock
-- One rebuild at a time; for the session.
SELECT pg_try_advisory_lock(hashtext('etld.rebuild'))

-- name: no_erasure
SELECT pg_try_advisory_xact_lock(hashtext('etld.erasure'))

-- name: all
SELECT event_type, state, since, cut, keep_replaced FROM etld.rebuild ORDER BY state = 'waiting', begun_at, event_type

-- name: ask
INSERT INTO etld.rebuild (event_type, since, keep_replaced, begun_at)
SELECT name, %(since)s, %(keep)s, clock_timestamp() FROM unnest(%(event_types)s::text[]) AS name

-- name: read
UPDATE etld.rebuild SET state = 'reading', cut = %(cut)s, cluster_id = %(cluster)s, topic = %(topic)s
WHERE event_type = %(event_type)s

-- name: range
-- Where it begins; rows of an earlier life of the topic, or of another cluster, are none of its records.
INSERT INTO etld.rebuild_range (partition, topic_id, first_offset, since)
SELECT n.partition, %(topic_id)s, n.first_offset, coalesce(max(ended.at), '-infinity')
FROM unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS n (partition, first_offset)
LEFT JOIN (
    SELECT partition, ended_at AS at
    FROM etld.kafka_position_history
    WHERE consumer_group = %(processor)s AND (topic_id, cluster_id) <> (%(topic_id)s, %(cluster)s)
    UNION ALL
    SELECT partition, updated_at
    FROM etld.kafka_position
    WHERE consumer_group = %(processor)s AND (topic, cluster_id) <> (%(topic)s, %(cluster)s)
) ended ON ended.partition = n.partition
GROUP BY n.partition, n.first_offset

-- name: positions
INSERT INTO etld.kafka_position
    (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner, erasures)
SELECT %(cluster)s, %(group)s, %(topic)s, g.partition, g.topic_id, g.first_offset, g.first_offset, 'etld rebuild',
    (SELECT coalesce(max(erasures), 0) FROM etld.kafka_position)
FROM etld.rebuild_range g

-- name: shadow
-- What is checked of a row, and made of it, is so here too; what triggers fill in is not there yet.
CREATE TABLE etld.rebuild_event (
    LIKE public.processed_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE
)

-- name: not_filled
-- Columns that others fill; rows are numbered when they come into the table.
SELECT a.attname::text
FROM pg_attribute a
WHERE a.attrelid = 'etld.rebuild_event'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
    AND a.attname <> ALL(%(copied)s::text[]) AND (a.attname = 'id' OR NOT a.atthasdef)

-- name: indexes
CREATE UNIQUE INDEX rebuild_event_record ON etld.rebuild_event (kafka_partition, kafka_offset);
CREATE INDEX rebuild_event_id ON etld.rebuild_event (event_id)

-- name: clear
DROP TABLE IF EXISTS etld.rebuild_event;
DELETE FROM etld.rebuild_range;
DELETE FROM etld.rebuild_letter;
DELETE FROM etld.kafka_position WHERE consumer_group LIKE 'etld-rebuild-%'

-- name: cancel
UPDATE etld.rebuild SET state = 'cancelled' WHERE state = 'reading'

-- name: give_up
DELETE FROM etld.rebuild WHERE state <> 'kept'

-- name: done
UPDATE etld.rebuild SET state = 'kept' WHERE event_type = %(event_type)s

-- name: gone
DELETE FROM etld.rebuild WHERE event_type = %(event_type)s

-- name: state
SELECT state FROM etld.rebuild WHERE event_type = %(event_type)s

-- name: progress
-- Records read, how many the processors are ahead, and rows.
SELECT coalesce(sum(r.consumed), 0)::bigint, coalesce(sum(greatest(p.next_offset - r.next_offset, 0)), 0)::bigint,
    coalesce(sum(r.stored), 0)::bigint, coalesce(max(r.halted), '')
FROM etld.kafka_position r
LEFT JOIN etld.kafka_position p
    ON p.cluster_id = r.cluster_id AND p.topic = r.topic AND p.partition = r.partition AND p.consumer_group = %(processor)s
WHERE r.consumer_group = %(group)s

-- name: oldest_leaf
-- What was accepted before has expired, if any partition has.
SELECT min(lower)
FROM etld.event_partition
WHERE name <> %(late)s AND EXISTS (SELECT FROM etld.event_partition WHERE name = %(late)s)

-- name: add_letters
INSERT INTO etld.rebuild_letter (dead_letter_id, key, value, headers)
SELECT * FROM unnest(%(ids)s::uuid[], %(keys)s::bytea[], %(values)s::bytea[], %(headers)s::jsonb[])
ON CONFLICT (dead_letter_id) DO NOTHING

-- name: add
-- {window} is a number of seconds. Rows are left out whose event is in the shadow, or in a row that stays.
WITH kept AS (
    INSERT INTO etld.rebuild_event ({copied})
    SELECT {copied}
    FROM pg_temp.etld_staging s
    WHERE NOT EXISTS (
        SELECT FROM etld.rebuild_event r
        WHERE r.event_id = s.event_id
            AND etld.is_one_event(r.accepted_at, s.accepted_at, make_interval(secs => {window}))
    ) AND NOT EXISTS (
        SELECT FROM public.processed_events e
        WHERE e.event_id = s.event_id
            AND etld.is_one_event(
                coalesce(e.accepted_at, (SELECT max(taken_over_at) FROM etld.event_partition), s.accepted_at),
                s.accepted_at, make_interval(secs => {window})
            )
            AND NOT EXISTS (
                SELECT FROM etld.rebuild b, etld.rebuild_range g
                WHERE b.state = 'reading' AND b.event_type = e.event_type AND g.partition = e.kafka_partition
                    AND e.kafka_offset >= g.first_offset AND e.processed_at > g.since
                    AND e.accepted_at >= coalesce(b.cut, '-infinity')
            )
    )
    ORDER BY kafka_partition, kafka_offset
    RETURNING kafka_partition
)
SELECT kafka_partition, count(*) FROM kept GROUP BY 1
