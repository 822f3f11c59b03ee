"""A model changed without training."""
