"""Changes to the running daemon: reload, scale, pause, drain."""
