-- Actions on all letters that match.

-- name: columns
id, action, chosen, reason, asked_by, state, total, done, error, asked_at, ended_at

-- name: add
INSERT INTO etld.letter_job (action, chosen, reason, asked_by, total, held_until)
VALUES (%(action)s, %(chosen)s::jsonb, %(reason)s, %(asked_by)s, %(total)s, now() + make_interval(secs => %(hold)s))
RETURNING
    -- include: columns

-- name: of_id
SELECT
    -- include: columns
FROM etld.letter_job WHERE id = %(id)s

-- name: latest
SELECT
    -- include: columns
FROM etld.letter_job ORDER BY id DESC LIMIT %(limit)s

-- name: take
SELECT
    -- include: columns
    , after_at::text, after_id::text
FROM etld.letter_job WHERE id = %(id)s AND state = 'running'
FOR UPDATE

-- name: take_left
-- One on which nobody works.
SELECT
    -- include: columns
    , after_at::text, after_id::text
FROM etld.letter_job WHERE state = 'running' AND held_until < now()
ORDER BY held_until, id
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: progress
UPDATE etld.letter_job
SET done = done + %(changed)s, after_at = %(after_at)s::timestamptz, after_id = %(after_id)s::uuid,
    held_until = clock_timestamp() + make_interval(secs => %(hold)s)
WHERE id = %(id)s

-- name: put_off
UPDATE etld.letter_job SET held_until = now() + make_interval(secs => %(seconds)s) WHERE id = %(id)s

-- name: finish
UPDATE etld.letter_job SET state = %(state)s, error = %(error)s, ended_at = clock_timestamp()
WHERE id = %(id)s AND state = 'running'

-- name: remove_old
DELETE FROM etld.letter_job WHERE ended_at < now() - make_interval(days => %(days)s)
