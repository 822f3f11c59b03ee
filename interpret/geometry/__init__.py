"""How prototypes lie on the sphere."""
