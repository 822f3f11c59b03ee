"""The BentoML service over a DPNP bundle."""
