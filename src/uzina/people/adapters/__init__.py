"""Answers to the ports."""

from django.conf import settings

from uzina.people.adapters.vies import Vies
from uzina.people.ports import VatRegister


def vat_register() -> VatRegister | None:
    """Return the register of the configuration; None where nobody is to be asked."""
    config = settings.UZINA.vat
    return Vies(config.url, config.timeout_s, config.requester) if config.is_asked else None
