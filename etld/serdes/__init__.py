"""Bytes to events and back: a folder a format, listed in `formats`."""
