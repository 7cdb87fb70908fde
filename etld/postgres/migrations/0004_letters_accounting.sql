-- For `etld reconcile`: where the dead letters came from that are no row of their own.

-- The topic of the repair that came back.
ALTER TABLE etld.dead_letter_attempt ADD COLUMN returned_topic text;
UPDATE etld.dead_letter_attempt a SET returned_topic = d.repair_topic
FROM etld.dead_letter d WHERE d.id = a.dead_letter_id AND a.returned_as IS NOT NULL;

-- Processors' dead letters, and returns of their repairs, that were deleted at the end of their time.
CREATE TABLE etld.dead_letter_removed_from (
    topic   text   PRIMARY KEY,
    letters bigint NOT NULL
);
