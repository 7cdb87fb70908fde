-- name: definition
SELECT definition
FROM etld.totals_of_expired
WHERE summary = %(name)s AND to_regclass('etld.' || quote_ident('expired_' || %(name)s)) IS NOT NULL

-- name: note
INSERT INTO etld.totals_of_expired (summary, definition)
VALUES (%(name)s, %(definition)s)
ON CONFLICT (summary) DO UPDATE SET definition = excluded.definition

-- name: forget
DELETE FROM etld.totals_of_expired WHERE summary = %(name)s
