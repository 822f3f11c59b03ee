"""How good a bundle is on labelled pictures."""
