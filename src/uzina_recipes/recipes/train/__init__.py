"""From shards to a model: a loop that can be stopped, killed and gone on with, bit by bit."""
