-- A table without partitions becomes the first of them: looking, in the order of the steps.

-- name: obstacles
-- What has no place in a partitioned table, or would be lost on the way; in words.
WITH t AS (SELECT c.* FROM pg_class c WHERE c.oid = 'public.processed_events'::regclass)
SELECT format('foreign key %s of %s refers to it', f.conname, f.conrelid::regclass)
FROM pg_constraint f, t WHERE f.contype = 'f' AND f.confrelid = t.oid
UNION ALL
SELECT format('it has the rule %s', r.rulename) FROM pg_rewrite r, t WHERE r.ev_class = t.oid
UNION ALL
SELECT format('it has the policy %s', p.polname) FROM pg_policy p, t WHERE p.polrelid = t.oid
UNION ALL
SELECT 'row level security is on' FROM t WHERE t.relrowsecurity
UNION ALL
SELECT format('publication %s publishes it', p.pubname)
FROM pg_publication_tables p WHERE p.schemaname = 'public' AND p.tablename = 'processed_events'
UNION ALL
SELECT format('it inherits from %s', i.inhparent::regclass) FROM pg_inherits i, t WHERE i.inhrelid = t.oid
UNION ALL
SELECT format('%s inherits from it', i.inhrelid::regclass) FROM pg_inherits i, t WHERE i.inhparent = t.oid
UNION ALL
SELECT format('materialized view %s reads it', v.oid::regclass)
FROM pg_class v, t
WHERE v.relkind = 'm' AND EXISTS (
    SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
)
UNION ALL
SELECT DISTINCT format('function %s is bound to it', d.objid::regprocedure)
FROM pg_depend d, t
WHERE d.classid = 'pg_proc'::regclass
    AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid)
        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = t.reltype))
UNION ALL
SELECT format('a column of %s has its row type', d.objid::regclass)
FROM pg_depend d, t
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_type'::regclass AND d.refobjid = t.reltype
    AND d.deptype = 'n'
UNION ALL
SELECT 'it has no column ' || n.name
FROM t, unnest(ARRAY['id', 'event_id', 'accepted_at']) AS n (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = n.name AND NOT a.attisdropped)

-- name: empty
SELECT NOT EXISTS (SELECT FROM public.processed_events)

-- name: pages
SELECT (pg_relation_size('public.processed_events') / 8192)::bigint

-- name: bound
-- The CHECK of a takeover that was begun before: when that ends, and whether it is known to hold.
SELECT substring(pg_get_constraintdef(oid) FROM '''([^'']+)''')::timestamptz, convalidated
FROM pg_constraint
WHERE conrelid = 'public.processed_events'::regclass AND conname = 'processed_events_taken_over'

-- name: patience
SET LOCAL lock_timeout = '1s'

-- name: no_limit
SET LOCAL statement_timeout = 0

-- name: names_in_full
-- As others' views are told in full, whoever reads them.
SET LOCAL search_path = ''

-- name: validate
ALTER TABLE public.processed_events VALIDATE CONSTRAINT processed_events_taken_over

-- name: drop_bound
ALTER TABLE public.processed_events DROP CONSTRAINT IF EXISTS processed_events_taken_over

-- name: lock_table
LOCK TABLE public.processed_events IN ACCESS EXCLUSIVE MODE

-- name: views
-- Those that read the table itself: what reads them keeps its hold.
SELECT format('CREATE OR REPLACE VIEW %s%s AS %s', v.oid::regclass, coalesce(
    ' WITH (' || (SELECT string_agg(o, ', ') FROM unnest(v.reloptions) o) || ')', ''
), pg_get_viewdef(v.oid))
FROM pg_class v
WHERE v.relkind = 'v' AND EXISTS (
    SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = 'public.processed_events'::regclass
)
ORDER BY v.oid

-- name: identities
-- Columns that number their rows, with what the next number would be.
SELECT a.attname::text,
    greatest(coalesce(pg_sequence_last_value(s.seqrelid), 0) + s.seqincrement, s.seqstart)
FROM pg_attribute a
JOIN pg_sequence s ON s.seqrelid = pg_get_serial_sequence('public.processed_events', quote_ident(a.attname))::regclass
WHERE a.attrelid = 'public.processed_events'::regclass AND a.attidentity <> ''

-- name: serials
-- Sequences that belong to a column, and would go with the table.
SELECT a.attname::text, d.objid::regclass::text
FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attidentity = ''
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
    AND d.refobjid = 'public.processed_events'::regclass

-- name: triggers
SELECT t.tgname::text, pg_get_triggerdef(t.oid),
    CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END,
    obj_description(t.oid, 'pg_trigger')
FROM pg_trigger t
WHERE t.tgrelid = 'public.processed_events'::regclass AND NOT t.tgisinternal
ORDER BY t.tgname

-- name: indexes
-- Those that rows need not be the only ones in: they become indexes of the whole, in every partition.
SELECT pg_get_indexdef(i.indexrelid), c.relname::text, obj_description(i.indexrelid, 'pg_class')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'public.processed_events'::regclass AND NOT i.indisunique AND NOT i.indisexclusion AND i.indisvalid
ORDER BY i.indexrelid

-- name: exclusions
SELECT conname::text FROM pg_constraint WHERE conrelid = 'public.processed_events'::regclass AND contype = 'x'

-- name: foreign_keys
SELECT conname::text, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = 'public.processed_events'::regclass AND contype = 'f'

-- name: column_grants
SELECT format('GRANT %s (%I) ON public.processed_events TO %s%s', p.privilege_type, a.attname,
    CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(p.grantee)) END,
    CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_attribute a, aclexplode(a.attacl) p
WHERE a.attrelid = 'public.processed_events'::regclass AND NOT a.attisdropped

-- name: inserters
-- Who may insert may number what it inserts.
SELECT DISTINCT format('GRANT USAGE ON SEQUENCE %s TO %s', s.oid::regclass,
    CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(p.grantee)) END)
FROM pg_class c
CROSS JOIN aclexplode(c.relacl) p
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    AND d.deptype = 'a'
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE c.oid = 'public.processed_events'::regclass AND p.privilege_type = 'INSERT' AND p.grantee <> c.relowner

-- name: table_comment
SELECT obj_description('public.processed_events'::regclass, 'pg_class')

-- name: whose
SELECT pg_get_userbyid(relowner)::text, pg_get_userbyid(relowner) = current_user
FROM pg_class WHERE oid = 'public.processed_events'::regclass
