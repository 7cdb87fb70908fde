"""Dead letters: what they are, where they are kept, how they are repaired and sent back."""
