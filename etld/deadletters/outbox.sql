-- name: add
INSERT INTO etld.dlq_outbox (dead_letter_id, key, value, headers)
SELECT * FROM unnest(%(ids)s::uuid[], %(keys)s::bytea[], %(values)s::bytea[], %(headers)s::jsonb[])
ON CONFLICT (dead_letter_id) DO NOTHING

-- name: there
SELECT FROM etld.dlq_outbox WHERE dead_letter_id = ANY(%(ids)s::uuid[])

-- name: take
SELECT id, key, value, headers
FROM etld.dlq_outbox
WHERE id <> ALL(%(aside)s::bigint[])
ORDER BY id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: remove
DELETE FROM etld.dlq_outbox WHERE id = ANY(%(ids)s)
