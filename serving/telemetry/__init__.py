"""What the service tells of itself: log, metrics, drift."""
