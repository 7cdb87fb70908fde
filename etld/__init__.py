"""etld: events over HTTP, through Kafka, into PostgreSQL, exactly once."""

__version__ = "0.1.0"
