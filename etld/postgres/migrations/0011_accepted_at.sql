-- When Kafka took the record; NULL: a row of an earlier version, for which nobody knows. No row is touched.
ALTER TABLE public.processed_events ADD COLUMN accepted_at timestamptz;
