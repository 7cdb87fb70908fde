"""Charts: from plain data to PNG files, in a process of its own (`python -m etld.charts`)."""
