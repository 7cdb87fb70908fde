-- name: written
-- The partitions that have been written, oldest first, and the BRINs of each.
SELECT p.name, p.version, array_agg(i.indexrelid::bigint ORDER BY i.indexrelid)
FROM etld.event_partition p
JOIN pg_inherits h ON h.inhparent = 'public.processed_events'::regclass
JOIN pg_class t ON t.oid = h.inhrelid AND t.relname = p.name
JOIN pg_index i ON i.indrelid = t.oid AND i.indisvalid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'
WHERE p.version <> 0
GROUP BY p.name, p.version, p.lower
ORDER BY p.lower NULLS FIRST

-- name: hurry
-- Less than the time after which PostgreSQL ends an autovacuum that somebody waits for.
SET LOCAL lock_timeout = '300ms'

-- name: summarize
SELECT brin_summarize_new_values(%(index)s::oid::regclass)
