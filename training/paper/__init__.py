"""The paper's comparison: what it did and found, and the same runs here."""
