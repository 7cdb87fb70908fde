"""Bytes to events and back: a folder a format."""
