"""Explain what a DPNP bundle decides: distances to prototypes, training images, evidence maps."""
