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
INSERT INTO etld.lake_backfill AS b (event_type, accepted_from, requested_by)
VALUES (%(event_type)s, %(accepted_from)s, %(who)s)
ON CONFLICT (event_type) DO UPDATE
SET accepted_from = least(excluded.accepted_from, CASE WHEN b.done_at IS NULL THEN b.accepted_from END),
    requested_by = excluded.requested_by, requested_at = now(), done_at = NULL, told = '',
    rows = CASE WHEN b.done_at IS NULL THEN b.rows ELSE 0 END

-- name: state
SELECT rows, accepted_from, done_at, told FROM etld.lake_backfill WHERE event_type = %(event_type)s

-- name: oldest
-- The oldest event from a time on: what is older than partitions ahead of it need not be looked through day by day.
SELECT min(coalesce(accepted_at, processed_at))
FROM public.processed_events
WHERE event_type = %(event_type)s AND coalesce(accepted_at, processed_at) >= %(accepted_from)s
