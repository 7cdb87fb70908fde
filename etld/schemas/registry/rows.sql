-- name: lock
-- An id that is in use must not be forgotten by a crash of the server.
SELECT CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END,
    pg_advisory_xact_lock(hashtextextended('etld schema ' || %(subject)s, 0))

-- name: by_fingerprint
SELECT id FROM etld.schema_version WHERE subject = %(subject)s AND fingerprint = %(fingerprint)s

-- name: by_ids
SELECT id, schema FROM etld.schema_version WHERE id = ANY(%(ids)s::int[])

-- name: latest
SELECT id, subject, version, schema FROM etld.schema_version
WHERE subject = %(subject)s ORDER BY version DESC LIMIT 1

-- name: versions
SELECT id, subject, version, schema FROM etld.schema_version WHERE subject = %(subject)s ORDER BY version

-- name: add
INSERT INTO etld.schema_version (subject, version, schema, fingerprint)
VALUES (%(subject)s, %(version)s, %(schema)s, %(fingerprint)s) RETURNING id

-- name: put_back
INSERT INTO etld.schema_version (id, subject, version, schema, fingerprint) OVERRIDING SYSTEM VALUE
SELECT %(id)s, %(subject)s, coalesce(max(version), 0) + 1, %(schema)s, %(fingerprint)s
FROM etld.schema_version WHERE subject = %(subject)s
ON CONFLICT DO NOTHING
RETURNING id

-- name: pass_over
-- No id that is in use is given again.
WITH next AS MATERIALIZED (SELECT nextval(pg_get_serial_sequence('etld.schema_version', 'id')) AS id)
SELECT max(nextval(pg_get_serial_sequence('etld.schema_version', 'id')))
FROM next, generate_series(next.id + 1, (SELECT max(id) FROM etld.schema_version))
