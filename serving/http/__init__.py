"""How a request is admitted, read, worked on and answered."""
