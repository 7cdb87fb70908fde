-- name: begin
INSERT INTO etld.audit (node, who, role, address, action, arguments)
VALUES (%(node)s, %(who)s, %(role)s, %(address)s, %(action)s, %(arguments)s::jsonb)
RETURNING id

-- name: end
UPDATE etld.audit SET outcome = %(outcome)s, ended_at = now() WHERE id = %(id)s

-- name: end_lost
-- What a console of this daemon that is no more has begun; commands have lives of their own.
UPDATE etld.audit
SET outcome = %(outcome)s, ended_at = now()
WHERE node = %(node)s AND address <> 'cli' AND ended_at IS NULL AND at < now() - make_interval(secs => %(age)s)

-- name: rows
-- Newest first; `before` is the id that the page before ended with.
SELECT id, at, node, who, role, address, action, arguments::text, outcome, ended_at
FROM etld.audit
WHERE (%(who)s::text IS NULL OR who = %(who)s)
    AND (%(action)s::text IS NULL OR starts_with(action, %(action)s))
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(limit)s
