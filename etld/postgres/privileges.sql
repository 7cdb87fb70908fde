-- What a role needs, and lacks, as statements that give it. Asked of the catalog: who may not use a schema may not name
-- what is in it.

-- name: lacks_for_migrations
WITH asked AS (SELECT %(role)s::name AS role, quote_ident(current_database()) AS db, quote_ident(%(role)s) AS quoted)
SELECT 'GRANT CREATE ON DATABASE ' || db || ' TO ' || quoted FROM asked
WHERE to_regnamespace('etld') IS NULL AND NOT has_database_privilege(role, current_database(), 'CREATE')
UNION ALL
SELECT 'GRANT USAGE, CREATE ON SCHEMA etld TO ' || quoted FROM asked
WHERE to_regnamespace('etld') IS NOT NULL
    AND NOT (has_schema_privilege(role, 'etld', 'CREATE') AND has_schema_privilege(role, 'etld', 'USAGE'))
UNION ALL
SELECT 'GRANT USAGE, CREATE ON SCHEMA public TO ' || quoted FROM asked
WHERE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'processed_events' AND relnamespace = 'public'::regnamespace)
    AND NOT (has_schema_privilege(role, 'public', 'CREATE') AND has_schema_privilege(role, 'public', 'USAGE'))
UNION ALL
-- Who makes and drops its partitions owns it.
SELECT 'ALTER TABLE public.processed_events OWNER TO ' || quoted FROM asked, pg_class c
WHERE c.relname = 'processed_events' AND c.relnamespace = 'public'::regnamespace
    AND NOT pg_has_role(role, c.relowner, 'USAGE')

-- name: lacks
WITH asked AS (SELECT %(role)s::name AS role, quote_ident(current_database()) AS db, quote_ident(%(role)s) AS quoted),
needed (relation, privilege) AS (
    SELECT c.oid, p.privilege
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
    WHERE c.relnamespace = to_regnamespace('etld') AND c.relkind IN ('r', 'p')
        AND (c.relname <> 'migration' OR p.privilege = 'SELECT')
    UNION ALL
    SELECT c.oid, p.privilege
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS p (privilege)
    WHERE c.relname = 'processed_events' AND c.relnamespace = 'public'::regnamespace
), owned (relation) AS (
    -- The aggregator makes and drops partitions of the first, and changes the others.
    SELECT c.oid
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('etld') AND c.relkind IN ('r', 'p')
        AND (c.relname LIKE 'counted\_event%%' OR c.relname LIKE 'summary\_%%' OR c.relname LIKE 'expired\_%%')
)
SELECT 'GRANT TEMPORARY ON DATABASE ' || db || ' TO ' || quoted FROM asked
WHERE NOT has_database_privilege(role, current_database(), 'TEMPORARY')
UNION ALL
SELECT 'GRANT USAGE ON SCHEMA public TO ' || quoted FROM asked WHERE NOT has_schema_privilege(role, 'public', 'USAGE')
UNION ALL
SELECT 'GRANT USAGE, CREATE ON SCHEMA etld TO ' || quoted FROM asked
WHERE to_regnamespace('etld') IS NOT NULL
    AND NOT (has_schema_privilege(role, 'etld', 'CREATE') AND has_schema_privilege(role, 'etld', 'USAGE'))
UNION ALL
(
    SELECT 'GRANT ' || string_agg(privilege, ', ' ORDER BY privilege) || ' ON ' || format('%%I.%%I', n.nspname, c.relname)
        || ' TO ' || quoted
    FROM asked, needed
    JOIN pg_class c ON c.oid = relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT has_table_privilege(role, relation, privilege)
    GROUP BY n.nspname, c.relname, quoted
    ORDER BY n.nspname, c.relname
)
UNION ALL
(
    -- What numbers the rows of a partitioned table; an identity column needs no such right.
    SELECT format('GRANT USAGE ON SEQUENCE %%I.%%I TO ', n.nspname, s.relname) || quoted
    FROM asked, pg_depend d
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_class c ON c.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
        AND c.relname = 'processed_events' AND c.relnamespace = 'public'::regnamespace
        AND NOT has_sequence_privilege(role, s.oid, 'USAGE')
    ORDER BY s.relname
)
UNION ALL
(
    SELECT format('ALTER TABLE etld.%%I OWNER TO ', c.relname) || quoted
    FROM asked, owned
    JOIN pg_class c ON c.oid = relation
    WHERE NOT pg_has_role(role, c.relowner, 'USAGE')
    ORDER BY c.relname
)

-- name: reader_lacks
WITH asked AS (
    SELECT to_regrole(quote_ident(%(role)s))::oid AS role, quote_ident(current_database()) AS db,
        quote_ident(%(role)s) AS quoted
), readable AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname = 'public' AND c.relname = 'processed_events' AND c.relkind IN ('r', 'p'))
        OR (n.nspname = 'etld' AND c.relkind = 'r' AND c.relname LIKE 'summary\_%%')
        OR (n.nspname = 'etld' AND c.relkind = 'v' AND c.relname IN (SELECT view_name FROM etld.type_view))
        OR (n.nspname = 'etld' AND c.relkind = 'v'
            AND c.relname IN ('freshness', 'dead_letters_by_reason', 'last_reconcile'))
)
SELECT 'CREATE ROLE ' || quoted || ' NOLOGIN' FROM asked WHERE role IS NULL
UNION ALL
SELECT 'GRANT CONNECT ON DATABASE ' || db || ' TO ' || quoted FROM asked
WHERE NOT coalesce(has_database_privilege(role, current_database(), 'CONNECT'), false)
UNION ALL
SELECT format('GRANT USAGE ON SCHEMA %%s TO ', name) || quoted FROM asked, unnest(ARRAY['public', 'etld']) AS name
WHERE NOT coalesce(has_schema_privilege(role, name, 'USAGE'), false)
UNION ALL
(
    SELECT format('GRANT SELECT ON %%I.%%I TO ', nspname, relname) || quoted FROM asked, readable
    WHERE NOT coalesce(has_table_privilege(role, oid, 'SELECT'), false)
    ORDER BY nspname, relname
)
