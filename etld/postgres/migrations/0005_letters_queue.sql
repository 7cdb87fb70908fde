-- For `etld trace`: where in the dead letter queue a letter's record is, and when it was sent there.
ALTER TABLE etld.dead_letter
    ADD COLUMN queue_part integer,
    ADD COLUMN queue_off  bigint,
    ADD COLUMN queued_at  timestamptz;
