-- What the lake says of itself, for all who ask the database: the truth is in the snapshots of its tables.

-- name: positions
-- A position whose epoch is higher was changed by a person since (`etld resume … --from low`): the next claim takes it.
INSERT INTO etld.kafka_position AS p
    (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner_epoch, owner,
    consumed, stored, duplicate, filtered, dead, gaps, lost, halted)
SELECT %(cluster)s, %(group)s, m.*
FROM unnest(%(topic)s::text[], %(partition)s::int[], %(topic_id)s::text[], %(start)s::bigint[], %(next)s::bigint[],
    %(epoch)s::bigint[], %(owner)s::text[], %(consumed)s::bigint[], %(stored)s::bigint[], %(duplicate)s::bigint[],
    %(filtered)s::bigint[], %(dead)s::bigint[], %(gaps)s::bigint[], %(lost)s::bigint[], %(halted)s::text[]) AS m
ON CONFLICT (cluster_id, consumer_group, topic, partition) DO UPDATE
SET topic_id = excluded.topic_id, start_offset = excluded.start_offset, next_offset = excluded.next_offset,
    owner_epoch = excluded.owner_epoch, owner = excluded.owner, consumed = excluded.consumed, stored = excluded.stored,
    duplicate = excluded.duplicate, filtered = excluded.filtered, dead = excluded.dead, gaps = excluded.gaps,
    lost = excluded.lost, halted = excluded.halted, updated_at = now()
WHERE p.owner_epoch <= excluded.owner_epoch

-- name: noted
SELECT topic, partition, topic_id, next_offset, owner_epoch, halted
FROM etld.kafka_position
WHERE cluster_id = %(cluster)s AND consumer_group = %(group)s

-- name: table
INSERT INTO etld.lake_table AS t
    (event_type, name, snapshot_id, sequence, row_count, expected_rows, file_count, byte_count, committed_at,
    snapshot_count, newest_at, commit_seconds)
VALUES (%(event_type)s, %(name)s, %(snapshot)s, %(sequence)s, %(rows)s, %(expected)s, %(files)s, %(bytes)s,
    to_timestamp(%(committed)s / 1000.0), %(snapshots)s, to_timestamp(%(newest)s::bigint / 1000000.0),
    %(seconds)s::double precision)
ON CONFLICT (event_type) DO UPDATE
SET name = excluded.name, snapshot_id = excluded.snapshot_id, sequence = excluded.sequence,
    row_count = excluded.row_count, expected_rows = excluded.expected_rows, file_count = excluded.file_count,
    byte_count = excluded.byte_count, committed_at = excluded.committed_at, snapshot_count = excluded.snapshot_count,
    newest_at = greatest(t.newest_at, excluded.newest_at),
    commit_seconds = coalesce(excluded.commit_seconds, t.commit_seconds)
-- A table that went back to an older state counts on from there.
WHERE t.sequence <= excluded.sequence OR t.committed_at < excluded.committed_at OR t.name <> excluded.name

-- name: counted
SELECT t.snapshot_id, (SELECT max(p.snapshot_id) FROM etld.lake_partition p WHERE p.event_type = t.event_type)
FROM etld.lake_table t
WHERE t.event_type = %(event_type)s

-- name: forget_counts
DELETE FROM etld.lake_partition WHERE event_type = %(event_type)s

-- name: counts
INSERT INTO etld.lake_partition (event_type, partition, row_count, expected_rows, snapshot_id)
SELECT %(event_type)s, m.partition, m.rows, m.expected, %(snapshot)s
FROM unnest(%(partitions)s::int[], %(rows)s::bigint[], %(expected)s::bigint[]) AS m (partition, rows, expected)

-- name: upkeep
UPDATE etld.lake_table SET upkeep_at = now(), upkeep_told = %(told)s WHERE event_type = %(event_type)s
