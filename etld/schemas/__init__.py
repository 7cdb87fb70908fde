"""All that reads an Avro schema or knows an event type."""
