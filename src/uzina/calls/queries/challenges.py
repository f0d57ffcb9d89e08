"""Grand challenges: what counts, who leads, and what an entrant sent."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField, Count, F, Prefetch, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from uzina.calls.models import Application, Call, Challenge, Entry, SavedSection
from uzina.calls.rules import challenges as rules
from uzina.calls.rules.flows import ApplicationState, EntryState

OUT = (ApplicationState.DRAFT, ApplicationState.WITHDRAWN, ApplicationState.REDIRECTED)


@dataclass(frozen=True)
class Place:
    """One line of a leaderboard.

    name     of the organisation; "" where the applicant did not agree to be named
    score    of the part that ranks, millionths; public_score of the other one beside it
    is_mine  whether the reader applied with it
    """

    rank: int
    entry: str
    name: str
    title: str
    score: int
    public_score: int
    entries: int
    received_at: datetime
    is_mine: bool


def challenge_of(call: Call) -> Challenge | None:
    """Return the challenge of a call; None before it is set. One query."""
    return Challenge.objects.select_related("call").filter(call=call).first()


def _scored(challenge: Challenge) -> QuerySet[Entry]:
    return Entry.objects.filter(
        application__call=challenge.call_id, state=EntryState.SCORED
    ).exclude(application__state__in=OUT)


def counting(challenge: Challenge) -> QuerySet[Entry]:
    """Return the entry that counts for each entrant: the chosen one, else the best public score.

    Of equal scores the earlier one. Late entries never count. One query.
    """
    public = F("public_score")
    best = public.asc() if rules.Metric(challenge.metric).is_less_better else public.desc()
    place = Window(
        RowNumber(),
        partition_by="application",
        order_by=[F("is_chosen").desc(), best, "received_at", "pk"],
        output_field=BigIntegerField(),
    )
    return _scored(challenge).filter(is_late=False).annotate(place=place).filter(place=1)


def _ranking(challenge: Challenge, part: str) -> list[rules.Ranked]:
    rows = counting(challenge).values_list("application__code", "code", part, "received_at")
    counted = [rules.Counted(*row) for row in rows]
    return rules.ranked(counted, rules.Metric(challenge.metric))


def final_ranking(challenge: Challenge) -> list[rules.Ranked]:
    """Return the entrants by the private score of the entry that counts. One query."""
    return _ranking(challenge, "private_score")


def leaderboard(challenge: Challenge) -> list[rules.Ranked]:
    """Return the entrants in order: by private score once revealed, before by the public one."""
    if challenge.revealed_at is not None:
        return final_ranking(challenge)
    return _ranking(challenge, "public_score")


def places(ranking: list[rules.Ranked], mine: frozenset[str]) -> list[Place]:
    """Return what a leaderboard shows of some of its lines. Two queries.

    mine  codes of the reader's applications
    """
    entries = {
        one.code: one
        for one in Entry.objects.filter(code__in=[one.entry for one in ranking])
        .select_related("application__organisation")
        .prefetch_related(_consents("application__sections"))
        .annotate(sent=Count("application__entries"))
    }
    shown = []
    for one in ranking:
        entry = entries[one.entry]
        is_named = may_be_named(entry.application)
        shown.append(
            Place(
                rank=one.rank,
                entry=one.entry,
                name=entry.application.organisation.name if is_named else "",
                title=entry.application.title if is_named else "",
                score=one.score,
                public_score=entry.public_score or 0,
                entries=entry.sent,  # type: ignore[attr-defined]
                received_at=entry.received_at,
                is_mine=one.entrant in mine,
            )
        )
    return shown


def late_entries(challenge: Challenge) -> QuerySet[Entry]:
    """Return the entries that came too late and were scored, newest first. Two queries."""
    return (
        _scored(challenge)
        .filter(is_late=True)
        .select_related("application__organisation")
        .prefetch_related(_consents("application__sections"))
        .order_by("-pk")
    )


def _consents(path: str) -> Prefetch:
    return Prefetch(path, SavedSection.objects.filter(slug="declarations"))


def may_be_named(application: Application) -> bool:
    """Tell whether the applicant agreed to be named in public. No query where sections are there."""
    answers = [one.answers for one in application.sections.all() if one.slug == "declarations"]
    return any(one.get("may_publish") is True for one in answers)


def entries_of(application: Application) -> QuerySet[Entry]:
    """Return what an entrant sent, newest first."""
    return application.entries.order_by("-pk")  # type: ignore[no-any-return, attr-defined]


def entry(code: str) -> Entry:
    """Return the entry with the code, its application and its call."""
    return Entry.objects.select_related("application__call").get(code=code)


def entry_counts(call: Call) -> dict[str, int]:
    """Return how many entries and entrants a call has, by what became of them. One query."""
    return Entry.objects.filter(application__call=call).aggregate(
        received=Count("pk", filter=Q(state=EntryState.RECEIVED)),
        scored=Count("pk", filter=Q(state=EntryState.SCORED)),
        refused=Count("pk", filter=Q(state=EntryState.REFUSED)),
        late=Count("pk", filter=Q(is_late=True)),
        entrants=Count("application", distinct=True),
    )
