-- name: one_at_a_time
-- Of all daemons, and until the end of the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('etld.retention'))

-- name: hurry
-- Batches wait behind who waits for a lock.
SET LOCAL lock_timeout = '300ms'

-- name: forget
DELETE FROM etld.event_partition WHERE name = %(name)s

-- name: is_first
SELECT name = %(name)s FROM etld.event_partition WHERE name <> %(late)s ORDER BY lower NULLS FIRST LIMIT 1

-- name: hold
UPDATE etld.event_partition
SET held_since = coalesce(held_since, now())
WHERE name = %(name)s
RETURNING held_since, now()

-- name: let_go
UPDATE etld.event_partition SET held_since = NULL WHERE held_since IS NOT NULL
