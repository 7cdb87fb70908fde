-- The lists of columns, {copied} and {read}, come from columns.py.

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

-- name: one
SELECT {read}
FROM public.processed_events
WHERE event_id = %(event_id)s::uuid

-- name: count
SELECT event_type, kafka_partition, count(*) FROM public.processed_events GROUP BY 1, 2
