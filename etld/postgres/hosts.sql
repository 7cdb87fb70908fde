-- name: hosts
SELECT d.cluster_id, d.node_id, d.place, coalesce(d.version, ''), coalesce(d.roles, '{}'), d.report,
    extract(epoch FROM clock_timestamp() - d.beat_at)::float8, d.left_at IS NOT NULL,
    (SELECT count(*) FROM etld.kafka_position p
        WHERE p.cluster_id = d.cluster_id AND split_part(p.owner, '/', 1) = d.node_id)
FROM etld.daemon d
ORDER BY d.node_id, d.cluster_id

-- name: away
-- Those that read topics, and are silent: not yet for so long that they are gone for good.
SELECT node_id, place, extract(epoch FROM clock_timestamp() - beat_at)::float8
FROM etld.daemon
WHERE cluster_id = %(cluster)s AND left_at IS NULL AND roles && %(watched)s::text[]
    AND beat_at BETWEEN clock_timestamp() - make_interval(secs => %(most)s)
        AND clock_timestamp() - make_interval(secs => %(least)s)
ORDER BY node_id

-- name: tidy
-- Of a host that is no more; of one that is not watched nobody knows whether it is.
DELETE FROM etld.daemon
WHERE cluster_id = %(cluster)s AND coalesce(left_at, beat_at) < clock_timestamp()
    - make_interval(secs => CASE WHEN roles && %(watched)s::text[] THEN %(most)s ELSE %(unwatched)s END)
