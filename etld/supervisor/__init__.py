"""The parent of every worker: starts, watches, replaces and ends them, in one thread."""
