"""Grand challenges: what is scored, who leads, and entries."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, UnreadablePostError
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Code, Cursor, Hours, Slug
from uzina.calls.models import Application, Call, Challenge, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.rules.flows import EntryState
from uzina.core.errors import Refused
from uzina.core.inputs import Line
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

PIECE = 65_536


class ChallengeOut(Schema):
    """What the entries to a call are scored on. The answers themselves are given to nobody.

    seal  SHA-256 of a secret and the answers: they are not changed without its changing
    truth_sha256, salt  for operators and auditors
    """

    call: str
    metric: rules.Metric
    is_less_better: bool
    prizes_gpu_hours: list[int]
    entries_per_day: int
    public_items: int
    private_items: int
    seal: str
    truth_sha256: str | None
    salt: str | None
    closes_at: datetime
    revealed_at: datetime | None
    released_at: datetime | None


class EntryOut(Schema):
    """An entry. Scores are in millionths; the private one is null until all are revealed."""

    code: str
    application: str
    state: EntryState
    sha256: str
    size: int
    note: str
    received_at: datetime
    is_late: bool
    is_chosen: bool
    public_score_millionths: int | None
    private_score_millionths: int | None
    problem: str


class PlaceOut(Schema):
    """One line of a leaderboard. The name is empty where the entrant did not agree to it.

    score_millionths  of the part that ranks: public before the scores are revealed, then private
    """

    rank: int
    entry: str
    name: str
    title: str
    score_millionths: int
    public_score_millionths: int
    entries: int
    received_at: datetime
    is_mine: bool


class LeaderboardOut(Schema):
    """Who leads; `next` is the rank after which the following page begins, null on the last."""

    call: str
    metric: rules.Metric
    is_final: bool
    items: list[PlaceOut]
    next: int | None


def _out(challenge: Challenge, request: HttpRequest) -> ChallengeOut:
    person = getattr(request, "user", None)
    is_office = (
        person is not None
        and person.is_authenticated
        and (people_access.is_operator(person) or people_access.is_auditor(person))
    )
    return ChallengeOut(
        call=challenge.call.slug,
        metric=rules.Metric(challenge.metric),
        is_less_better=rules.Metric(challenge.metric).is_less_better,
        prizes_gpu_hours=challenge.prizes,
        entries_per_day=challenge.entries_per_day,
        public_items=challenge.public_items,
        private_items=challenge.private_items,
        seal=challenge.seal,
        truth_sha256=challenge.truth_sha256 if is_office else None,
        salt=challenge.salt if is_office else None,
        closes_at=challenge.closes_at,
        revealed_at=challenge.revealed_at,
        released_at=challenge.released_at,
    )


def _entry_out(entry: Entry, challenge: Challenge) -> EntryOut:
    return EntryOut(
        code=entry.code,
        application=entry.application.code,
        state=entry.state,
        sha256=entry.sha256,
        size=entry.size,
        note=entry.note,
        received_at=entry.received_at,
        is_late=entry.is_late,
        is_chosen=entry.is_chosen,
        public_score_millionths=entry.public_score,
        private_score_millionths=entry.private_score if challenge.revealed_at else None,
        problem=gettext(entry.problem).format(**entry.problem_facts) if entry.problem else "",
    )


def _challenge(request: SignedIn, slug: str) -> Challenge:
    visible = Call.objects.visible_to(request.user)
    found: Challenge = get_object_or_404(
        Challenge.objects.select_related("call"), call__slug=slug, call__in=visible.values("pk")
    )
    return found


def _own(request: SignedIn, code: str) -> Application:
    found: Application = get_object_or_404(
        Application.objects.owned_by(request.user).select_related("call__challenge"), code=code
    )
    return found


def read_body(request: HttpRequest, *, most: int) -> bytes:
    """Return a body that is sent as it is, without reading more than it may have.

    Raises Refused request.body.too_long, request.body.cut_short.
    """
    length = request.headers.get("Content-Length", "")
    announced = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
    content = b""
    try:
        while announced <= most and len(content) <= most:
            piece = request.read(PIECE)
            if not piece:
                break
            content += piece
    except UnreadablePostError:
        content = b""
    if max(announced, len(content)) > most:
        raise Refused("request.body.too_long", _("Send a file of at most {most} bytes."), most=most)
    if len(content) != announced:
        raise Refused("request.body.cut_short", _("The file did not arrive whole. Send it again."))
    return content


@router.get("/calls/{slug}/challenge", response=ChallengeOut)
def show_challenge(request: SignedIn, slug: Slug) -> ChallengeOut:
    """What the entries to a call are scored on."""
    return _out(_challenge(request, slug), request)


class ChallengeIn(Schema):
    """What an operator says of a challenge; the answers are the body."""

    metric: Annotated[str, Field(max_length=24)]
    prizes: list[Hours]
    entries_per_day: Annotated[int, Field(ge=1, le=rules.MOST_ENTRIES_PER_DAY)]
    closes_at: AwareDatetime


@router.put("/calls/{slug}/challenge", response=ChallengeOut)
def set_challenge(request: SignedIn, slug: Slug, asked: Query[ChallengeIn]) -> ChallengeOut:
    """Set a challenge (operator). The body is a CSV: id,answer or id,answer,part."""
    call = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    truth = read_body(request, most=rules.MOST_BYTES)
    actions.set_challenge(
        call, actions.ChallengeFacts(**asked.dict()), truth=truth, by=request.user, now=now()
    )
    return _out(_challenge(request, slug), request)


@router.get("/calls/{slug}/leaderboard", response=LeaderboardOut)
def show_leaderboard(
    request: SignedIn,
    slug: Slug,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    after: Annotated[int, Field(ge=0, le=10**9)] = 0,
) -> LeaderboardOut:
    """Who leads: by public scores until all are revealed, then by private ones."""
    challenge = _challenge(request, slug)
    ranking = queries.leaderboard(challenge)
    mine = Application.objects.owned_by(request.user).filter(call=challenge.call_id)
    page = ranking[after : after + limit]
    places = queries.places(page, frozenset(mine.values_list("code", flat=True)))
    return LeaderboardOut(
        call=slug,
        metric=rules.Metric(challenge.metric),
        is_final=challenge.revealed_at is not None,
        items=[
            PlaceOut(
                score_millionths=one.score,
                public_score_millionths=one.public_score,
                **{
                    name: getattr(one, name)
                    for name in (
                        "rank",
                        "entry",
                        "name",
                        "title",
                        "entries",
                        "received_at",
                        "is_mine",
                    )
                },
            )
            for one in places
        ],
        next=after + limit if after + limit < len(ranking) else None,
    )


@router.post("/calls/{slug}/challenge/reveal", response=ChallengeOut)
def reveal_challenge(request: SignedIn, slug: Slug) -> ChallengeOut:
    """Show the private scores (operator), after the close."""
    actions.reveal(_challenge(request, slug).call, by=request.user, now=now())
    return _out(_challenge(request, slug), request)


@router.post("/calls/{slug}/challenge/release", response=ChallengeOut)
def release_challenge(request: SignedIn, slug: Slug) -> ChallengeOut:
    """Offer the prizes (operator) and tell everybody where they stand."""
    actions.release_prizes(_challenge(request, slug).call, by=request.user, now=now())
    return _out(_challenge(request, slug), request)


@router.post("/applications/{code}/entries", response={201: EntryOut})
def send_entry(request: SignedIn, code: Code, note: Line = "") -> Any:
    """Send predictions as the raw body, a CSV: id,prediction. The worker scores them."""
    application = _own(request, code)
    content = read_body(request, most=rules.MOST_BYTES)
    entry = actions.send_entry(application, content=content, note=note, by=request.user, now=now())
    return Status(201, _entry_out(entry, application.call.challenge))


@router.get("/applications/{code}/entries", response=Page[EntryOut])
def list_entries(request: SignedIn, code: Code, limit: int = 50, cursor: Cursor = "") -> Any:
    """What one sent to a challenge, newest first."""
    application = _own(request, code)
    rows = queries.entries_of(application).select_related("application")
    page = paged(rows, limit=limit, cursor=cursor)
    challenge = queries.challenge_of(application.call)
    items = [_entry_out(one, challenge) for one in page["items"]] if challenge else []
    return page | {"items": items}


def _entry(request: SignedIn, code: str) -> Entry:
    own = Application.objects.owned_by(request.user)
    found: Entry = get_object_or_404(
        Entry.objects.filter(application__in=own.values("pk")).select_related(
            "application__call__challenge"
        ),
        code=code,
    )
    return found


@router.get("/entries/{code}", response=EntryOut)
def show_entry(request: SignedIn, code: Code) -> EntryOut:
    """One of one's own entries."""
    entry = _entry(request, code)
    return _entry_out(entry, entry.application.call.challenge)


@router.post("/entries/{code}/choose", response=EntryOut)
def choose_entry(request: SignedIn, code: Code) -> EntryOut:
    """Have this entry count instead of the one with the best public score, until the close."""
    actions.choose_entry(_entry(request, code), by=request.user, now=now())
    entry = _entry(request, code)
    return _entry_out(entry, entry.application.call.challenge)
