"""Telling people, by webhooks, of what is wrong."""
