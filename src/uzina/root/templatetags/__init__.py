"""Parts of pages that know several modules."""
