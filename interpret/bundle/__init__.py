"""What is on disk, and whether it is whole."""
