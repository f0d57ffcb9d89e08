"""Answers to the ports: where the bytes are, how other portals are read, who keeps identifiers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.conf import settings

from uzina.catalogue.adapters.folder import FolderStore
from uzina.catalogue.adapters.registrars import LocalRegistrar
from uzina.catalogue.ports import ObjectStore, Portal, Registrar
from uzina.catalogue.rules.harvest import SourceKind

if TYPE_CHECKING:
    from uzina.catalogue.models import Source


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


def portal(source: "Source", licences: Sequence[Mapping[str, str]]) -> Portal:
    """Return another portal, as it is spoken to.

    licences  rows of those that are known by name
    """
    from uzina.catalogue.adapters.ckan import CkanPortal
    from uzina.catalogue.adapters.dcat import DcatPortal
    from uzina.catalogue.adapters.web import Web

    given = settings.UZINA.harvest
    web = Web(
        most_bytes=given.most_mb * 10**6,
        timeout_s=given.timeout_s,
        may_private=given.may_private,
    )
    kind = CkanPortal if source.kind is SourceKind.CKAN else DcatPortal
    return kind(source.url, web, licences)


def registrar() -> Registrar:
    """Return who makes our identifiers lead somewhere."""
    return LocalRegistrar()
