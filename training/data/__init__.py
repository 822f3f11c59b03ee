"""Where pictures and labels come from, and how a batch of them is made."""
