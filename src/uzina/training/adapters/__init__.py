"""Where a run meets the disk: what its job left in the run directory."""
