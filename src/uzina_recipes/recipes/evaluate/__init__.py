"""From a model and held-out text to bits per byte, beside two baselines of the same run."""
