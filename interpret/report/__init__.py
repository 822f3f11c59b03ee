"""Pages that show a model or a data set."""
