"""The web page for people: what flows, what is broken, and what to do."""
