"""Avro bytes to events and back: one by one (`codec`) and a batch at a time (`columnar`)."""
