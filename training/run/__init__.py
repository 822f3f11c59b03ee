"""What happens in a training run."""
