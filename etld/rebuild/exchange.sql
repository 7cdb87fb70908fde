-- {copied} and {same} come from columns.py; {same} compares a row `s` of the shadow with one `e` of the table.

-- name: temporary
CREATE TEMPORARY TABLE IF NOT EXISTS etld_bound (
    partition int PRIMARY KEY, bound bigint, next_offset bigint, start_offset bigint, stored bigint, expired bigint,
    forgotten bigint, rows bigint NOT NULL DEFAULT 0, rows_since bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0
);
CREATE TEMPORARY TABLE IF NOT EXISTS etld_out (
    event_id uuid, accepted_at timestamptz, kafka_partition int, kafka_offset bigint
);
CREATE TEMPORARY TABLE IF NOT EXISTS etld_in (kafka_partition int, kafka_offset bigint);
TRUNCATE pg_temp.etld_bound, pg_temp.etld_out, pg_temp.etld_in

-- name: analyze
-- The planner knows nothing of a table that has just been filled.
ANALYZE etld.rebuild_event

-- name: analyze_changes
ANALYZE pg_temp.etld_out;
ANALYZE pg_temp.etld_in

-- name: hold_summaries
SELECT pg_advisory_xact_lock(hashtext('etld.summary'))

-- name: bounds
-- As far as processors and the rebuild have both read.
INSERT INTO pg_temp.etld_bound (partition, bound, next_offset, start_offset, stored, expired, forgotten)
SELECT g.partition, least(p.next_offset, r.next_offset), p.next_offset, p.start_offset, p.stored,
    coalesce(x.expired, 0), coalesce(x.forgotten, 0)
FROM etld.rebuild_range g
JOIN etld.kafka_position r ON r.consumer_group = %(group)s AND r.topic = %(topic)s AND r.partition = g.partition
    AND r.cluster_id = %(cluster)s
JOIN etld.kafka_position p ON p.consumer_group = %(processor)s AND p.topic = r.topic AND p.partition = g.partition
    AND p.cluster_id = r.cluster_id
LEFT JOIN etld.removed_event x ON x.event_type = %(event_type)s AND x.partition = g.partition

-- name: count_rows
-- Rows of the range, those of them from the bound on, and how many rows the books have that the table has not.
UPDATE pg_temp.etld_bound n
SET rows = c.rows, rows_since = c.rows_since,
    missing = greatest(0, coalesce(l.stored, 0) - n.expired - n.forgotten - c.total)
FROM (
    SELECT m.partition, count(e.event_id) AS total, count(*) FILTER (WHERE r.mine) AS rows,
        count(*) FILTER (WHERE r.mine AND e.kafka_offset >= m.bound) AS rows_since
    FROM pg_temp.etld_bound m
    JOIN etld.rebuild_range g ON g.partition = m.partition
    LEFT JOIN public.processed_events e ON e.event_type = %(event_type)s AND e.kafka_partition = m.partition
    CROSS JOIN LATERAL (
        SELECT e.kafka_offset >= g.first_offset AND e.processed_at > g.since
            AND e.accepted_at >= %(cut)s::timestamptz AS mine
    ) r
    GROUP BY 1
) c
LEFT JOIN (
    SELECT partition, sum(stored) AS stored
    FROM (
        SELECT partition, stored FROM etld.kafka_position WHERE consumer_group = %(processor)s
        UNION ALL
        SELECT partition, stored FROM etld.kafka_position_history
        WHERE consumer_group = %(processor)s AND reason <> 'lost'
    ) lives
    GROUP BY 1
) l ON l.partition = c.partition
WHERE c.partition = n.partition

-- name: find_out
-- Rows of the table that the shadow has not so.
INSERT INTO pg_temp.etld_out
SELECT e.event_id, e.accepted_at, e.kafka_partition, e.kafka_offset
FROM public.processed_events e
JOIN etld.rebuild_range g ON g.partition = e.kafka_partition
JOIN pg_temp.etld_bound n ON n.partition = e.kafka_partition
WHERE e.event_type = %(event_type)s AND e.kafka_offset >= g.first_offset AND e.processed_at > g.since
    AND e.accepted_at >= %(cut)s::timestamptz AND e.kafka_offset < n.bound
    AND NOT EXISTS (
        SELECT FROM etld.rebuild_event s
        WHERE s.kafka_partition = e.kafka_partition AND s.kafka_offset = e.kafka_offset AND {same}
    )

-- name: find_in
-- Rows of the shadow that the table has not so: before the bound, or from it on.
INSERT INTO pg_temp.etld_in
SELECT s.kafka_partition, s.kafka_offset
FROM etld.rebuild_event s
JOIN pg_temp.etld_bound n ON n.partition = s.kafka_partition
WHERE s.accepted_at >= %(cut)s::timestamptz AND (s.kafka_offset < n.bound) = %(before)s
    AND NOT EXISTS (
        SELECT FROM public.processed_events e
        WHERE e.event_id = s.event_id AND e.kafka_partition = s.kafka_partition AND e.kafka_offset = s.kafka_offset
            AND e.event_type = s.event_type AND {same}
    )

-- name: unbalanced
-- Partitions whose rows in the shadow are not those that were counted.
SELECT r.partition, r.stored, coalesce(c.rows, 0)
FROM etld.kafka_position r
LEFT JOIN (SELECT kafka_partition, count(*) AS rows FROM etld.rebuild_event GROUP BY 1) c ON c.kafka_partition = r.partition
WHERE r.consumer_group = %(group)s AND r.stored <> coalesce(c.rows, 0)

-- name: no_retention
SELECT pg_try_advisory_xact_lock(hashtext('etld.retention'))

-- name: patience
SET LOCAL lock_timeout = '4s';
SET LOCAL statement_timeout = 0

-- name: hold
SELECT FROM etld.kafka_position p
WHERE p.cluster_id = %(cluster)s AND p.consumer_group = %(processor)s AND p.topic = %(topic)s
ORDER BY p.partition
FOR UPDATE

-- name: behind
-- Partitions that the rebuild has yet to read as far as the processors have.
SELECT count(*)
FROM etld.rebuild_range g
JOIN etld.kafka_position p ON p.cluster_id = %(cluster)s AND p.consumer_group = %(processor)s AND p.topic = %(topic)s
    AND p.partition = g.partition
LEFT JOIN etld.kafka_position r ON r.cluster_id = p.cluster_id AND r.consumer_group = %(group)s AND r.topic = p.topic
    AND r.partition = p.partition
WHERE r.next_offset IS NULL OR r.next_offset < p.next_offset

-- name: hold_rebuild
SELECT FROM etld.kafka_position r
WHERE r.cluster_id = %(cluster)s AND r.consumer_group = %(group)s AND r.topic = %(topic)s
ORDER BY r.partition
FOR UPDATE

-- name: changed
-- Has a position begun a new life, or has something been removed, since the comparison? Where no processor has ever been,
-- it would begin in the middle.
SELECT count(*)
FROM etld.rebuild_range g
LEFT JOIN etld.kafka_position p ON p.cluster_id = %(cluster)s AND p.consumer_group = %(processor)s
    AND p.topic = %(topic)s AND p.partition = g.partition
LEFT JOIN pg_temp.etld_bound n ON n.partition = g.partition
LEFT JOIN etld.removed_event x ON x.event_type = %(event_type)s AND x.partition = g.partition
WHERE p.partition IS NULL OR n.partition IS NULL OR p.topic_id <> g.topic_id OR p.start_offset <> n.start_offset
    OR p.next_offset < n.next_offset
    -- What lies between would be read by nobody.
    OR p.next_offset < g.first_offset OR coalesce(x.expired, 0) <> n.expired

-- name: unsure
-- Partitions in which the processors have stored, since the comparison, other rows than the shadow has.
SELECT count(*)
FROM pg_temp.etld_bound n
JOIN etld.kafka_position p ON p.cluster_id = %(cluster)s AND p.consumer_group = %(processor)s AND p.topic = %(topic)s
    AND p.partition = n.partition
LEFT JOIN etld.removed_event x ON x.event_type = %(event_type)s AND x.partition = n.partition
WHERE n.rows_since + p.stored - n.stored - (coalesce(x.forgotten, 0) - n.forgotten) <> (
    SELECT count(*)
    FROM etld.rebuild_event s
    WHERE s.kafka_partition = n.partition AND s.kafka_offset >= n.bound AND s.accepted_at >= %(cut)s::timestamptz
        AND NOT EXISTS (
            SELECT FROM pg_temp.etld_in i WHERE i.kafka_partition = s.kafka_partition AND i.kafka_offset = s.kafka_offset
        )
)

-- name: span
SELECT (extract(epoch FROM min(s.accepted_at)) * 1000000)::bigint, (extract(epoch FROM max(s.accepted_at)) * 1000000)::bigint
FROM pg_temp.etld_in i
JOIN etld.rebuild_event s USING (kafka_partition, kafka_offset)

-- name: take_out
WITH taken AS (
    DELETE FROM public.processed_events e
    USING pg_temp.etld_out o
    WHERE e.event_id = o.event_id AND e.accepted_at = o.accepted_at AND e.kafka_partition = o.kafka_partition
        AND e.kafka_offset = o.kafka_offset AND e.event_type = %(event_type)s
    RETURNING e.*
)
INSERT INTO {replaced} SELECT * FROM taken

-- name: take_out_for_good
DELETE FROM public.processed_events e
USING pg_temp.etld_out o
WHERE e.event_id = o.event_id AND e.accepted_at = o.accepted_at AND e.kafka_partition = o.kafka_partition
    AND e.kafka_offset = o.kafka_offset AND e.event_type = %(event_type)s

-- name: put_in
WITH put AS (
    INSERT INTO public.processed_events ({copied})
    SELECT {copied}
    FROM etld.rebuild_event s
    WHERE EXISTS (
        SELECT FROM pg_temp.etld_in i WHERE i.kafka_partition = s.kafka_partition AND i.kafka_offset = s.kafka_offset
    )
    ORDER BY accepted_at, event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id, accepted_at, kafka_partition, kafka_offset
), counted AS (
    -- Whoever sends one of them again is to be known by the aggregator too, as far as it has read.
    INSERT INTO etld.counted_event (counted_on, event_id, accepted_at)
    SELECT %(today)s::date, p.event_id, p.accepted_at
    FROM put p
    JOIN etld.kafka_position a ON a.cluster_id = %(cluster)s AND a.consumer_group = %(aggregator)s AND a.topic = %(topic)s
        AND a.partition = p.kafka_partition AND p.kafka_offset < a.next_offset
    WHERE %(today)s::date IS NOT NULL AND NOT EXISTS (SELECT FROM etld.counted_event c WHERE c.event_id = p.event_id)
    ON CONFLICT DO NOTHING
)
SELECT kafka_partition, count(*) FROM put GROUP BY 1

-- name: out_counts
SELECT kafka_partition, count(*) FROM pg_temp.etld_out GROUP BY 1

-- name: replaced_counts
-- Of each partition: the rows of the table that the shadow stands for, and those that were lost and come back.
SELECT n.partition, n.rows + p.stored - n.stored - (coalesce(x.forgotten, 0) - n.forgotten), least(n.missing, (
    SELECT count(*)
    FROM pg_temp.etld_in i
    WHERE i.kafka_partition = n.partition AND i.kafka_offset < n.bound AND NOT EXISTS (
        SELECT FROM pg_temp.etld_out o WHERE o.kafka_partition = i.kafka_partition AND o.kafka_offset = i.kafka_offset
    )
))
FROM pg_temp.etld_bound n
JOIN etld.kafka_position p ON p.cluster_id = %(cluster)s AND p.consumer_group = %(processor)s AND p.topic = %(topic)s
    AND p.partition = n.partition
LEFT JOIN etld.removed_event x ON x.event_type = %(event_type)s AND x.partition = n.partition

-- name: archive
INSERT INTO etld.kafka_position_history
    (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner, stored,
    duplicate, filtered, dead, consumed, gaps, lost, halted, updated_at, erasures, reason, ended_at)
SELECT cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner, stored,
    duplicate, filtered, dead, consumed, gaps, lost, halted, updated_at, erasures, 'rebuilt', clock_timestamp()
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(processor)s AND topic = %(topic)s
    AND partition IN (SELECT partition FROM etld.rebuild_range)

-- name: take_over
-- What earlier lives had stored of these records, lost or not, counts as read twice; the newest first.
UPDATE etld.kafka_position_history h
SET stored = h.stored - t.taken, duplicate = h.duplicate + t.taken
FROM (
    SELECT l.ctid AS place,
        least(l.stored, greatest(0, n.rows - coalesce(sum(l.stored) OVER (
            PARTITION BY l.partition ORDER BY l.ended_at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0)))::bigint AS taken
    FROM etld.kafka_position_history l
    JOIN unnest(%(partitions)s::int[], %(replaced)s::bigint[]) AS n (partition, rows) USING (partition)
    WHERE l.consumer_group = %(processor)s AND l.reason <> 'lost'
) t
WHERE h.ctid = t.place AND t.taken <> 0

-- name: begin_life
UPDATE etld.kafka_position p
SET start_offset = r.start_offset, next_offset = r.next_offset, owner_epoch = etld.next_epoch(p.owner_epoch), consumed = r.consumed,
    stored = n.rows, duplicate = r.consumed - r.filtered - r.dead - n.rows, filtered = r.filtered, dead = r.dead,
    gaps = r.gaps, lost = r.lost, halted = '', updated_at = now()
FROM etld.kafka_position r
JOIN unnest(%(partitions)s::int[], %(rows)s::bigint[]) AS n (partition, rows) USING (partition)
WHERE r.cluster_id = %(cluster)s AND r.consumer_group = %(group)s AND r.topic = %(topic)s
    AND p.cluster_id = r.cluster_id AND p.consumer_group = %(processor)s AND p.topic = r.topic AND p.partition = r.partition
RETURNING p.partition, p.duplicate

-- name: send_letters
INSERT INTO etld.dlq_outbox (dead_letter_id, key, value, headers)
SELECT l.dead_letter_id, l.key, l.value, l.headers
FROM etld.rebuild_letter l
WHERE NOT EXISTS (SELECT FROM etld.dead_letter d WHERE d.id = l.dead_letter_id)
    AND NOT EXISTS (SELECT FROM etld.dead_letter_attempt a WHERE a.returned_as = l.dead_letter_id)
ON CONFLICT (dead_letter_id) DO NOTHING
