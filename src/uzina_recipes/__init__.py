"""What runs on a compute node: recipes and the training core. No Django, no network."""

VERSION = "0.1.0"
