"""The public list of awards, as a feed."""

from dataclasses import asdict
from datetime import date
from typing import Annotated

from django.http import HttpRequest, JsonResponse
from ninja import Router, Schema
from pydantic import Field

from uzina.calls.api.shared import language
from uzina.calls.queries import public_awards as public
from uzina.core.http import tagged

router = Router(tags=["calls"])


class PublicAwardOut(Schema):
    """One award. title, organisation and lead are empty where nobody consented to show them."""

    code: str
    mode: str
    gpu_hours: int
    partition: str
    country: str
    starts_on: date
    ends_on: date
    title: str
    organisation: str
    lead: str


class PublicAwardsOut(Schema):
    awards: list[PublicAwardOut]


@router.get("/awards/public", response=PublicAwardsOut, auth=None)
def list_public_awards(
    request: HttpRequest,
    mode: Annotated[str, Field(max_length=60)] = "",
    country: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = "",
    year: Annotated[int, Field(ge=0, le=9999)] = 0,
):
    """All accepted awards, newest first: with names only where their holders consented."""
    rows = public.accepted_awards(mode=mode, country=country, year=year)
    found = [asdict(one) for one in public.shown(rows, language=language())]
    return tagged(request, JsonResponse({"awards": found}))
