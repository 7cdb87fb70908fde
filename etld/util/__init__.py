"""What several folders need once: no knowledge of events, Kafka or the database."""
