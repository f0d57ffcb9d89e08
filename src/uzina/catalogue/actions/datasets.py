"""Datasets: registered, published, withdrawn."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from uzina.catalogue import access, rules
from uzina.catalogue.actions.fragments import refresh
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
) -> Dataset:
    """Make a dataset, as a draft without versions.

    licence    slug of a licence
    languages  codes such as "ro", the main one first
    project    whose members share it; None for data of the holder itself

    Raises Invalid with every mistake, NotAllowed dataset.register.not_yours,
    Refused dataset.register.project_closed.
    """
    problems = rules.description_problems(
        slug=slug, title=title, description=description, languages=languages
    )
    terms = Licence.objects.filter(slug=licence).first()
    if terms is None:
        problems.append(
            Problem(
                "licence",
                "dataset.licence.unknown",
                _("There is no licence {given!r} here: choose one of the list."),
                {"given": licence[:40]},
            )
        )
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
        slug=slug,
        kind=kind,
        title=title.strip(),
        description=description.strip(),
        licence=terms,
        languages=" ".join(dict.fromkeys(languages)),
        holder=holder,
        project=project,
        search_text=rules.folded(f"{slug} {title} {description}"),
        made_at=now,
        changed_at=now,
    )
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


@action
def publish(dataset: Dataset, *, by: Person | None, now: datetime) -> Dataset:
    """Let everybody see the dataset and its versions.

    Raises NotAllowed dataset.publish.not_yours, Refused dataset.publish.not_now,
    dataset.publish.empty.
    """
    dataset = _locked(dataset)
    if not access.may_publish(by, dataset):
        raise NotAllowed(
            "dataset.publish.not_yours",
            _("Only the project's lead or the holder can publish {dataset}."),
            dataset=dataset.slug,
        )
    state = rules.DATASET.after("publish", dataset.state)
    if not dataset.versions.exists():
        raise Refused(
            "dataset.publish.empty",
            _("{dataset} has no version yet. Add one, then publish."),
            dataset=dataset.slug,
        )

    dataset.state, dataset.published_at, dataset.changed_at = state, now, now
    dataset.save(update_fields=["state", "published_at", "changed_at"])
    refresh(dataset, now=now)
    retag(dataset)
    log("dataset.published", dataset.slug, by=by, now=now)
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
    log("dataset.withdrawn", dataset.slug, by=by, now=now, reason=reason)
    return dataset


def _locked(dataset: Dataset) -> Dataset:
    found: Dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "project", "licence")
        .get(pk=dataset.pk)
    )
    return found
