"""Licences."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from uzina.catalogue import queries

router = Router()


class LicenceOut(Schema):
    slug: str
    spdx: str
    eu_uri: str
    url: str
    title_en: str
    title_ro: str
    plain_en: str
    plain_ro: str


@router.get("/licences", response=list[LicenceOut], auth=None)
def list_licences(request: HttpRequest) -> Any:
    """The licences a dataset can be under, each in plain words."""
    return queries.licences()
