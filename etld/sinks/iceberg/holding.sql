-- name: spans
-- What the lake has read of the one life that a partition of an event type's topic has had. A row tells its offset, and
-- not in which life: with several, or a hole in what was read, nobody can tell. What the processor has read again may have
-- been dead, or left out, when the lake read it.
SELECT l.event_type, l.partition, greatest(l.start_offset, coalesce((
        SELECT max(h.next_offset)
        FROM etld.kafka_position_history h
        WHERE h.consumer_group = p.consumer_group AND h.partition = p.partition AND h.reason IN ('rewound', 'rebuilt')
    ), 0)), l.next_offset
FROM (
    SELECT substr(consumer_group, 11) AS event_type, *
    FROM etld.kafka_position
    WHERE cluster_id = %(cluster)s AND consumer_group LIKE 'etld-lake-%%' AND lost = 0
) l
JOIN etld.kafka_position p
    ON (p.cluster_id, p.consumer_group, p.topic, p.partition, p.topic_id)
        = (l.cluster_id, 'etld-processor-' || l.event_type, l.topic, l.partition, l.topic_id)
WHERE NOT EXISTS (
        SELECT FROM etld.kafka_position o
        WHERE o.consumer_group = p.consumer_group AND o.partition = p.partition
            AND (o.cluster_id, o.topic) <> (p.cluster_id, p.topic)
    )
    AND NOT EXISTS (
        SELECT FROM etld.kafka_position_history h
        WHERE h.consumer_group = p.consumer_group AND h.partition = p.partition
            AND ((h.cluster_id, h.topic, h.topic_id) <> (p.cluster_id, p.topic, p.topic_id)
                OR h.reason NOT IN ('lost', 'rewound', 'rebuilt'))
    )
