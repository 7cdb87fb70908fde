-- Columns of positions in the words of Kafka. Names only: no row is touched, and it takes a moment.

ALTER TABLE etld.kafka_position RENAME COLUMN grp TO consumer_group;
ALTER TABLE etld.kafka_position RENAME COLUMN part TO partition;
ALTER TABLE etld.kafka_position_history RENAME COLUMN grp TO consumer_group;
ALTER TABLE etld.kafka_position_history RENAME COLUMN part TO partition;
