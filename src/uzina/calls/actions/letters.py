"""Letters: kept as they were made, and what goes out with them."""

import hashlib
from datetime import datetime
from typing import Any

from uzina.calls.models import Application, Call, Letter
from uzina.core.db import action
from uzina.core.log import log


@action
def keep_letter(
    application: Application,
    *,
    kind: str,
    language: str,
    verifier: str,
    pdf: bytes,
    facts: dict[str, Any],
    now: datetime,
) -> Letter:
    """Keep a letter that was made, for good. One of the kind that is there already stays.

    Called by the worker: drawing a PDF takes a while, and nothing is locked meanwhile.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    kept = Letter.objects.filter(application=application, kind=kind).first()
    if kept is not None:
        return kept  # type: ignore[no-any-return]
    letter = Letter.objects.create(
        application=application,
        kind=kind,
        language=language,
        verifier=verifier,
        sha256=hashlib.sha256(pdf).hexdigest(),
        pdf=pdf,
        facts=facts,
        issued_at=now,
    )
    log(
        "letter.issued",
        letter.code,
        by=None,
        now=now,
        application=application.code,
        kind=kind,
        sha256=letter.sha256,
    )
    return letter  # type: ignore[no-any-return]
