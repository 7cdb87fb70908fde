-- name: take
-- A row of another is taken over when it has not beaten for `stale` seconds.
INSERT INTO etld.daemon AS d (cluster_id, node_id, identity, place)
VALUES (%(cluster)s, %(node)s, %(identity)s, %(place)s)
ON CONFLICT (cluster_id, node_id) DO UPDATE
    SET identity = excluded.identity, place = excluded.place, beat_at = now()
    WHERE d.identity = excluded.identity OR d.beat_at < now() - make_interval(secs => %(stale)s)
RETURNING identity

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
