"""The commands of `dpnp` that start BentoML. Only these print."""
