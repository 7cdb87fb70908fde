-- name: lock
SELECT pg_advisory_xact_lock(hashtext('etld schema ' || %(subject)s))

-- name: versions
SELECT id, version, schema FROM etld.schema_version WHERE subject = %(subject)s ORDER BY version

-- name: by_id
SELECT schema FROM etld.schema_version WHERE id = %(id)s

-- name: subjects
SELECT DISTINCT subject FROM etld.schema_version ORDER BY 1

-- name: add
INSERT INTO etld.schema_version (subject, version, schema, fingerprint)
VALUES (%(subject)s, %(version)s, %(schema)s, %(fingerprint)s)
RETURNING id
