"""Which settings suit which pictures."""
