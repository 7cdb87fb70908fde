"""PostgreSQL: rows of processed_events and positions in one transaction.

`unwrap` is for modules with SQL of their own.
"""
