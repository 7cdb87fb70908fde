-- Letters of versions before 0009 have their event_id as text.

-- name: move
WITH page AS MATERIALIZED (
    SELECT id, event_id_text FROM etld.dead_letter
    WHERE event_id_text >= %(after_text)s AND (event_id_text, id) > (%(after_text)s, %(after_id)s::uuid)
    ORDER BY event_id_text, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE etld.dead_letter d
    SET event_id = page.event_id_text::uuid, event_id_text = NULL
    FROM page
    WHERE d.id = page.id AND page.event_id_text ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
    RETURNING d.id
)
SELECT event_id_text, id::text, (SELECT count(*) FROM page), (SELECT count(*) FROM moved)
FROM page
ORDER BY event_id_text DESC, id DESC
LIMIT 1
