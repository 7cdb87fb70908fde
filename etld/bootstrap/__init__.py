"""Set-up, before any role starts: tables, topics, schemas."""
