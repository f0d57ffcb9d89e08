"""A grand challenge: entries sent, scored by the worker, ranked, and prizes given."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Application, Award, Challenge, Decision, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.rules.flows import ApplicationState, EntryState
from uzina.calls.tests.conftest import changed, make_call, submitted
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Message
from uzina.people.rules import OrganisationKind

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
CLOSES = NOW + 30 * DAY
TRUTH = b"id,answer,part\na,secret-cat,public\nb,secret-dog,public\nc,x,private\nd,y,private\n"
RIGHT = {"a": "secret-cat", "b": "secret-dog", "c": "x", "d": "y"}


def rows(**said):
    """Return an entry: all right, but for what is said."""
    lines = "".join(f"{name},{text}\n" for name, text in (RIGHT | said).items())
    return f"id,prediction\n{lines}".encode()


def challenge_call(operator, **facts):
    """Make and publish a grand challenge with 10,000 GPU-hours."""
    return make_call(operator, **{"mode": "grand-challenge", "slug": "challenge", **facts})


def enter(call, org, person, *, now=NOW, may_publish=True):
    """Apply to a challenge."""
    consent = changed("declarations", may_publish=may_publish)
    return submitted(call, org, person, now=now, declarations=consent)


def set_up(call, operator, *, truth=TRUTH, now=NOW, **facts):
    values = {
        "metric": "accuracy",
        "prizes": [3000, 1000],
        "entries_per_day": 3,
        "closes_at": CLOSES,
    } | facts
    return actions.set_challenge(
        call, actions.ChallengeFacts(**values), truth=truth, by=operator, now=now
    )


@pytest.fixture
def call(operator):
    return challenge_call(operator)


@pytest.fixture
def challenge(call, operator):
    return set_up(call, operator)


@pytest.fixture
def entrant(challenge, org, ana):
    return enter(challenge.call, org, ana)


def another(person, call, name, *, may_publish=True):
    """Return an entrant of another organisation."""
    org = people.register_organisation(
        people.OrganisationFacts(
            name=name,
            kind=OrganisationKind.STARTUP,
            country="RO",
            vat_number="",
            pic="",
            headcount=5,
            turnover_eur=0,
            balance_eur=0,
        ),
        by=person,
        now=NOW,
    )
    return enter(call, org, person, may_publish=may_publish)


def send(application, content=None, *, by=None, now=NOW, note=""):
    return actions.send_entry(
        application,
        content=rows() if content is None else content,
        note=note,
        by=by or application.applicant,
        now=now,
    )


def scored(application, content=None, *, now=NOW):
    entry = send(application, content, now=now)
    tasks.score_entry(entry=entry.code, now=now)
    return Entry.objects.get(pk=entry.pk)


def board(challenge):
    challenge.refresh_from_db()
    ranking = queries.leaderboard(challenge)
    return [(one.rank, one.entry, one.score) for one in ranking]


def files():
    folder = Entry._meta.get_field("file").storage
    try:
        return sorted(folder.listdir("entries")[1])
    except FileNotFoundError:
        return []


# Setting it up --------------------------------------------------------------------------------


def test_a_challenge_keeps_the_answers_and_shows_a_seal_from_which_none_can_be_tried(challenge):
    assert (challenge.public_items, challenge.private_items) == (2, 2)
    with challenge.truth.open("rb") as kept:
        assert kept.read() == TRUTH
    assert challenge.truth_sha256 == hashlib.sha256(TRUTH).hexdigest()
    salted = hashlib.sha256(bytes.fromhex(challenge.salt) + TRUTH).hexdigest()
    assert challenge.seal == salted != challenge.truth_sha256


def test_a_challenge_may_be_set_anew_until_there_is_an_entry(challenge, operator, ana, org):
    before = challenge.truth.name
    again = set_up(challenge.call, operator, truth=TRUTH + b"e,z,public\n")
    assert (again.pk, again.public_items) == (challenge.pk, 3)
    assert not again.truth.storage.exists(before)

    send(enter(challenge.call, org, ana), rows() + b"e,z\n")
    kept = again.truth.storage.listdir("challenges")
    with pytest.raises(Refused) as refused:
        set_up(challenge.call, operator)
    assert refused.value.code == "challenge.set.has_entries"
    assert again.truth.storage.listdir("challenges") == kept


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"metric": "luck"}, "challenge.set.metric"),
        ({"prizes": []}, "challenge.set.prizes"),
        ({"prizes": [5, 0]}, "challenge.set.prizes"),
        ({"prizes": [1, 2]}, "challenge.set.prizes_order"),
        ({"prizes": [9000, 1001]}, "challenge.set.prizes_too_large"),
        ({"entries_per_day": 0}, "challenge.set.entries_per_day"),
        ({"entries_per_day": 1001}, "challenge.set.entries_per_day"),
        ({"closes_at": NOW}, "challenge.set.closes_at"),
    ],
)
def test_what_cannot_be_a_challenge_is_refused_and_leaves_nothing(call, operator, facts, code):
    with pytest.raises(Invalid) as refused:
        set_up(call, operator, **facts)
    assert [one.code for one in refused.value.problems] == [code]
    assert not Challenge.objects.exists()


def test_prizes_may_be_all_that_the_call_has_and_it_may_close_a_second_from_now(call, operator):
    assert set_up(call, operator, prizes=[9000, 1000], closes_at=NOW + SECOND).pk


def test_only_an_operator_sets_reveals_and_releases(challenge, ana):
    for act, code in (
        (lambda: set_up(challenge.call, ana), "challenge.set.not_operator"),
        (
            lambda: actions.reveal(challenge.call, by=ana, now=CLOSES),
            "challenge.reveal.not_operator",
        ),
        (
            lambda: actions.release_prizes(challenge.call, by=ana, now=CLOSES),
            "challenge.release.not_operator",
        ),
    ):
        with pytest.raises(NotAllowed) as refused:
            act()
        assert refused.value.code == code


def test_a_call_of_another_kind_takes_no_challenge_and_no_entries(operator, org, ana):
    call = make_call(operator)
    with pytest.raises(Refused) as refused:
        set_up(call, operator)
    assert refused.value.code == "challenge.set.no_challenge"
    with pytest.raises(Refused) as refused:
        send(submitted(call, org, ana))
    assert refused.value.code == "entry.send.no_challenge"


# Sending and scoring --------------------------------------------------------------------------


def test_an_entry_is_scored_by_the_worker_and_once(entrant):
    entry = send(entrant, rows(b="wrong", c="wrong"), note="First try")
    assert (entry.state, entry.public_score, entry.is_late) == (EntryState.RECEIVED, None, False)
    promised = Promise.objects.get(task="calls.score_entry")
    tasks.score_entry(**promised.args, now=NOW + SECOND)
    tasks.score_entry(**promised.args, now=NOW + DAY)

    entry.refresh_from_db()
    assert (entry.state, entry.scored_at) == (EntryState.SCORED, NOW + SECOND)
    assert (entry.public_score, entry.private_score) == (500_000, 500_000)
    assert LogEntry.objects.filter(event="entry.scored").count() == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (rows()[:-4], "entry.score.missing"),
        (rows() + b"e,z\n", "entry.score.unknown"),
        (rows().replace(b"d,y", b"e,y"), "entry.score.missing"),
    ],
)
def test_an_entry_with_other_ids_is_refused_by_the_worker_without_a_word_of_the_answers(
    entrant, content, code
):
    entry = scored(entrant, content)
    assert (entry.state, entry.problem_code) == (EntryState.REFUSED, code)
    assert (entry.public_score, entry.private_score) == (None, None)
    told = f"{entry.problem} {entry.problem_facts}"
    logged = " ".join(str(one.facts) for one in LogEntry.objects.filter(event__startswith="entry"))
    assert "secret" not in told + logged
    assert not any(part in told for part in ("public", "private"))


def test_a_broken_file_is_refused_at_the_door_and_leaves_nothing(entrant):
    with pytest.raises(Refused) as refused:
        send(entrant, b"id,prediction\na,x\na,y\n")
    assert (refused.value.code, refused.value.facts["line"]) == ("entry.send.twice", 3)
    assert (Entry.objects.count(), files()) == (0, [])
    assert not LogEntry.objects.filter(event="entry.received").exists()


def test_the_same_file_is_refused_with_the_code_of_the_first(entrant):
    first = send(entrant)
    with pytest.raises(Refused) as refused:
        send(entrant, now=NOW + DAY)
    assert (refused.value.code, refused.value.facts) == ("entry.send.same", {"entry": first.code})
    assert len(files()) == 1


def test_two_entrants_may_send_the_same_file(entrant, stranger):
    other = another(stranger, entrant.call, "Alta SRL")
    assert send(entrant).sha256 == send(other).sha256


def test_only_who_applied_or_helps_sends_and_only_while_admitted(entrant, stranger):
    with pytest.raises(NotAllowed) as refused:
        send(entrant, by=stranger)
    assert refused.value.code == "entry.send.not_yours"
    actions.withdraw(entrant, by=entrant.applicant, now=NOW)
    with pytest.raises(Refused) as refused:
        send(entrant)
    assert refused.value.code == "entry.send.not_admitted"
    assert files() == []


def test_so_many_entries_a_day_are_taken_and_the_day_is_the_factorys(entrant):
    """23:59:59 in Bucharest is 21:59:59 UTC in winter."""
    evening = datetime(2026, 12, 1, 21, 59, 59, tzinfo=UTC)
    for number in range(3):
        send(entrant, rows(d=f"try-{number}"), now=evening - timedelta(hours=number))
    with pytest.raises(Refused) as refused:
        send(entrant, rows(d="fourth"), now=evening)
    assert refused.value.code == "entry.send.too_often"
    assert refused.value.facts["next_day"] == "2026-12-02, 00:00 EET"
    assert send(entrant, rows(d="fourth"), now=evening + SECOND)


def test_an_entry_that_could_not_be_scored_does_not_count_for_the_day(entrant):
    for number in range(3):
        scored(entrant, rows(**{f"extra{number}": "z"}))
    for number in range(3):
        scored(entrant, rows(d=f"try-{number}"))
    with pytest.raises(Refused):
        send(entrant, rows(d="fourth"))


def test_broken_entries_without_end_are_not_taken_either(entrant, monkeypatch):
    monkeypatch.setattr(rules, "MOST_REFUSED_PER_DAY", 2)
    for number in range(2):
        scored(entrant, rows(**{f"extra{number}": "z"}))
    with pytest.raises(Refused) as refused:
        send(entrant)
    assert refused.value.code == "entry.send.too_often"


def test_kept_answers_that_were_changed_on_disk_score_nothing(entrant, challenge):
    entry = send(entrant)
    with challenge.truth.storage.open(challenge.truth.name, "wb") as file:
        file.write(TRUTH.replace(b"secret-cat", b"secret-cow"))
    with pytest.raises(RuntimeError, match="is not the file that was kept"):
        tasks.score_entry(entry=entry.code, now=NOW)
    entry.refresh_from_db()
    assert entry.state is EntryState.RECEIVED


# What counts ----------------------------------------------------------------------------------


def test_the_best_public_score_counts_unless_the_entrant_chose_another(entrant, challenge):
    worse = scored(entrant, rows(a="w"))
    best = scored(entrant, rows(c="w", d="w"))
    assert board(challenge) == [(1, best.code, 1_000_000)]
    actions.choose_entry(worse, by=entrant.applicant, now=NOW)
    assert board(challenge) == [(1, worse.code, 500_000)]
    actions.choose_entry(best, by=entrant.applicant, now=NOW)
    assert board(challenge) == [(1, best.code, 1_000_000)]
    assert Entry.objects.filter(is_chosen=True).count() == 1


def test_what_counts_may_be_chosen_until_the_close_and_only_what_has_a_score(entrant, stranger):
    entry = send(entrant)
    with pytest.raises(Refused) as refused:
        actions.choose_entry(entry, by=entrant.applicant, now=NOW)
    assert refused.value.code == "entry.choose.not_scored"
    tasks.score_entry(entry=entry.code, now=NOW)
    with pytest.raises(NotAllowed) as refused:
        actions.choose_entry(entry, by=stranger, now=NOW)
    assert refused.value.code == "entry.choose.not_yours"
    with pytest.raises(Refused) as refused:
        actions.choose_entry(entry, by=entrant.applicant, now=CLOSES)
    assert refused.value.code == "entry.choose.closed"
    assert actions.choose_entry(entry, by=entrant.applicant, now=CLOSES - SECOND).is_chosen


def test_an_entry_at_the_close_is_late_and_never_ranked_one_second_before_it_is_ranked(
    entrant, challenge
):
    in_time = scored(entrant, rows(a="w"), now=CLOSES - SECOND)
    late = scored(entrant, rows(), now=CLOSES)
    assert (in_time.is_late, late.is_late) == (False, True)
    assert (late.state, late.public_score) == (EntryState.SCORED, 1_000_000)
    assert board(challenge) == [(1, in_time.code, 500_000)]
    assert [one.code for one in queries.late_entries(challenge)] == [late.code]
    with pytest.raises(Refused):
        actions.choose_entry(late, by=entrant.applicant, now=CLOSES)


def test_of_equal_scores_the_earlier_entry_is_before_also_among_ones_own(
    entrant, challenge, stranger
):
    other = another(stranger, challenge.call, "Alta SRL")
    second = scored(entrant, rows(a="w1"), now=NOW + SECOND)
    scored(entrant, rows(a="w2"), now=NOW + 2 * SECOND)
    first = scored(other, rows(a="w1"), now=NOW)
    assert board(challenge) == [(1, first.code, 500_000), (2, second.code, 500_000)]


def test_where_less_is_better_the_smallest_error_leads(operator, org, ana, stranger):
    call = challenge_call(operator)
    truth = b"id,answer,part\na,1,public\nb,2,private\n"
    challenge = set_up(call, operator, truth=truth, metric="mae")
    far = scored(enter(call, org, ana), b"id,prediction\na,5\nb,2\n")
    near = scored(another(stranger, call, "Alta SRL"), b"id,prediction\na,2\nb,9\n")
    assert board(challenge) == [(1, near.code, 1_000_000), (2, far.code, 4_000_000)]
    actions.reveal(call, by=operator, now=CLOSES)
    assert board(challenge) == [(1, far.code, 0), (2, near.code, 7_000_000)]


def test_sql_and_the_rule_agree_on_which_entry_counts(entrant, challenge, stranger):
    """The window in the database, against picking by hand."""
    other = another(stranger, challenge.call, "Alta SRL")
    contents = [
        rows(**dict.fromkeys(wrong, f"w{number}"))
        for number, wrong in enumerate(("ab", "a", "b", "", "cd", "abcd", "ac"))
    ]
    for number, content in enumerate(contents):
        scored((entrant, other)[number % 2], content, now=NOW + number * DAY)
    chosen = Entry.objects.filter(application=other).order_by("pk").first()
    actions.choose_entry(chosen, by=stranger, now=NOW)
    counted = set()
    for application in (entrant, other):
        own = Entry.objects.filter(application=application, is_late=False)
        counted.add(
            min(own, key=lambda one: (not one.is_chosen, -one.public_score, one.received_at)).code
        )
    assert {entry for _rank, entry, _score in board(challenge)} == counted
    assert chosen.code in counted


# The end --------------------------------------------------------------------------------------


@pytest.fixture
def field(entrant, challenge, stranger, assessor):
    """Three entrants: who leads in public falls behind on what was held out."""
    overfit, third = (
        another(stranger, challenge.call, "Suprapotrivit SRL"),
        another(assessor, challenge.call, "A Treia SRL", may_publish=False),
    )
    scored(overfit, rows(c="w", d="w"))
    scored(entrant, rows(a="w"))
    scored(third, rows(a="w", c="w"))
    return {"entrant": entrant, "overfit": overfit, "third": third}


def test_private_scores_are_shown_only_once_revealed_and_then_they_rank(field, challenge, operator):
    codes = {name: one.entries.get().code for name, one in field.items()}
    assert board(challenge)[0] == (1, codes["overfit"], 1_000_000)
    actions.reveal(challenge.call, by=operator, now=CLOSES)
    assert board(challenge) == [
        (1, codes["entrant"], 1_000_000),
        (2, codes["third"], 500_000),
        (3, codes["overfit"], 0),
    ]
    logged = LogEntry.objects.get(event="challenge.revealed").facts["ranking"]
    assert [one["application"] for one in logged] == [
        field[name].code for name in ("entrant", "third", "overfit")
    ]


def test_scores_are_revealed_from_the_close_on_when_every_entry_is_scored(
    entrant, challenge, operator
):
    entry = send(entrant)
    for moment, code in (
        (CLOSES - SECOND, "challenge.reveal.too_early"),
        (CLOSES, "challenge.reveal.not_scored"),
    ):
        with pytest.raises(Refused) as refused:
            actions.reveal(challenge.call, by=operator, now=moment)
        assert refused.value.code == code
    tasks.score_entry(entry=entry.code, now=CLOSES)
    revealed = actions.reveal(challenge.call, by=operator, now=CLOSES)
    assert revealed.revealed_at == CLOSES
    assert actions.reveal(challenge.call, by=operator, now=CLOSES + DAY).revealed_at == CLOSES
    with pytest.raises(Refused) as refused:
        send(entrant, rows(a="w"), now=CLOSES)
    assert refused.value.code == "entry.send.over"


def test_prizes_are_offered_by_rank_and_the_others_are_told_their_place(field, challenge, operator):
    with pytest.raises(Refused) as refused:
        actions.release_prizes(challenge.call, by=operator, now=CLOSES)
    assert refused.value.code == "challenge.release.not_revealed"
    actions.reveal(challenge.call, by=operator, now=CLOSES)
    actions.release_prizes(challenge.call, by=operator, now=CLOSES + SECOND)
    actions.release_prizes(challenge.call, by=operator, now=CLOSES + DAY)

    given = {one.application_id: one for one in Award.objects.all()}
    assert {pk: one.gpu_ms // 3_600_000 for pk, one in given.items()} == {
        field["entrant"].pk: 3000,
        field["third"].pk: 1000,
    }
    assert all(one.months == 12 for one in given.values())
    decision = Decision.objects.get(application=field["overfit"])
    assert (decision.outcome, decision.rule) == ("decline", "leaderboard")
    assert (decision.inputs["rank"], decision.inputs["score"]) == (3, 0)
    tasks.mail_decline(application=field["overfit"].code, now=CLOSES)
    assert "took place 3 of the final ranking" in Message.objects.get(kind="calls.decline").body
    states = {name: Application.objects.get(pk=one.pk).state for name, one in field.items()}
    assert states == {
        "entrant": ApplicationState.AWARDED,
        "third": ApplicationState.AWARDED,
        "overfit": ApplicationState.DECLINED,
    }
    accepted = actions.accept(
        given[field["entrant"].pk], by=field["entrant"].applicant, now=CLOSES + DAY
    )
    capacity = accepted.capacity
    capacity.account.refresh_from_db()
    assert capacity.account.balance == 7000 * 3_600_000
    assert [rank for rank, _entry, _score in board(challenge)] == [1, 2, 3]


def test_who_no_longer_qualifies_wins_nothing_and_those_after_move_up(field, challenge, operator):
    organisation = field["entrant"].organisation
    organisation.country = "US"
    organisation.save()
    actions.reveal(challenge.call, by=operator, now=CLOSES)
    actions.release_prizes(challenge.call, by=operator, now=CLOSES)
    prizes = {one.application_id: one.gpu_ms // 3_600_000 for one in Award.objects.all()}
    assert prizes == {field["third"].pk: 3000, field["overfit"].pk: 1000}
    assert Decision.objects.get(application=field["entrant"]).rule == "eligibility_at_award"


def test_who_withdraws_leaves_the_leaderboard(field, challenge, stranger):
    actions.withdraw(field["overfit"], by=stranger, now=NOW)
    assert len(board(challenge)) == 2


def test_names_are_shown_with_consent_only(field, challenge):
    shown = queries.places(queries.leaderboard(challenge), frozenset({field["third"].code}))
    assert {one.name for one in shown} == {"Limbă Vie SRL", "Suprapotrivit SRL", ""}
    assert [one.is_mine for one in shown if not one.name] == [True]


def test_the_database_refuses_two_chosen_entries_and_a_chosen_late_one(entrant):
    first, second = scored(entrant), scored(entrant, rows(a="w"))
    late = scored(entrant, rows(b="w"), now=CLOSES)
    actions.choose_entry(first, by=entrant.applicant, now=NOW)
    for entry in (second, late):
        entry.is_chosen = True
        with pytest.raises(IntegrityError), transaction.atomic():
            entry.save()
