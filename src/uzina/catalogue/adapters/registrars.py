"""Who makes identifiers lead somewhere."""

from collections.abc import Mapping
from typing import Any


class LocalRegistrar:
    """Our own portal: identifiers lead to our pages, are sent nowhere, and pages say so."""

    is_public = False

    def announce(self, identifier: str, *, url: str, metadata: Mapping[str, Any]) -> None:
        """Do nothing: our own pages know their identifiers."""
