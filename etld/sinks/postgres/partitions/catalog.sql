-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld.event_partition'))

-- name: hurry
-- Batches wait behind who waits for a lock.
SET LOCAL lock_timeout = '500ms'

-- name: kind
SELECT relkind FROM pg_class WHERE oid = to_regclass('public.processed_events')

-- name: all
SELECT name, lower, upper, taken_over_at FROM etld.event_partition ORDER BY lower NULLS FIRST

-- name: extend
UPDATE etld.event_partition SET upper = %(upper)s WHERE name = %(name)s

-- name: note
INSERT INTO etld.event_partition (name, lower, upper, taken_over_at, version)
VALUES (%(name)s, %(lower)s, %(upper)s, %(taken_over_at)s, %(version)s)

-- name: refusal
SELECT reason FROM etld.partition_refusal

-- name: refuse
INSERT INTO etld.partition_refusal (reason) VALUES (%(reason)s)
ON CONFLICT (the_only) DO UPDATE SET reason = excluded.reason

-- name: admit
DELETE FROM etld.partition_refusal

-- name: own_indexes
-- Unique indexes that a partition has for itself, beside that of the event id: they live on in the next. What stands
-- behind the table's name, since a name of a new one is found by PostgreSQL.
SELECT right(d.text, -strpos(d.text, ' USING '))
FROM pg_index i
CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid) AS text) d
WHERE i.indrelid = %(table)s::regclass AND i.indisunique AND i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
    AND NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attname IN ('id', 'event_id') AND a.attnum::text = i.indkey::text
            AND i.indpred IS NULL
    )
ORDER BY i.indexrelid

-- name: grants
-- Of the whole table, as statements that give the same of another.
SELECT format('GRANT %%s ON %%s TO %%s%%s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), %(to)s::text,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = %(table)s::regclass AND a.grantee <> c.relowner
GROUP BY a.grantee, a.is_grantable

-- name: owner
SELECT pg_get_userbyid(relowner)::text, pg_get_userbyid(relowner) = current_user
FROM pg_class WHERE oid = %(table)s::regclass
