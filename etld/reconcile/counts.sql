-- name: lake
SELECT event_type, name, row_count, expected_rows, file_count, byte_count, committed_at, snapshot_id
FROM etld.lake_table
ORDER BY event_type

-- name: lake_partitions
SELECT event_type, partition, row_count, expected_rows, snapshot_id, counted_at
FROM etld.lake_partition
ORDER BY event_type, partition

-- name: letters_by_state
SELECT state, count(*) FROM etld.dead_letter GROUP BY 1

-- name: outbox
SELECT count(*) FROM etld.dlq_outbox

-- name: letters_known
-- What became of the records of the dead letter queue: letters, returns of repairs, and both that were deleted.
SELECT (SELECT count(*) FROM etld.dead_letter)
    + (SELECT count(returned_as) FROM etld.dead_letter_attempt)
    + (SELECT coalesce(sum(letters + returns), 0)::bigint FROM etld.dead_letter_removed),
    (SELECT count(*) FROM etld.dead_letter WHERE state = 'parked' AND NOT announced),
    (SELECT count(*) FROM etld.dead_letter WHERE announced)

-- name: dead_by_topic
-- Records that processors found dead. A partition that was begun again may have read the same record twice,
-- and its letter is one: at least the most of one life, at most the sum of all.
SELECT topic, sum(least)::bigint, sum(most)::bigint
FROM (
    SELECT topic, max(dead) AS least, sum(dead) AS most
    FROM (
        SELECT cluster_id, topic, partition, topic_id, dead
        FROM etld.kafka_position WHERE consumer_group LIKE 'etld-processor-%'
        UNION ALL
        SELECT cluster_id, topic, partition, topic_id, dead
        FROM etld.kafka_position_history WHERE consumer_group LIKE 'etld-processor-%' AND reason <> 'lost'
    ) lives
    GROUP BY cluster_id, topic, partition, topic_id
) partitions
GROUP BY topic

-- name: letters_by_topic
-- The letters that tell of them: kept, come back for a repair, deleted, on their way.
SELECT topic, sum(letters)::bigint
FROM (
    SELECT topic, count(*) AS letters
    FROM etld.dead_letter
    WHERE "offset" IS NOT NULL AND headers ? 'etld.dead_letter_id'
    GROUP BY 1
    UNION ALL
    SELECT returned_topic, count(*) FROM etld.dead_letter_attempt WHERE returned_topic IS NOT NULL GROUP BY 1
    UNION ALL
    SELECT topic, letters FROM etld.dead_letter_removed_from
    UNION ALL
    SELECT headers ->> '__connect.errors.topic', count(*)
    FROM etld.dlq_outbox o
    WHERE NOT EXISTS (SELECT FROM etld.dead_letter d WHERE d.id = o.dead_letter_id)
        AND NOT EXISTS (SELECT FROM etld.dead_letter_attempt a WHERE a.returned_as = o.dead_letter_id)
    GROUP BY 1
) found
WHERE topic IS NOT NULL
GROUP BY topic
