-- name: make_gone
CREATE TEMPORARY TABLE etld_gone (LIKE public.processed_events) ON COMMIT DROP

-- name: gone_by_type
SELECT event_type, kafka_partition, count(*) FROM pg_temp.etld_gone GROUP BY 1, 2 ORDER BY 1, 2

-- name: forget_counted
DELETE FROM etld.counted_event c USING pg_temp.etld_gone g WHERE c.event_id = g.event_id
