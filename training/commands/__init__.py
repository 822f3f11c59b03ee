"""The commands of `dpnp` that need torch or labelled data. Only these print."""
