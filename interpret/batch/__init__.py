"""How many pictures are answered: sources of millions, and tables of answers."""
