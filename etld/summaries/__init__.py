"""What a summary is: its definition, its table, its backfill, the panels of its chart."""
