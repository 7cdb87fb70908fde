-- name: grants
-- As statements that give them again; of columns too, where the relation still has them.
WITH relation AS (
    SELECT c.oid, c.relacl, c.relowner, format('%%I.%%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%(relation)s)
), granted AS (
    SELECT r.name, a.grantee, a.privilege_type, a.is_grantable, NULL::name AS "column"
    FROM relation r, aclexplode(r.relacl) a WHERE a.grantee <> r.relowner
    UNION ALL
    SELECT r.name, a.grantee, a.privilege_type, a.is_grantable, t.attname
    FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped, aclexplode(t.attacl) a
    WHERE a.grantee <> r.relowner
)
SELECT format(
    'GRANT %%s%%s ON %%s TO %%s%%s',
    privilege_type,
    CASE WHEN "column" IS NOT NULL THEN format(' (%%I)', "column") END,
    name,
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END
), "column"::text
FROM granted
ORDER BY 1

-- name: columns
SELECT attname::text FROM pg_attribute
WHERE attrelid = to_regclass(%(relation)s) AND attnum > 0 AND NOT attisdropped
