"""The processor: one event type's records become rows of processed_events, the broken ones dead letters."""
