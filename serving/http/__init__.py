"""How a request is let in, read, worked on and answered."""
