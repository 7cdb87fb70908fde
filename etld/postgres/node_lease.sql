-- name: take
-- A row of another is taken over when it has not beaten for `stale` seconds.
INSERT INTO etld.daemon AS d (cluster_id, node_id, identity, place, version, roles)
VALUES (%(cluster)s, %(node)s, %(identity)s, %(place)s, %(version)s, %(roles)s::text[])
ON CONFLICT (cluster_id, node_id) DO UPDATE
    SET identity = excluded.identity, place = excluded.place, version = excluded.version, roles = excluded.roles,
        beat_at = now(), left_at = CASE WHEN NOT %(begins)s THEN d.left_at END
    WHERE d.identity = excluded.identity OR d.beat_at < now() - make_interval(secs => %(stale)s)
RETURNING identity

-- name: report
UPDATE etld.daemon SET report = %(report)s
WHERE cluster_id = %(cluster)s AND node_id = %(node)s AND identity = %(identity)s

-- name: leave
UPDATE etld.daemon SET left_at = now(), report = NULL
WHERE cluster_id = %(cluster)s AND node_id = %(node)s AND identity = %(identity)s

-- name: holder
SELECT identity, place, beat_at
FROM etld.daemon
WHERE cluster_id = %(cluster)s AND node_id = %(node)s

-- name: known
SELECT to_regclass('etld.daemon')

-- name: others
SELECT concat_ws(' ', node_id, place, cluster_id), beat_at
FROM etld.daemon
WHERE identity <> %(identity)s AND beat_at > now() - make_interval(secs => %(stale)s)

-- name: all
SELECT identity, place, beat_at
FROM etld.daemon
WHERE cluster_id = %(cluster)s
