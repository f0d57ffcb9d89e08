"""What each project may spend, has set aside and has spent: double entry, immutable."""
