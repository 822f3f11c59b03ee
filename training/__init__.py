"""Train DPNP models and export them to bundles."""
