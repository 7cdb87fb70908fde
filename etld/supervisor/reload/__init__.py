"""What a changed configuration means, and the operations that carry it out."""
