"""The state machine of worker slots, and pure decisions over all of them."""
