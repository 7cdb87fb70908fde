-- More of what is told of the lake: its rows by partition of the topic, how its tables are looked after, and what rows of
-- processed_events are in it for sure.

ALTER TABLE etld.lake_table
    ADD COLUMN snapshot_count integer,
    ADD COLUMN newest_at      timestamptz,
    ADD COLUMN commit_seconds double precision,
    ADD COLUMN upkeep_at      timestamptz,
    ADD COLUMN upkeep_told    text NOT NULL DEFAULT '';
COMMENT ON COLUMN etld.lake_table.snapshot_count IS 'States of the table that can still be read.';
COMMENT ON COLUMN etld.lake_table.newest_at IS 'When Kafka took the newest event that was committed.';
COMMENT ON COLUMN etld.lake_table.commit_seconds IS 'How long the last commit with events took.';
COMMENT ON COLUMN etld.lake_table.upkeep_at IS 'When its files were last looked after.';
COMMENT ON COLUMN etld.lake_table.upkeep_told IS 'What came of that, in words.';

CREATE TABLE etld.lake_partition (
    event_type    text        NOT NULL,
    partition     integer     NOT NULL,
    row_count     bigint      NOT NULL,
    expected_rows bigint      NOT NULL,
    snapshot_id   bigint      NOT NULL,
    counted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_type, partition)
);
COMMENT ON TABLE etld.lake_partition IS 'The rows of each table of the lake by partition of the topic, counted in its files.';
COMMENT ON COLUMN etld.lake_partition.row_count IS 'Rows that came by this partition, in one snapshot of the table.';
COMMENT ON COLUMN etld.lake_partition.expected_rows IS 'Rows that the positions in the same snapshot account for.';
COMMENT ON COLUMN etld.lake_partition.snapshot_id IS 'That snapshot.';

-- An order of before proves nothing.
ALTER TABLE etld.lake_backfill
    ADD COLUMN since    timestamptz NOT NULL DEFAULT 'infinity',
    ADD COLUMN begun_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN etld.lake_backfill.since IS 'Events accepted from here on were asked for.';
COMMENT ON COLUMN etld.lake_backfill.begun_at IS 'When it began: what was stored well before is in the lake once it is done.';

ALTER TABLE etld.event_partition ADD COLUMN held_since timestamptz;
COMMENT ON COLUMN etld.event_partition.held_since IS
    'Since when it stays though its time is over, because the lake does not have all of it: [lake] hold_partitions.';
