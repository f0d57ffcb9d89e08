"""Answers to the port: where the bytes are."""

from django.conf import settings

from uzina.catalogue.adapters.folder import FolderStore
from uzina.catalogue.adapters.registrars import LocalRegistrar
from uzina.catalogue.ports import ObjectStore, Registrar


def store() -> ObjectStore:
    """Return the factory's store, as its settings name it."""
    given = settings.UZINA.store
    if given.kind == "folder":
        return FolderStore(given.folder)
    # Speaking S3 costs 0.35 s and 40 MB at the start: only who uses it pays.
    from uzina.catalogue.adapters.s3 import Bucket, s3_store

    return s3_store(
        Bucket(
            endpoint=given.endpoint,
            bucket=given.bucket,
            region=given.region,
            access_key=given.access_key,
            secret_key=given.secret_key,
            is_path_style=given.is_path_style,
            public_endpoint=given.public_endpoint,
        )
    )


def registrar() -> Registrar:
    """Return who makes our identifiers lead somewhere."""
    return LocalRegistrar()
