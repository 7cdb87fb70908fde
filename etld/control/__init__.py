"""The control socket: one JSON object a line each way."""
