"""Who acts, for which organisation, and in which project."""
