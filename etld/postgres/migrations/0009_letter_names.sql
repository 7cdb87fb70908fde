-- Columns of dead letters in the words of Kafka, and their event_id as a uuid where it is one.
-- Names and an empty column: no row is touched, and it takes a moment however many letters there are. Letters of
-- earlier versions keep their id as text until the corrector has moved it (deadletters/event_ids.py).
ALTER TABLE etld.dead_letter RENAME COLUMN part TO partition;
ALTER TABLE etld.dead_letter RENAME COLUMN off TO "offset";
ALTER TABLE etld.dead_letter RENAME COLUMN queue_part TO queue_partition;
ALTER TABLE etld.dead_letter RENAME COLUMN queue_off TO queue_offset;
ALTER TABLE etld.dead_letter RENAME COLUMN repair_part TO repair_partition;
ALTER TABLE etld.dead_letter RENAME COLUMN repair_off TO repair_offset;

-- What a foreign producer calls its event, where that is no UUID.
ALTER TABLE etld.dead_letter RENAME COLUMN event_id TO event_id_text;
ALTER INDEX etld.dead_letter_event RENAME TO dead_letter_event_text;
ALTER TABLE etld.dead_letter ADD COLUMN event_id uuid;

-- Where there are letters, the corrector makes the index beside its work, when the ids are moved.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM etld.dead_letter) THEN
        CREATE INDEX dead_letter_event ON etld.dead_letter (event_id);
    END IF;
END
$$;
