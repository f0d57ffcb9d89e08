"""Recipes, the runs they make, and the models that come of them, documented."""
