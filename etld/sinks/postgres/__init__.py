"""The sink PostgreSQL: rows of processed_events and positions in one transaction."""
