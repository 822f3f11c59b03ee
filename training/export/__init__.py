"""How a trained network becomes a bundle."""
