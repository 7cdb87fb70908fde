"""What an event is: ids, times, limits, what its values are checked for. Pure: no I/O."""
