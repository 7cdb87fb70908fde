"""Another version of the program in the same process."""
