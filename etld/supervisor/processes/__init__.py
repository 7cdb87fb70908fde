"""Processes: forked, watched, replaced, ended."""
