"""A later version of an access mode, written by an operator."""

from datetime import date, datetime

from uzina.calls import access, queries
from uzina.calls.actions.cut_offs import checked_reason
from uzina.calls.models import AccessMode
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person

LONGEST_VERSION = 20


@action
def write_mode(slug: str, *, text: str, reason: str, by: Person, now: datetime) -> AccessMode:
    """Keep a version of a mode; calls made from its valid_from on are made from it.

    text  TOML, as in the shipped files. It keeps its slug, and names a version of its own and a
          valid_from from today on.

    No call that is there changes: each keeps its own copy. Raises NotAllowed
    mode.write.not_operator, Invalid with every mistake by path.
    """
    if not access.may_run_calls(by):
        raise NotAllowed("mode.write.not_operator", _("Only an operator can change a mode."))
    words = checked_reason(reason)
    data = queries.read_text(text)
    valid_from = date.fromisoformat(data.get("valid_from", data["checked_on"]))
    versions = {one.version for one in queries.mode_versions(slug)}
    problems = []
    if data["slug"] != slug:
        message = _("The slug of this mode is {slug}: it cannot be changed.")
        problems.append(Problem("slug", "mode.write.slug", message, {"slug": slug}))
    if len(data["version"]) > LONGEST_VERSION:
        message = _("Name the version in at most {most} characters.")
        problems.append(
            Problem("version", "mode.write.version", message, {"most": LONGEST_VERSION})
        )
    if data["version"] in versions:
        message = _("There is a version {version} already. Give this one another name.")
        facts = {"version": data["version"]}
        problems.append(Problem("version", "mode.write.version_taken", message, facts))
    if valid_from < queries.factory_day(now):
        message = _("A version is valid from {today} on at the earliest.")
        facts = {"today": queries.factory_day(now).isoformat()}
        problems.append(Problem("valid_from", "mode.write.valid_from", message, facts))
    if problems:
        raise Invalid(problems)

    made = AccessMode.objects.create(
        slug=slug,
        version=data["version"],
        rules=data,
        text=text,
        valid_from=valid_from,
        reason=words,
        made_by=by,
        made_at=now,
    )
    log(
        "mode.written",
        slug,
        by=by,
        now=now,
        version=made.version,
        valid_from=valid_from.isoformat(),
        reason=words,
    )
    return made
