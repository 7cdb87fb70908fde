-- name: lock
-- One keeper of a table at a time, for the session; without it the work is only done twice.
SELECT pg_try_advisory_lock(hashtext('etld.lake'), hashtext(%(table)s))
