"""Set-up: what must be there before any role starts."""
