"""How far an answer, or a label, can be trusted."""
