-- name: triggers
-- Those of a partition too.
SELECT DISTINCT tgname
FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 <> 0
    AND (tgrelid = 'public.processed_events'::regclass
        OR tgrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.processed_events'::regclass))
ORDER BY tgname

-- name: rules
SELECT rulename
FROM pg_rewrite
WHERE ev_class = 'public.processed_events'::regclass AND ev_type IN ('2', '3') AND ev_enabled <> 'D'
ORDER BY rulename
