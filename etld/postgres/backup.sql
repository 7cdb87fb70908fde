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

-- name: keep_erasures
-- Who was forgotten since the dump stays so.
CREATE TEMP TABLE etld_kept_erasures AS SELECT * FROM etld.erasure;
CREATE TEMP TABLE etld_kept_letters AS SELECT id FROM etld.forgotten_letter;

-- name: give_erasures_back
-- Beside the tables of the dump, which may be of an earlier version: set-up takes them in.
CREATE TABLE etld.erasure_kept AS TABLE pg_temp.etld_kept_erasures;
CREATE TABLE etld.forgotten_letter_kept AS TABLE pg_temp.etld_kept_letters;

-- name: kept
SELECT to_regclass('etld.erasure_kept') IS NOT NULL

-- name: take_kept
-- What the tables do not have, under its number where that is free.
INSERT INTO etld.erasure (id, fields, subject, key_fingerprint, state, requested_by, requested_at, accepted_until, events,
    dead_letters, kafka_until, finished_at)
SELECT CASE WHEN EXISTS (SELECT FROM etld.erasure e WHERE e.id = k.id)
        THEN (SELECT max(id) FROM (SELECT id FROM etld.erasure UNION ALL SELECT id FROM etld.erasure_kept) taken)
            + row_number() OVER (ORDER BY k.id)
        ELSE k.id END,
    k.fields, k.subject, k.key_fingerprint, CASE WHEN k.state IN ('begun', 'reading') THEN 'begun' ELSE 'restored' END,
    k.requested_by, k.requested_at, k.accepted_until, k.events, k.dead_letters, k.kafka_until, k.finished_at
FROM etld.erasure_kept k
WHERE NOT EXISTS (
    SELECT FROM etld.erasure e
    WHERE e.subject = k.subject AND (e.accepted_until = k.accepted_until AND e.state = 'done'
        OR k.state IN ('begun', 'reading', 'active') AND e.state IN ('begun', 'reading', 'active'))
);
SELECT setval(pg_get_serial_sequence('etld.erasure', 'id'), greatest((SELECT max(id) FROM etld.erasure), 1));
INSERT INTO etld.forgotten_letter (id) SELECT id FROM etld.forgotten_letter_kept ON CONFLICT (id) DO NOTHING;
DROP TABLE etld.erasure_kept, etld.forgotten_letter_kept

-- name: give_schemas_back
INSERT INTO etld.schema_version (id, subject, version, schema, fingerprint, created_at)
OVERRIDING SYSTEM VALUE
SELECT id, subject, version, schema, fingerprint, created_at FROM pg_temp.etld_kept_schemas
ON CONFLICT DO NOTHING;
SELECT pg_catalog.setval(
    pg_catalog.pg_get_serial_sequence('etld.schema_version', 'id'),
    (SELECT greatest(max(id), 1) FROM etld.schema_version)
);
