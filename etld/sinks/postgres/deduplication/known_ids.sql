-- {leaf} is a leaf of the table, {n} its number in the statement. OFFSET 0 keeps the planner at one look into the index
-- for each id, whatever it thinks of the leaf.

-- name: leaf
SELECT s.place
FROM unnest(%(ids{n})s::uuid[], %(accepted{n})s::bigint[], %(places{n})s::int[], %(own{n})s::boolean[])
    AS s (event_id, accepted, place, own)
CROSS JOIN LATERAL (SELECT accepted_at FROM {leaf} WHERE event_id = s.event_id OFFSET 0) e
-- Without accepted_at it is of before there were partitions.
WHERE s.own OR CASE WHEN e.accepted_at IS NULL THEN s.accepted <= %(until{n})s
    ELSE abs((extract(epoch FROM e.accepted_at) * 1000000)::bigint - s.accepted) <= %(reach)s END

-- name: whole
-- The table that has no partitions: an id is known for ever.
SELECT s.place
FROM unnest(%(ids{n})s::uuid[], %(places{n})s::int[]) AS s (event_id, place)
CROSS JOIN LATERAL (SELECT FROM {leaf} WHERE event_id = s.event_id OFFSET 0) e

-- name: range
SELECT (SELECT event_id FROM {leaf} ORDER BY event_id LIMIT 1),
    (SELECT event_id FROM {leaf} ORDER BY event_id DESC LIMIT 1)
