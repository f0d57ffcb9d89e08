"""Shapes shared with neighbours."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from uzina.people.models import ApiToken, Person


class SignedIn(HttpRequest):
    """A request whose user is a Person: what every door behind sign-in gets."""

    user: "Person"  # type: ignore[assignment]


@dataclass(frozen=True)
class IssuedToken:
    """A new token and its secret, which is shown this once and kept nowhere."""

    token: "ApiToken"
    secret: str
