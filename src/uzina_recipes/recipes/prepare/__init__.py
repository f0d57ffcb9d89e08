"""From raw documents to tokenised shards: normalise, clean, deduplicate, split, tokenise."""
