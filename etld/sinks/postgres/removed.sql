-- name: add
INSERT INTO etld.removed_event AS r (event_type, partition, expired, forgotten)
SELECT n.event_type, n.partition, n.expired, n.forgotten
FROM unnest(%(event_types)s::text[], %(partitions)s::int[], %(expired)s::bigint[], %(forgotten)s::bigint[])
    AS n (event_type, partition, expired, forgotten)
ORDER BY 1, 2
ON CONFLICT (event_type, partition) DO UPDATE
    SET expired = r.expired + excluded.expired, forgotten = r.forgotten + excluded.forgotten

-- name: all
SELECT event_type, partition, expired, forgotten FROM etld.removed_event
