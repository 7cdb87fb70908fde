"""Correction rules: which letters one is for, and the steps it takes."""
