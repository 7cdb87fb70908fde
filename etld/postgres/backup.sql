-- What a restore does around the script of pg_restore, in the same transaction.

-- name: contents
SELECT format('%s.%s', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY n.nspname <> 'public', 1

-- name: begin
SET TRANSACTION READ WRITE;
SET statement_timeout = 0;
SET lock_timeout = '10s';
SET client_min_messages = 'warning';

-- name: clear
DROP SCHEMA IF EXISTS etld CASCADE;
DROP TABLE IF EXISTS public.processed_events CASCADE;

-- name: keep_schemas
-- Records in Kafka name the schemas that were registered since the dump by their ids.
CREATE TEMP TABLE etld_kept_schemas AS
SELECT id, subject, version, schema, fingerprint, created_at FROM etld.schema_version;

-- name: give_schemas_back
INSERT INTO etld.schema_version (id, subject, version, schema, fingerprint, created_at)
OVERRIDING SYSTEM VALUE
SELECT id, subject, version, schema, fingerprint, created_at FROM pg_temp.etld_kept_schemas
ON CONFLICT DO NOTHING;
SELECT pg_catalog.setval(
    pg_catalog.pg_get_serial_sequence('etld.schema_version', 'id'),
    (SELECT greatest(max(id), 1) FROM etld.schema_version)
);
