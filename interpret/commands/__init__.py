"""The commands of `dpnp` that need neither torch nor labelled data. Only these print."""
