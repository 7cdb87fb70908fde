-- name: enter
SELECT schema_name, name, oid, lower, upper, version, taken_over, is_current, is_alone
FROM etld.enter_leaves(
    timestamptz 'epoch' + %(lowest)s * interval '1 microsecond',
    timestamptz 'epoch' + %(highest)s * interval '1 microsecond',
    make_interval(secs => %(window)s), %(alone)s
)

-- name: change
-- Never 0, which says that nothing has been written. The current leaf with those of which one is newer: until now it was
-- written by many at once, and a filter of a time before that, when another was current, must not be taken for one of now.
UPDATE etld.event_partition p
SET version = 1 + floor(random() * 9007199254740991)::bigint
WHERE p.name = ANY(%(names)s) OR (
    p.name = etld.current_leaf() AND p.upper <= (SELECT max(q.lower) FROM etld.event_partition q WHERE q.name = ANY(%(names)s))
)

-- name: final
-- Those that a filter can be made of, and may be asked for: no batch writes them unnoticed.
SELECT n.nspname::text, c.relname::text, c.oid::bigint, (extract(epoch FROM p.lower) * 1000000)::bigint,
    (extract(epoch FROM p.upper) * 1000000)::bigint, p.version,
    (extract(epoch FROM p.taken_over_at) * 1000000)::bigint, false, false
FROM etld.event_partition p
JOIN pg_class c ON c.relname = p.name
JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'public.processed_events'::regclass
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE greatest(p.upper, p.taken_over_at) > now() - make_interval(secs => %(window)s)
    AND p.version <> 0 AND p.name <> etld.current_leaf()
