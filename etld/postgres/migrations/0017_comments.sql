-- What people read says what it is. A comment that somebody has made stays.
DO $$
DECLARE
    line record;
BEGIN
    FOR line IN SELECT * FROM (VALUES
        ('public.processed_events', NULL, 'Every event, once. The views etld.event_<type> show the fields of its details as columns.'),
        ('public.processed_events', 'id', 'Counts the rows; with gaps.'),
        ('public.processed_events', 'event_id', 'The event''s id: each is here once.'),
        ('public.processed_events', 'event_name', 'What happened.'),
        ('public.processed_events', 'event_type', 'The event type, whose schema says what the details hold.'),
        ('public.processed_events', 'user_details', 'Who did it, as the schema of the event type says.'),
        ('public.processed_events', 'event_details', 'What was done, as the schema of the event type says.'),
        ('public.processed_events', 'triggered_at', 'When it happened, as the producer says.'),
        ('public.processed_events', 'processed_at', 'When it was stored here.'),
        ('public.processed_events', 'kafka_partition', 'The partition of its Kafka topic.'),
        ('public.processed_events', 'kafka_offset', 'The offset in that partition.'),
        ('public.processed_events', 'accepted_at', 'When Kafka took it; partitions are by this time. NULL: a row of an earlier version.'),
        ('etld.dead_letter', NULL, 'Records that could not be stored, as they came, and what became of each.'),
        ('etld.dead_letter', 'id', 'What `etld dlq show` takes.'),
        ('etld.dead_letter', 'event_id', 'The id of the event, where it could be read and is a UUID.'),
        ('etld.dead_letter', 'event_id_text', 'What a producer calls its event that is no UUID.'),
        ('etld.dead_letter', 'event_type', 'The event type, where it is known.'),
        ('etld.dead_letter', 'state', 'new, repaired, resent (on its way back), resolved (stored after all), parked (for a person), discarded.'),
        ('etld.dead_letter', 'stage', 'Where it failed.'),
        ('etld.dead_letter', 'error_class', 'The kind of error.'),
        ('etld.dead_letter', 'error', 'What is wrong with it.'),
        ('etld.dead_letter', 'topic', 'The Kafka topic of the dead record.'),
        ('etld.dead_letter', 'partition', 'Its partition.'),
        ('etld.dead_letter', 'offset', 'Its offset.'),
        ('etld.dead_letter', 'key', 'The record''s key, as it came.'),
        ('etld.dead_letter', 'value', 'The record''s value, as it came.'),
        ('etld.dead_letter', 'headers', 'What else is known of it.'),
        ('etld.dead_letter', 'attempts', 'How often a repair was tried.'),
        ('etld.dead_letter', 'repair_key', 'The event_id of the repair: of the row in processed_events once it is resolved.'),
        ('etld.dead_letter', 'reason', 'Why it is parked or discarded.'),
        ('etld.dead_letter', 'created_at', 'When it came.'),
        ('etld.dead_letter', 'updated_at', 'When its state changed last.'),
        ('etld.dead_letter_attempt', NULL, 'Every attempt at a dead letter: by which rule, what it made of the event, what came of that.'),
        ('etld.kafka_position', NULL, 'How far each consumer group has read each partition, and what became of what it read.'),
        ('etld.kafka_position', 'consumed', 'Records read: stored + duplicate + filtered + dead.'),
        ('etld.kafka_position', 'stored', 'New events: rows, unless they expired or were forgotten since (etld.removed_event).'),
        ('etld.kafka_position', 'duplicate', 'Events that were there already.'),
        ('etld.kafka_position', 'filtered', 'Events that a transform left out.'),
        ('etld.kafka_position', 'dead', 'Records that became dead letters.'),
        ('etld.kafka_position', 'halted', 'Why the partition stands still; empty: it does not.'),
        ('etld.kafka_position_history', NULL, 'Earlier lives of positions: of topics that were made anew, of ranges that were given up.'),
        ('etld.removed_event', NULL, 'Rows that are gone on purpose: rows = stored - expired - forgotten.'),
        ('etld.removed_event', 'expired', 'Removed when the retention was over.'),
        ('etld.removed_event', 'forgotten', 'Removed by `etld forget`.'),
        ('etld.erasure', NULL, 'Subjects whose events were erased: a hash of each, never its value.'),
        ('etld.event_partition', NULL, 'The partitions of processed_events, by accepted_at.'),
        ('etld.event_partition', 'lower', 'Accepted from then on; NULL: from ever.'),
        ('etld.event_partition', 'upper', 'Accepted before; NULL: without an end.'),
        ('etld.schema_version', NULL, 'The schemas of the embedded registry.'),
        ('etld.summary', NULL, 'The summaries that are kept: what each table etld.summary_<name> was made from.'),
        ('etld.summary', 'state', 'live, or backfill while older events are still being added.'),
        ('etld.totals_of_expired', NULL, 'The tables etld.expired_<name>: what events that have expired had in the summaries.'),
        ('etld.type_view', NULL, 'The views etld.event_<type>, and what each was made from.')
    ) AS comments (relation, "column", words)
    LOOP
        IF to_regclass(line.relation) IS NULL THEN
            CONTINUE;
        ELSIF line."column" IS NULL THEN
            IF obj_description(to_regclass(line.relation), 'pg_class') IS NULL THEN
                EXECUTE format('COMMENT ON TABLE %s IS %L', line.relation, line.words);
            END IF;
        ELSIF EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = to_regclass(line.relation) AND a.attname = line."column" AND NOT a.attisdropped
                AND col_description(a.attrelid, a.attnum) IS NULL
        ) THEN
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', line.relation, line."column", line.words);
        END IF;
    END LOOP;
END
$$;
