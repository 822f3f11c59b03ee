"""Why this class: answers, evidence, attributions."""
