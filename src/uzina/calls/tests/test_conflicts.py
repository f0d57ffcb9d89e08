"""Conflicts of interest: found by every road, declared, and kept out of sight everywhere."""

import re
from datetime import date, timedelta

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.calls import actions, queries
from uzina.calls.models import (
    Application,
    Conflict,
    Consensus,
    Document,
    Letter,
    PanelSeat,
    Review,
    conflicted,
)
from uzina.calls.rules import conflicts as rules
from uzina.calls.rules.conflicts import Body, Expert, Somebody, Work
from uzina.calls.tests.conftest import changed
from uzina.calls.tests.reviewing import (
    assigned,
    hand_in,
    judged_call,
    make_applicant,
    make_organisation,
    make_reviewer,
    profile,
    written,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Affiliation, Membership, Message

TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)
KINDS = ["organisation", "past_organisation", "co_author", "co_applicant", "team", "declared"]


def work(*people_named, bodies=("Limbă Vie SRL",)):
    return Work("APP-1", tuple(Body(one) for one in bodies), tuple(map(Somebody, people_named)))


def kinds(expert, of=None, *, today=TODAY, years=3):
    found = rules.conflicts(expert, of or work("Ana Pop"), today=today, years=years)
    return [str(one.kind) for one in found]


# Rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Limbă Vie SRL", "LIMBA VIE S.R.L.", True),
        ("S.C. Limbă Vie S.R.L.", "limba vie", True),
        ("Limbă Vie SRL", "Vie, Limbă", True),
        ("Universitatea „Babeș-Bolyai”", "Universitatea Babes Bolyai", True),
        ("Łódź AI sp. z o.o.", "Lodz AI", True),
        ("Müller GmbH & Co. KG", "Muller", True),
        ("Limbă Vie SRL", "Limbă Nouă SRL", False),
        ("SRL", "SA", False),
        ("", "", False),
    ],
)
def test_a_body_is_known_by_its_name_without_legal_form_marks_and_case(one, other, is_same):
    assert rules.is_same_body(Body(one), Body(other)) is is_same


def test_a_body_is_known_by_its_code_whatever_its_name():
    assert rules.is_same_body(Body("Old name", "ORG-2AB3CD"), Body("New name", "ORG-2AB3CD"))
    assert not rules.is_same_body(Body("", "ORG-2AB3CD"), Body("", "ORG-3CD4EF"))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Ana Pop", "POP Ana", True),
        ("Ana Pop", "A. Pop", True),
        ("Ana Maria Pop", "Ana Pop", True),
        ("Jānis Bērziņš", "Janis Berzins", True),
        ("Ana Pop", "Ana Popa", False),
        ("Ana Pop", "Dan Pop", False),
        ("A. P.", "Ana Pop", False),
        ("Pop", "Ana Pop", False),
        ("", "", False),
    ],
)
def test_people_are_known_by_their_names_in_any_order_with_or_without_marks(one, other, is_same):
    assert rules.is_same_person(Somebody(one), Somebody(other)) is is_same
    assert rules.is_same_person(Somebody(other), Somebody(one)) is is_same


def test_an_address_or_an_orcid_says_more_than_a_name():
    ana = Somebody("Ana Pop", "ana@x.example", "0000-0002-1825-0097")
    assert rules.is_same_person(ana, Somebody("Ann P", "ANA@x.example"))
    assert rules.is_same_person(ana, Somebody("", "", "0000-0002-1825-0097"))
    assert not rules.is_same_person(ana, Somebody("Ana Pop", "", "0000-0001-5109-3700"))


NAMES = st.lists(st.sampled_from(["Ana", "Dan", "Pop", "Ionescu", "M.", "Bērziņš"]), max_size=3)


@settings(deadline=None)
@given(NAMES, NAMES)
def test_two_who_are_one_share_a_mark(one, other):
    """Work.names looks only among those who share one."""
    mine, theirs = Somebody(" ".join(one)), Somebody(" ".join(other))
    if rules.is_same_person(mine, theirs):
        assert mine.marks & theirs.marks


def test_an_organisation_counts_to_the_day_for_as_many_years_as_the_mode_says():
    def left(until):
        return Expert(Somebody("Mara"), (Body("Limba Vie", "", until),))

    assert kinds(left(None)) == ["organisation"]
    assert kinds(left(TODAY)) == ["organisation"]
    assert kinds(left(TODAY - DAY)) == ["past_organisation"]
    assert kinds(left(date(2023, 11, 23))) == ["past_organisation"]
    assert kinds(left(date(2023, 11, 22))) == []
    assert kinds(left(date(2023, 11, 22)), years=4) == ["past_organisation"]
    assert kinds(left(TODAY - DAY), years=0) == []
    assert rules.since(date(2028, 2, 29), 3) == date(2025, 2, 28)


def test_co_authors_partners_and_the_team_are_found_each_by_its_kind():
    of = work("Ana Pop", "Dan Marin")
    assert kinds(Expert(Somebody("D. Marin")), of) == ["team"]
    assert kinds(Expert(Somebody("Mara"), (), (Somebody("Pop Ana"),)), of) == ["co_author"]
    met = ((Somebody("Dan Marin"), "APP-OLD"),)
    found = rules.conflicts(Expert(Somebody("Mara"), (), (), met), of, today=TODAY, years=3)
    assert [(str(one.kind), one.detail) for one in found] == [
        ("co_applicant", "Dan Marin (APP-OLD)")
    ]
    assert kinds(Expert(Somebody("Mara Ionescu"))) == []


@pytest.mark.parametrize(
    "orcid",
    ["0000-0002-1825-0097", "0000000218250097", "https://orcid.org/0000-0002-1694-233X", ""],
)
def test_an_orcid_is_kept_in_its_usual_form(orcid):
    assert rules.check_orcid(orcid) in {"0000-0002-1825-0097", "0000-0002-1694-233X", ""}


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0098", "0000-0002-1825", "x", "٠" * 16])
def test_an_orcid_with_a_wrong_check_digit_is_none(orcid):
    with pytest.raises(ValueError, match=orcid):
        rules.check_orcid(orcid)


# Found in the record ----------------------------------------------------------------------------

pytestmark = pytest.mark.django_db

SECRET = "Vorbitorul albastru"


@pytest.fixture
def call(operator):
    return judged_call(operator, reviewers=3)


NAMES_OF = {
    "organisation": "Oana Radu",
    "past_organisation": "Petre Stan",
    "co_author": "Carmen Lupu",
    "co_applicant": "Corina Dima",
    "team": "Tudor Vlad",
    "declared": "Delia Rusu",
}


def plant(kind, operator, call, ana, org):
    """Return a reviewer who has one kind of conflict with what Ana hands in next."""
    person = make_reviewer(operator, NAMES_OF[kind])
    facts = {}
    match kind:
        case "organisation":
            Affiliation.objects.create(person=person, organisation=org)
        case "past_organisation":
            facts = {"past": [actions.Past("S.C. LIMBA VIE S.R.L.", "", TODAY - 365 * DAY)]}
        case "co_author":
            facts = {"co_authors": [actions.CoAuthor("Pop A.")]}
        case "co_applicant":
            other, theirs = make_applicant(77)
            members = [
                {"name": person.name, "country": "RO", "email": person.email},
                {"name": "Ana Pop", "country": "RO"},
            ]
            lead = {"lead_name": other.name, "lead_email": other.email}
            hand_in(call, other, theirs, team=changed("team", members=members, **lead))
    if facts:
        actions.change_profile(queries.reviewer_of(person), profile(**facts), by=person, now=NOW)
    return type(person).objects.get(pk=person.pk)


def secret_application(kind, call, ana, org):
    members = [{"name": NAMES_OF["team"], "country": "RO"}] if kind == "team" else []
    return hand_in(
        call,
        ana,
        org,
        project=changed("project", title=SECRET),
        team=changed("team", members=members),
    )


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_conflict_is_found_when_an_application_is_handed_in(kind, operator, call, ana, org):
    mara = plant(kind, operator, call, ana, org)
    dan = make_reviewer(operator, "Dan Marin")
    application = secret_application(kind, call, ana, org)

    found = set(Conflict.objects.filter(application=application).values_list("person", "kind"))
    assert found == {(mara.pk, kind)}
    assert actions.screen(application, now=NOW + DAY) == []
    assert LogEntry.objects.filter(event="conflict.found", subject=application.code).count() == 1
    assert list(queries.biddable_by(dan).filter(pk=application.pk)) == [application]
    with pytest.raises(Refused) as refused:
        actions.assign_review(application, mara, by=operator, now=NOW)
    assert refused.value.code == "assignment.assign.conflict"
    assert not Review.objects.exists()


def test_a_profile_that_says_more_ends_a_review_at_once(operator, call, ana, org):
    mara, dan = make_reviewer(operator, "Mara Ionescu"), make_reviewer(operator, "Dan Marin")
    application = secret_application("", call, ana, org)
    asked, handed_in = assigned(operator, application, mara, dan)
    written(handed_in)

    for person in (mara, dan):
        actions.change_profile(
            queries.reviewer_of(person),
            profile(co_authors=[actions.CoAuthor("Ana Pop")]),
            by=person,
            now=NOW,
        )
    for review in (asked, handed_in):
        review.refresh_from_db()
        assert review.state == "replaced"
    assert queries.submitted_of(application).count() == 0
    told = Message.objects.get(to=mara, kind="calls.review_replaced")
    assert "conflict" not in told.body
    assert Message.objects.filter(to=operator, kind="calls.review_lost").count() == 2

    actions.change_profile(queries.reviewer_of(mara), profile(), by=mara, now=NOW)
    assert Conflict.objects.filter(person=mara).count() == 1


def test_a_project_together_is_on_record_too(operator, call, ana, org, project):
    mara = make_reviewer(operator, "Mara Ionescu")
    Membership.objects.create(project=project, person=mara, kind="member")
    application = secret_application("", call, ana, org)
    conflict = Conflict.objects.get(application=application)
    assert (conflict.person, conflict.kind) == (mara, "co_applicant")
    assert project.code in conflict.detail


def test_a_linked_enterprise_counts_as_the_organisation(operator, call, ana):
    mara = make_reviewer(operator, "Mara Ionescu", past=[actions.Past("Grupul Verde SA", "", None)])
    organisation = make_organisation(ana, "Frunza SRL")
    from uzina.people.models import RelatedEnterprise

    RelatedEnterprise.objects.create(
        organisation=organisation,
        name="GRUPUL VERDE S.A.",
        relation="linked",
        share_percent=80,
        headcount=20,
        turnover_eur=1,
        balance_eur=1,
    )
    application = secret_application("", call, ana, organisation)
    assert Conflict.objects.get(application=application).person == mara


def test_assessors_and_members_of_panels_are_screened_as_well(
    operator, assessor, call, ana, org, stranger
):
    PanelSeat.objects.create(call=call, person=stranger, made_at=NOW)
    members = [
        {"name": stranger.name, "country": "RO"},
        {"name": "A. Assessor", "country": "RO"},
    ]
    application = hand_in(call, ana, org, team=changed("team", members=members))
    assert set(Conflict.objects.values_list("person", "kind")) == {
        (stranger.pk, "team"),
        (assessor.pk, "team"),
    }
    for person in (stranger, assessor):
        assert not Application.objects.visible_to(person).filter(pk=application.pk).exists()


def test_a_declared_conflict_needs_a_reason_and_somebody_who_was_asked(
    operator, call, ana, org, stranger
):
    mara = make_reviewer(operator, "Mara Ionescu")
    application = secret_application("", call, ana, org)
    review = assigned(operator, application, mara)[0]
    with pytest.raises(NotAllowed):
        actions.declare_conflict(application, reason="Friends", by=stranger, now=NOW)
    with pytest.raises(Invalid):
        actions.declare_conflict(application, reason=" ", by=mara, now=NOW)
    assert not Conflict.objects.exists()

    actions.declare_conflict(application, reason="We are cousins", by=mara, now=NOW)
    review.refresh_from_db()
    assert review.state == "refused"
    conflict = Conflict.objects.get()
    assert (conflict.kind, conflict.is_declared, conflict.detail) == (
        "declared",
        True,
        "We are cousins",
    )
    assert "cousins" not in str(list(LogEntry.objects.values_list("facts", flat=True)))


def test_an_operator_notes_a_conflict_and_nobody_else_does(operator, call, ana, org):
    mara = make_reviewer(operator, "Mara Ionescu")
    application = secret_application("", call, ana, org)
    review = assigned(operator, application, mara)[0]
    with pytest.raises(NotAllowed):
        actions.note_conflict(application, mara, reason="Told me so", by=mara, now=NOW)
    actions.note_conflict(application, mara, reason="Told me so", by=operator, now=NOW)
    review.refresh_from_db()
    assert review.state == "replaced"


def test_many_at_once_are_barred_as_one_by_one(operator, call, ana, org):
    people_asked = [
        plant("organisation", operator, call, ana, org),
        make_reviewer(operator, "Dan Marin"),
    ]
    first = secret_application("", call, ana, org)
    other, theirs = make_applicant(1)
    second = hand_in(call, other, theirs)
    actions.note_conflict(second, people_asked[1], reason="Known", by=operator, now=NOW)
    third = hand_in(call, people_asked[1], make_organisation(people_asked[1], "A treia SRL"))

    rows = [first, second, third]
    expected = {
        (pk, person.pk)
        for person in people_asked
        for pk in Application.objects.filter(conflicted(person)).values_list("pk", flat=True)
    }
    assert queries.barred_pairs(rows, people_asked) == expected
    assert len(expected) == 3


# Never seen by any address ----------------------------------------------------------------------

CODES = ("code", "document", "person", "question_code")


def routes(patterns=None, prefix=""):
    """Yield every address of the portal, pages and API, with the module that answers there."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern), one.callback.__module__


OF_CALLS = {route for route, module in routes() if module.startswith(("uzina.calls", "uzina.root"))}
EVERYWHERE = sorted({route for route, _module in routes() if not set(route) & set("^$\\")})
OURS = [one for one in EVERYWHERE if one in OF_CALLS or one.startswith("api/v1/calls/")]


def parameters(route):
    return set(re.findall(r"<(?:\w+:)?(\w+)>", route))


class Walk:
    """Somebody who asks every address, with every code by which an application can be reached."""

    def __init__(self, person, application, call, statuses):
        self.statuses = statuses
        self.client = Client(raise_request_exception=False)
        self.client.force_login(person)
        self.application = application
        self.values = {"slug": call.slug, "verb": "assign", "section": "project", "path": "x"}

    def ask(self, method, route, code):
        values = self.values | dict.fromkeys(CODES, code)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), route)
        return getattr(self.client, method)("/" + path)

    def shows(self, answer, code):
        """Tell whether an answer shows the application: its title, or its code where not asked."""
        if answer.streaming:
            body = b"".join(answer.streaming_content).decode(errors="replace")
        else:
            body = answer.content.decode(errors="replace")
        told = body.replace(code, "") if answer.status_code == 404 else body
        return SECRET in body or self.application.code in told

    def leaks(self, codes, *, among, methods=("get",)):
        """Return where the application shows, and where it can be told from one that is not."""
        found = []
        for route in among:
            if not parameters(route) & set(CODES):
                if "get" in methods and self.shows(self.ask("get", route, ""), "-"):
                    found.append((route, "get", "shown"))
                continue
            for method in methods:
                nobody = self.nobody(method, route)
                for code in codes:
                    answer = self.ask(method, route, code)
                    if self.shows(answer, code):
                        found.append((route, method, "shown"))
                    if answer.status_code != nobody:
                        found.append((route, method, answer.status_code))
        return found

    def nobody(self, method, route):
        """Return the answer to the code of nothing: the same to all who have the same roles."""
        if (method, route) not in self.statuses:
            self.statuses[method, route] = self.ask(method, route, "APP-ZZZZZZ").status_code
        return self.statuses[method, route]


@pytest.fixture
def secret(operator, call, ana, org):
    """Return what makes the application, once those who must not see it are there."""

    def make(**facts):
        dan = make_reviewer(operator, "Dan Marin")
        members = [{"name": name, "country": "RO"} for name in facts.get("team", ())]
        application = hand_in(
            call,
            ana,
            org,
            project=changed("project", title=SECRET),
            team=changed("team", members=members),
        )
        document = Document(
            application=application,
            slug="plan",
            name=f"{SECRET}.pdf",
            media_type="application/pdf",
            size=4,
            sha256="0" * 64,
            sent_by=ana,
            sent_at=NOW,
        )
        document.file.save("plan.pdf", ContentFile(b"%PDF"))
        document.save()
        written(assigned(operator, application, dan)[0])
        Letter.objects.create(
            application=application,
            kind="decision",
            language="en",
            verifier="V-2AB3CD",
            sha256="0" * 64,
            pdf=b"%PDF",
            issued_at=NOW,
        )
        Consensus.objects.create(
            application=application, score_milli=1, comment=SECRET, made_by=operator, made_at=NOW
        )
        return application

    return make


def seated(operator, call, person):
    """Seat somebody on the panel too, and give them a review, as if nobody had looked."""
    people.appoint(person, kind="panel", by=operator, now=NOW)
    PanelSeat.objects.create(call=call, person=person, made_at=NOW)
    return type(person).objects.get(pk=person.pk)


def asked_unawares(application, person):
    return Review.objects.create(
        application=application,
        reviewer=person,
        state="accepted",
        assigned_at=NOW,
        due_at=NOW + DAY,
    )


@pytest.mark.timeout(900)
def test_a_conflicted_reviewer_never_sees_an_application_by_any_address(
    operator, call, ana, org, secret
):
    """Six reviewers who also sit on the panel, each with another kind of conflict and a review in
    hand: no page, list, file or answer of the API shows them the application, and nothing tells
    it from one that does not exist. One of them also tries the pages of other modules, the codes
    of everything that belongs to it, and sends forms."""
    planted = {kind: plant(kind, operator, call, ana, org) for kind in KINDS}
    planted = {kind: seated(operator, call, one) for kind, one in planted.items()}
    application = secret(team=[planted["team"].name])
    declaring = planted["declared"]
    review = asked_unawares(application, declaring)
    actions.declare_conflict(application, reason="We are cousins", by=declaring, now=NOW)
    for kind, person in planted.items():
        if kind != "declared":
            asked_unawares(application, person)
    found = set(Conflict.objects.filter(application=application).values_list("person", "kind"))
    assert found == {(person.pk, kind) for kind, person in planted.items()}

    statuses = {}
    for kind, person in planted.items():
        own = Review.objects.get(application=application, reviewer=person).code
        walk = Walk(person, application, call, statuses)
        lists = [one for one in OURS if not parameters(one) or "review" in one or "bid" in one]
        assert walk.leaks([own], among=lists) == [], kind
        assert walk.leaks([application.code], among=[one for one in OURS if one not in lists]) == []
    walk = Walk(planted["past_organisation"], application, call, statuses)
    own = Review.objects.get(application=application, reviewer=planted["past_organisation"]).code
    assert walk.leaks([application.code], among=EVERYWHERE) == []
    assert walk.leaks([application.code], among=OURS, methods=["post"]) == []
    of_reviews = [one for one in OURS if "review" in one or "document" in one or "letter" in one]
    assert walk.leaks([own], among=of_reviews, methods=["post"]) == []
    once = [application.documents.get().code, application.letters.get().code]
    assert walk.leaks([*once, application.reviews.first().code], among=of_reviews) == []
    review.refresh_from_db()
    assert review.state == "refused"


def test_the_same_walk_finds_what_a_reviewer_without_a_conflict_may_see(
    operator, call, ana, org, secret
):
    application = secret()
    mine = Review.objects.get(application=application)
    walk = Walk(mine.reviewer, application, call, {})
    near = [one for one in OURS if re.search("application|review|bid|assessment|panel", one)]
    found = walk.leaks([application.code, mine.code], among=near)
    shown = {route for route, _method, what in found if what == "shown"}
    assert {"reviews/", "reviews/<str:code>/", "api/v1/calls/reviews"} <= shown
    assert {one for one in shown if "review" not in one} == set()
