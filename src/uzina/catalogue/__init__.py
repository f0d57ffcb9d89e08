"""What data there is, under which terms, and who may use it."""
