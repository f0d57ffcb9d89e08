"""How many GPU-hours, how much memory, energy and time a model takes: arithmetic with sources."""
