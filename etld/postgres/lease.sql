-- name: renew
UPDATE etld.lease
SET expires_at = clock_timestamp() + make_interval(secs => %(lasts)s)
WHERE holder = %(holder)s AND name = ANY(%(names)s::text[])
RETURNING name, epoch

-- name: take
-- What nobody holds: its time is over, or is so far ahead that a server with another clock has set it, or its holder was the
-- process before this one. One that its holder is about to write under is passed over.
WITH free AS (
    SELECT name FROM etld.lease
    WHERE name = ANY(%(names)s::text[]) AND holder <> %(holder)s AND (
        NOT expires_at BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => %(lasts)s + 1)
        OR split_part(holder, '#', 1) = split_part(%(holder)s, '#', 1)
    )
    ORDER BY name
    FOR UPDATE SKIP LOCKED
)
UPDATE etld.lease l
SET holder = %(holder)s, node_id = %(node)s, epoch = etld.next_epoch(l.epoch), taken_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => %(lasts)s)
FROM free
WHERE l.name = free.name
RETURNING l.name, l.epoch

-- name: release
UPDATE etld.lease SET holder = '', node_id = '', expires_at = '-infinity' WHERE holder = %(holder)s

-- name: fence
-- Until the end of the transaction nobody takes it.
SELECT FROM etld.lease WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s FOR SHARE

-- name: timeline
SELECT etld.timeline()

-- name: all
SELECT name, CASE WHEN expires_at > clock_timestamp() THEN node_id ELSE '' END, taken_at FROM etld.lease ORDER BY name
