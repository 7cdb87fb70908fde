-- {leaf} is a leaf of the table.

-- name: state
-- Its version and pages at this moment, if it is none that many write at once.
SELECT p.version, pg_relation_size(c.oid) / current_setting('block_size')::int
FROM etld.event_partition p
JOIN pg_class c ON c.relname = p.name
JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'public.processed_events'::regclass
WHERE p.name = %(name)s AND p.name <> etld.current_leaf()

-- name: piece
-- As one value, since the driver would take a thousand times as long over each row.
SELECT string_agg(uuid_send(event_id), ''::bytea)
FROM {leaf}
WHERE ctid >= format('(%%s,0)', %(begin)s::bigint)::tid AND ctid < format('(%%s,0)', %(end)s::bigint)::tid
