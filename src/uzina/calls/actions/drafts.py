"""Filling in a draft: alone, with others, and from an earlier one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uzina.calls import access, queries
from uzina.calls.actions.applications import start
from uzina.calls.models import Application, Call, Editor, SavedSection
from uzina.calls.rules import clock, drafts, sections
from uzina.calls.rules.flows import APPLICATION
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Organisation, Person

MOST_EDITORS = 20


def _locked(application: Application) -> Application:
    return (  # type: ignore[no-any-return]
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "applicant", "organisation")
        .get(pk=application.pk)
    )


def _check_own(application: Application, by: Person, verb: str) -> None:
    if not access.may_change(by, application):
        raise NotAllowed(
            f"application.{verb}.not_yours",
            _("Only the applicant can do this with {application}."),
            application=application.code,
        )


@action
def save_section(
    application: Application,
    *,
    section: str,
    answers: Mapping[str, Any],
    version: int,
    by: Person,
    now: datetime,
) -> SavedSection:
    """Keep one step of a draft, complete or not. The applicant's, or of who helps to fill it in.

    version  the version that `by` saw when they began to type; 0 before the first save

    Saving the same answers again changes nothing. Raises NotAllowed application.save.not_yours,
    Refused application.save.not_now, application.save.no_such_section,
    application.save.changed_meanwhile, Invalid for values that cannot be kept.
    """
    application = _locked(application)
    if not access.may_edit(by, application):
        raise NotAllowed(
            "application.save.not_yours",
            _("Only the applicant can do this with {application}."),
            application=application.code,
        )
    APPLICATION.after("save", application.state)
    if section not in application.call.mode.sections:
        raise Refused(
            "application.save.no_such_section",
            _("This application has the sections {sections}."),
            sections=", ".join(application.call.mode.sections),
        )
    asked = queries.asked_section(application, section)
    parsed = sections.parse(asked, answers, countries=queries.country_names("en"))
    saved = application.sections.filter(slug=section).first() or SavedSection(
        application=application, slug=section, saved_at=now
    )
    if saved.pk and saved.answers == parsed:
        return saved
    if saved.version != version:
        raise Refused(
            "application.save.changed_meanwhile",
            _(
                "This section was saved elsewhere at {saved_at}, after you opened it. Nothing you "
                "typed is lost: compare the two and save again."
            ),
            saved_at=clock.told(saved.saved_at),
            version=saved.version,
        )

    _keep(application, saved, parsed, by=by, now=now)
    return saved


def _keep(
    application: Application,
    saved: SavedSection,
    answers: dict[str, Any],
    *,
    by: Person,
    now: datetime,
) -> None:
    saved.answers, saved.saved_at = answers, now
    saved.version += 1
    saved.save()
    if saved.slug == "project" and application.title != answers.get("title", ""):
        application.title = answers.get("title", "")
        application.save(update_fields=["title"])
    log(
        "application.section_saved",
        application.code,
        by=by,
        now=now,
        section=saved.slug,
        version=saved.version,
    )


@action
def share(application: Application, *, email: str, by: Person, now: datetime) -> Editor:
    """Let a person who has an account here fill in the draft too. They get a message.

    Only the applicant hands it in, withdraws it, and shares it. Sharing with somebody again
    changes nothing. Raises NotAllowed application.share.not_yours, Refused
    application.save.not_now, application.share.no_account, .yourself, .too_many.
    """
    application = _locked(application)
    _check_own(application, by, "share")
    APPLICATION.after("save", application.state)
    person = people_queries.person_by_email(email)
    if person is None or not person.is_active:
        raise Refused(
            "application.share.no_account",
            _("Nobody with the address {email} has an account here. Ask them to register first."),
            email=email,
        )
    if person.pk == by.pk:
        raise Refused("application.share.yourself", _("This is your own application already."))
    kept: Editor | None = application.editors.filter(person=person).first()
    if kept is not None:
        return kept
    if application.editors.count() >= MOST_EDITORS:
        raise Refused(
            "application.share.too_many",
            _("An application has at most {most} people who help. Remove somebody first."),
            most=MOST_EDITORS,
        )

    editor = Editor.objects.create(application=application, person=person, made_at=now)
    log("application.shared", application.code, by=by, now=now, person=person.code)
    people.write_message(
        person,
        kind="calls.shared",
        facts={
            "application": application,
            "call": application.call,
            "who": by.name,
            "path": f"/applications/{application.code}/",
        },
        about=application.code,
        key=f"shared:{application.code}:{person.code}:{now.isoformat()}",
        now=now,
    )
    return editor  # type: ignore[no-any-return]


@action
def unshare(application: Application, *, person: Person, by: Person, now: datetime) -> None:
    """Take a person off the draft: the applicant does it, or the person. Once more is nothing.

    Raises NotAllowed application.unshare.not_yours.
    """
    application = _locked(application)
    if by.pk != person.pk:
        _check_own(application, by, "unshare")
    editor = application.editors.filter(person=person).first()
    if editor is None:
        return

    editor.delete()
    log("application.unshared", application.code, by=by, now=now, person=person.code)


@action
def clone(application: Application, *, call: Call, by: Person, now: datetime) -> Application:
    """Start a draft in another call with the text of an earlier application, whatever became of it.

    Files and declarations are not carried over. Raises NotAllowed application.clone.not_yours,
    and what start raises.
    """
    if not access.may_edit(by, application):
        raise NotAllowed(
            "application.clone.not_yours",
            _("Only the applicant can do this with {application}."),
            application=application.code,
        )
    made = start(call, organisation=application.organisation, by=by, now=now)
    carry_over(application, made, by=by, now=now)
    made.refresh_from_db()
    return made


@action
def carry_over(
    source: Application, target: Application, *, by: Person, now: datetime
) -> tuple[str, ...]:
    """Put into a new draft what an application says and the draft's call asks too.

    Returns the sections that were carried over. The caller has asked whether `by` may.
    """
    target = _locked(target)
    answers = drafts.carried(
        queries.answers_of(source),
        queries.asked_sections(target),
        countries=queries.country_names("en"),
    )

    for slug, kept in answers.items():
        saved = SavedSection(application=target, slug=slug, saved_at=now)
        _keep(target, saved, kept, by=by, now=now)
    target.cloned_from = source
    target.save(update_fields=["cloned_from"])
    log(
        "application.carried_over",
        target.code,
        by=by,
        now=now,
        source=source.code,
        sections=list(answers),
    )
    return tuple(answers)


@action
def import_draft(
    call: Call, *, organisation: Organisation, document: Any, by: Person, now: datetime
) -> tuple[Application, tuple[str, ...]]:
    """Start a draft with the answers of an exported application.

    Returns the draft and the sections that the call does not ask. Raises what start raises, and
    Invalid with every answer that cannot be kept, by `section.field`; then there is no draft.
    """
    given = drafts.read_export(document)
    asked = {one.slug: one for one in sections.asked_all(call.mode.sections, queries.offer(call))}
    answers = drafts.parse_all(given, asked, countries=queries.country_names("en"))
    made = start(call, organisation=organisation, by=by, now=now)

    for slug, kept in answers.items():
        saved = SavedSection(application=made, slug=slug, saved_at=now)
        _keep(made, saved, kept, by=by, now=now)
    log("application.imported", made.code, by=by, now=now, sections=list(answers))
    return made, tuple(slug for slug in given if slug not in asked)
