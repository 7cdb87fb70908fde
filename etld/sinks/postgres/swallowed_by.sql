-- name: triggers
SELECT tgname
FROM pg_trigger
WHERE tgrelid = 'public.processed_events'::regclass AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 <> 0
ORDER BY tgname

-- name: rules
SELECT rulename
FROM pg_rewrite
WHERE ev_class = 'public.processed_events'::regclass AND ev_type IN ('2', '3') AND ev_enabled <> 'D'
ORDER BY rulename
