"""How a model is changed without training."""
