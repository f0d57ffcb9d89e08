"""Datasets: registered, published, withdrawn."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from uzina.catalogue import access, queries, rules
from uzina.catalogue.actions.fragments import promise_derived, refresh
from uzina.catalogue.actions.tags import retag
from uzina.catalogue.models import Dataset, Licence
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Organisation, Person, Project
from uzina.people.rules import ProjectState


@action
def register_dataset(
    *,
    slug: str,
    title: str,
    description: str,
    licence: str,
    languages: Sequence[str],
    holder: Organisation,
    project: Project | None,
    by: Person | None,
    now: datetime,
    kind: rules.DatasetKind = rules.DatasetKind.DATA,
    facts: Mapping[str, Any] | None = None,
) -> Dataset:
    """Make a dataset, as a draft without versions.

    licence    slug of a licence
    languages  codes such as "ro", the main one first
    project    whose members share it; None for data of the holder itself
    facts      what else it says of itself, as `describe` takes it

    Raises Invalid with every mistake, NotAllowed dataset.register.not_yours,
    Refused dataset.register.project_closed.
    """
    problems = rules.slug_problems(slug)
    said = {"title": title, "description": description, "languages": list(languages)}
    after = rules.merged(rules.blank() | {"licence": licence}, {**said, **(facts or {})})
    problems += rules.fact_problems(after, only=[*said, *(facts or {})])
    terms, unknown = _licence(licence)
    problems += unknown
    if Dataset.objects.filter(slug=slug).exists():
        problems.append(_taken(slug))
    if problems or terms is None:
        raise Invalid(problems)
    if not access.may_hold(by, holder, project):
        raise NotAllowed(
            "dataset.register.not_yours",
            _("Only members of the project or representatives of {holder} can register its data."),
            holder=holder.name,
        )
    if project is not None and project.state is ProjectState.CLOSED:
        raise Refused(
            "dataset.register.project_closed",
            _("The project {project} is closed and takes no new data."),
            project=project.code,
        )

    dataset = Dataset(
        slug=slug, kind=kind, holder=holder, project=project, made_at=now, changed_at=now
    )
    _say(dataset, after, terms)
    try:
        with transaction.atomic():
            dataset.save()
    except IntegrityError as race:
        raise Invalid([_taken(slug)]) from race
    retag(dataset)
    log(
        "dataset.registered",
        slug,
        by=by,
        now=now,
        kind=kind,
        licence=licence,
        project=project.code if project else "",
    )
    return dataset


def _taken(slug: str) -> Problem:
    return Problem(
        "slug",
        "dataset.slug.taken",
        _("The name {slug} is taken. Choose another."),
        {"slug": slug[:63]},
    )


def _licence(slug: object) -> tuple[Licence | None, list[Problem]]:
    """Return the licence of the slug, and what to say where there is none."""
    found = queries.licences().filter(slug=slug).first() if isinstance(slug, str) else None
    if found is not None:
        return found, []
    return None, [
        Problem(
            "licence",
            "dataset.licence.unknown",
            _("There is no licence {given!r} here: choose one of the list."),
            {"given": str(slug)[:40]},
        )
    ]


def _say(dataset: Dataset, facts: Mapping[str, Any], licence: Licence) -> None:
    """Put what the dataset says of itself into its columns."""
    dataset.licence = licence
    dataset.languages = " ".join(facts["languages"])
    dataset.access_right = rules.AccessRight(facts["access_right"])
    for key in rules.CHECKS:
        if key not in {"licence", "languages", "access_right"}:
            setattr(dataset, key, facts[key])
    dataset.search_text = rules.folded(f"{dataset.slug} {dataset.title} {dataset.description}")


@action
def describe(
    dataset: Dataset, *, facts: Mapping[str, Any], by: Person | None, now: datetime
) -> Dataset:
    """Change what a dataset says of itself. Its versions stay as they are.

    facts  any of rules.CHECKS; each replaces what was said, answers are added to (None takes one
           back)

    A draft keeps unfinished answers; published data must stay as complete as they were. Nothing
    is written where nothing changes.

    Raises Invalid with every mistake, NotAllowed dataset.describe.not_yours and
    dataset.describe.terms_not_yours, Refused dataset.describe.not_now for withdrawn data.
    """
    dataset = _locked(dataset)
    if not access.may_add_to(by, dataset):
        raise NotAllowed(
            "dataset.describe.not_yours",
            _("Only members of its project or its holder can describe {dataset}."),
            dataset=dataset.slug,
        )
    if dataset.state is rules.DatasetState.WITHDRAWN:
        raise Refused(
            "dataset.describe.not_now",
            _("{dataset} was withdrawn: what it says of itself stays as it is."),
            dataset=dataset.slug,
        )
    before = queries.said(dataset)
    after = rules.merged(before, facts)
    licence, unknown = _licence(after["licence"])
    problems = rules.fact_problems(after, only=facts) + unknown
    is_public = dataset.state is rules.DatasetState.PUBLISHED
    if is_public and not problems:
        missing = {one.field for one in rules.readiness(before)}
        problems = [one for one in rules.readiness(after) if one.field not in missing]
    if problems or licence is None:
        raise Invalid(problems)
    changed = rules.changes(before, after)
    if is_public and {"licence", "access_right"} & set(changed):
        _check_terms(dataset, by=by)
    if not changed:
        return dataset

    _say(dataset, after, licence)
    dataset.changed_at = now
    dataset.save()
    refresh(dataset, now=now)
    retag(dataset)
    log("dataset.described", dataset.slug, by=by, now=now, changed=changed)
    return dataset


def _check_terms(dataset: Dataset, *, by: Person | None) -> None:
    if not access.may_publish(by, dataset):
        raise NotAllowed(
            "dataset.describe.terms_not_yours",
            _(
                "Only the project's lead or the holder can change the licence or the access of "
                "{dataset}, which is published."
            ),
            dataset=dataset.slug,
        )


@action
def publish(dataset: Dataset, *, by: Person | None, now: datetime) -> Dataset:
    """Let everybody see the dataset and its versions.

    Gives it its identifier, and keeps the one it has.

    Raises NotAllowed dataset.publish.not_yours, Refused dataset.publish.not_now and
    dataset.publish.empty, Invalid with everything that is still to be said.
    """
    dataset = _locked(dataset)
    if not access.may_publish(by, dataset):
        raise NotAllowed(
            "dataset.publish.not_yours",
            _("Only the project's lead or the holder can publish {dataset}."),
            dataset=dataset.slug,
        )
    state = rules.DATASET.after("publish", dataset.state)
    missing = queries.readiness(dataset)
    if not dataset.versions.exists():
        empty = _("{dataset} has no version yet. Add one, then publish.")
        if not missing:
            raise Refused("dataset.publish.empty", empty, dataset=dataset.slug)
        missing.append(
            Problem("versions", "dataset.publish.empty", empty, {"dataset": dataset.slug})
        )
    if missing:
        raise Invalid(missing)

    dataset.state, dataset.published_at, dataset.changed_at = state, now, now
    if dataset.kind is rules.DatasetKind.DATA:
        dataset.identifier = dataset.identifier or queries.new_identifier(dataset)
    dataset.save(update_fields=["state", "published_at", "changed_at", "identifier"])
    refresh(dataset, now=now)
    retag(dataset)
    promise_derived(dataset, now=now)
    log("dataset.published", dataset.slug, by=by, now=now, identifier=dataset.identifier)
    return dataset


@action
def withdraw(dataset: Dataset, *, reason: str, by: Person | None, now: datetime) -> Dataset:
    """Take the dataset out of sight and out of new jobs. What was made of it keeps its lineage.

    Raises NotAllowed dataset.withdraw.not_yours, Refused dataset.withdraw.not_now, Invalid.
    """
    problems = rules.text_problems("reason", reason, longest=rules.LONGEST_NOTE, is_needed=True)
    if problems:
        raise Invalid(problems)
    dataset = _locked(dataset)
    if not access.may_publish(by, dataset):
        raise NotAllowed(
            "dataset.withdraw.not_yours",
            _("Only the project's lead or the holder can withdraw {dataset}."),
            dataset=dataset.slug,
        )

    dataset.state = rules.DATASET.after("withdraw", dataset.state)
    dataset.changed_at = now
    dataset.save(update_fields=["state", "changed_at"])
    refresh(dataset, now=now)
    promise_derived(dataset, now=now)
    log("dataset.withdrawn", dataset.slug, by=by, now=now, reason=reason)
    return dataset


def _locked(dataset: Dataset) -> Dataset:
    found: Dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "project", "licence")
        .get(pk=dataset.pk)
    )
    return found
