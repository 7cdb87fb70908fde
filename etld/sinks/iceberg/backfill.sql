-- Orders of `etld lake backfill`, which the worker that looks after the table carries out.

-- name: next
SELECT accepted_from, rows
FROM etld.lake_backfill
WHERE event_type = %(event_type)s AND done_at IS NULL

-- name: progress
UPDATE etld.lake_backfill
SET rows = rows + %(rows)s, accepted_from = %(accepted_from)s, told = ''
WHERE event_type = %(event_type)s AND done_at IS NULL

-- name: failed
UPDATE etld.lake_backfill SET told = %(told)s WHERE event_type = %(event_type)s AND done_at IS NULL

-- name: done
UPDATE etld.lake_backfill SET done_at = now(), told = '' WHERE event_type = %(event_type)s AND done_at IS NULL

-- name: order
INSERT INTO etld.lake_backfill AS b (event_type, accepted_from, since, requested_by)
VALUES (%(event_type)s, %(accepted_from)s, %(accepted_from)s, %(who)s)
ON CONFLICT (event_type) DO UPDATE
SET accepted_from = least(excluded.accepted_from, CASE WHEN b.done_at IS NULL THEN b.accepted_from END),
    since = least(excluded.since, CASE WHEN b.done_at IS NULL THEN b.since END),
    -- One that is under way has passed what it has passed; what is stored since is not among that.
    begun_at = CASE WHEN b.done_at IS NULL THEN b.begun_at ELSE now() END,
    requested_by = excluded.requested_by, requested_at = now(), done_at = NULL, told = '',
    rows = CASE WHEN b.done_at IS NULL THEN b.rows ELSE 0 END

-- name: order_missing
-- Unless one is under way, or has just looked for the same.
INSERT INTO etld.lake_backfill AS b (event_type, accepted_from, since, requested_by)
VALUES (%(event_type)s, %(accepted_from)s, %(accepted_from)s, %(who)s)
ON CONFLICT (event_type) DO UPDATE
SET accepted_from = excluded.accepted_from, since = excluded.since, begun_at = now(), requested_by = excluded.requested_by,
    requested_at = now(), done_at = NULL, told = '', rows = 0
WHERE b.done_at IS NOT NULL AND (b.since > excluded.since OR b.begun_at < now() - interval '1 hour')

-- name: proven
-- Events of a type from a time on that were stored so long before its backfill began that they were seen by it.
SELECT event_type, since, begun_at - interval '1 hour'
FROM etld.lake_backfill
WHERE done_at IS NOT NULL AND isfinite(since)

-- name: state
SELECT rows, accepted_from, done_at, told FROM etld.lake_backfill WHERE event_type = %(event_type)s

-- name: oldest
-- The oldest event from a time on: what is older than partitions ahead of it need not be looked through day by day.
SELECT min(coalesce(accepted_at, processed_at))
FROM public.processed_events
WHERE event_type = %(event_type)s AND coalesce(accepted_at, processed_at) >= %(accepted_from)s
