"""Dead letters: repaired by rules and sent back, or parked with the reason."""
