"""Uzina, the operating platform of an AI Factory: the server."""
