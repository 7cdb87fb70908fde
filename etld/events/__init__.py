"""What an event is: ids, times, validation against its schema, dead letters. Pure: no I/O."""
