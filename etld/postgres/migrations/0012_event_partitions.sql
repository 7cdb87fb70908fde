-- The partitions of processed_events, by accepted_at. lower NULL: from ever. The table of before there were partitions
-- is one of them (taken_over_at): its rows have no accepted_at, but for those that came while it was taken over.
CREATE TABLE etld.event_partition (
    name          text PRIMARY KEY,
    lower         timestamptz,
    upper         timestamptz,
    -- Changes with what the partition holds; 0: nothing has been written.
    version       bigint      NOT NULL DEFAULT 0,
    taken_over_at timestamptz,
    made_at       timestamptz NOT NULL DEFAULT now()
);

-- Why processed_events cannot be partitioned as [storage] asks for: no row when nothing is in the way.
CREATE TABLE etld.partition_refusal (
    the_only boolean     PRIMARY KEY DEFAULT true CHECK (the_only),
    reason   text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);
