"""Answers to the port: where the bytes are."""

from django.conf import settings

from uzina.catalogue.adapters.folder import FolderStore
from uzina.catalogue.ports import ObjectStore


def store() -> ObjectStore:
    """Return the factory's store, as its settings name it."""
    return FolderStore(settings.UZINA.store.folder)
