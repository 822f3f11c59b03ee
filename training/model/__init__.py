"""What is trained: backbones, heads, losses, prototypes."""
