"""Words in the film: names in any script, title styles, the closing mark."""
