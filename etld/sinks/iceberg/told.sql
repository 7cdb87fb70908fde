-- name: tables
SELECT event_type, name, row_count AS rows, expected_rows AS expected, file_count AS files, byte_count AS bytes,
    snapshot_count AS snapshots, committed_at, newest_at, commit_seconds AS commit_s, upkeep_at, upkeep_told
FROM etld.lake_table
ORDER BY event_type

-- name: partitions
SELECT substr(p.consumer_group, 11) AS event_type, p.topic, p.partition, p.next_offset AS next, p.stored, p.duplicate,
    p.filtered, p.dead, p.lost, p.halted, l.row_count AS rows, l.expected_rows AS expected, l.counted_at
FROM etld.kafka_position p
LEFT JOIN etld.lake_partition l
    ON l.event_type = substr(p.consumer_group, 11) AND l.partition = p.partition
WHERE p.cluster_id = %(cluster)s AND p.consumer_group LIKE 'etld-lake-%%'
ORDER BY 1, 2, 3

-- name: backfills
SELECT event_type, CASE WHEN isfinite(since) AND since > 'epoch' THEN since END AS since, accepted_from, rows, told,
    requested_by, requested_at, done_at
FROM etld.lake_backfill
ORDER BY event_type

-- name: held
SELECT name, upper, held_since FROM etld.event_partition WHERE held_since IS NOT NULL ORDER BY upper
