-- Are two rows with one event id one event? So it is within the window, and within one partition of the table.
CREATE FUNCTION etld.is_one_event(one timestamptz, other timestamptz, dedup_window interval) RETURNS boolean
LANGUAGE sql STABLE AS $$
SELECT NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'public.processed_events'::regclass)
    OR one BETWEEN other - dedup_window AND other + dedup_window
    OR EXISTS (
        SELECT
        FROM etld.event_partition p
        WHERE p.upper > one AND p.upper > other AND (p.lower IS NULL OR (p.lower <= one AND p.lower <= other))
    )
$$;

-- When Kafka took the event: a retry that comes more than dedup_window later is a new event, here as in the table. NULL: it
-- was counted by an earlier version.
ALTER TABLE etld.counted_event ADD COLUMN accepted_at timestamptz;
