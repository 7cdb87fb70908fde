"""Faults against a real etld, with a ledger of every event and an oracle that counts what became of it."""
