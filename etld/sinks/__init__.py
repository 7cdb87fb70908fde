"""Where rows go: `base` says what the exactly-once loop asks of a sink, a folder a sink, `registry` a line a sink."""
