"""What can be set, and the errors a setting can meet."""
