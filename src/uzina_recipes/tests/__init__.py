"""Tests of the recipes; the models are small and take seconds."""
