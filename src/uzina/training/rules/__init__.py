"""Decisions about runs, models and their documents. Pure."""
