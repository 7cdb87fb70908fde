"""The lake: each event type's records become rows of a table of Apache Iceberg, each once."""
