"""One package a recipe: recipe.toml says what it takes, run.py does it."""
