"""Decisions of calls. Pure: values in; values or Refused out."""
