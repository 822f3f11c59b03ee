"""The service's log, metrics and drift scores."""
