-- The list of columns, {copied}, comes from columns.py.

-- name: copy
COPY public.processed_events ({copied}) FROM STDIN (FORMAT binary)

-- name: immediate
-- What is deferred to the end would be nobody's fault there.
SET CONSTRAINTS ALL IMMEDIATE

-- name: present
-- Rows of an earlier version, which have no accepted_at, are in no batch.
SELECT count(*)
FROM unnest(%(ids)s::uuid[]) AS sent (event_id)
JOIN public.processed_events e USING (event_id)
WHERE e.accepted_at BETWEEN timestamptz 'epoch' + %(lowest)s * interval '1 microsecond'
    AND timestamptz 'epoch' + %(highest)s * interval '1 microsecond'
