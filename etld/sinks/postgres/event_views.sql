-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld.type_view'))

-- name: hurry
SET LOCAL lock_timeout = '1s'

-- name: known
-- What the view was made from, and whether it reads what is processed_events now: not a table that was renamed since.
SELECT v.columns, v.statement, EXISTS (
    SELECT
    FROM pg_rewrite w
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    WHERE w.ev_class = to_regclass('etld.' || quote_ident(v.view_name))
        AND d.refobjid = 'public.processed_events'::regclass
)
FROM etld.type_view v
WHERE v.event_type = %(event_type)s AND v.view_name = %(name)s

-- name: dependents
SELECT DISTINCT w.ev_class::regclass::text
FROM pg_depend d
JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
WHERE d.refobjid = to_regclass('etld.' || quote_ident(%(name)s)) AND w.ev_class <> d.refobjid
ORDER BY 1

-- name: kind
SELECT relkind::text FROM pg_class WHERE oid = to_regclass('etld.' || quote_ident(%(name)s))

-- name: note
INSERT INTO etld.type_view (event_type, view_name, columns, statement)
VALUES (%(event_type)s, %(name)s, %(columns)s, %(statement)s)
ON CONFLICT (event_type) DO UPDATE
    SET view_name = excluded.view_name, columns = excluded.columns, statement = excluded.statement, made_at = now()

-- name: partitions
-- Is the table partitioned, and may it have rows whose accepted_at nobody knows: those of its default partition?
SELECT p.partrelid IS NOT NULL, coalesce(p.partdefid <> 0, true)
FROM pg_class c
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
WHERE c.oid = 'public.processed_events'::regclass
