"""What the daemon says of itself: state, metrics, log, systemd."""
