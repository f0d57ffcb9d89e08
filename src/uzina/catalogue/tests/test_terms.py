"""Terms that bind: who reads restricted bytes, how access is asked for, given and taken back."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from uzina.catalogue import access, actions, queries, tasks
from uzina.catalogue.models import AccessRequest, Dataset, Evidence, Policy
from uzina.catalogue.rules import AccessRight, AccessState, DatasetState
from uzina.catalogue.rules.odrl import Terms
from uzina.catalogue.tests.conftest import right
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Message
from uzina.people.rules import MembershipKind, ProjectState
from uzina.people.tests import make_person

TICK = timedelta(microseconds=1)
UNTIL = NOW + timedelta(days=30)


def asked(dataset, project, by, **changes):
    facts = {
        "purpose": "academic-research",
        "why": "To count words.",
        "legal_basis": "",
        "place": "RO",
        "until": UNTIL,
    }
    return actions.ask_access(dataset, project=project, by=by, now=NOW, **(facts | changes))


def granted(dataset, project, by, decided_by, **changes):
    request = asked(dataset, project, by, **changes)
    return actions.grant_access(request, until=request.until, reason="", by=decided_by, now=NOW)


def offered(dataset, by, *, is_automatic=False, shows_sample=False, **terms):
    return actions.offer_policy(
        dataset,
        terms=Terms(**terms),
        is_automatic=is_automatic,
        shows_sample=shows_sample,
        by=by,
        now=NOW,
    )


def newest(dataset):
    return dataset.versions.order_by("-number").select_related("dataset").first()


@pytest.mark.parametrize(
    ("access_right", "state", "readers"),
    [
        ("public", "published", "nobody ana member stranger radu operator auditor factory"),
        ("public", "draft", "ana member operator auditor factory"),
        ("restricted", "published", "ana member factory"),
        ("restricted", "draft", "ana member factory"),
        ("non_public", "published", "ana member factory"),
        ("restricted", "withdrawn", "ana member factory"),
    ],
)
def test_who_may_read_bytes(
    version, ana, project, radu, theirs, operator, auditor, access_right, state, readers
):
    member = make_person("member@startup.example", "Mara Membră")
    people.add_member(project, member, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    dataset = version.dataset
    Dataset.objects.filter(pk=dataset.pk).update(
        access_right=access_right, state=state, published_at=NOW
    )
    version = newest(dataset)
    everybody = {
        "nobody": AnonymousUser(),
        "ana": ana,
        "member": member,
        "stranger": make_person("else@else.example", "Else"),
        "radu": radu,
        "operator": operator,
        "auditor": auditor,
        "factory": None,
    }
    found = [
        name for name, one in everybody.items() if access.may_read_bytes(one, version, now=NOW)
    ]
    assert " ".join(found) == readers
    for one in everybody.values():
        rows = queries.readable_versions(one, now=NOW)
        assert rows.filter(pk=version.pk).exists() == access.may_read_bytes(one, version, now=NOW)


def test_metadata_of_restricted_data_is_seen_by_everybody(restricted):
    assert Dataset.objects.visible_to(AnonymousUser()).get() == restricted


def test_a_representative_of_the_holder_reads_what_no_project_made(ana, org, register, send):
    dataset = register(slug="own", project=None, holder=org)
    actions.add_version(dataset, files=[send(ana, "a", b"a")], note="", by=ana, now=NOW)
    right(dataset, AccessRight.NON_PUBLIC)
    colleague = make_person("colleague@startup.example", "Coleg")
    colleague.affiliations.create(organisation=org)
    assert access.may_read_bytes(ana, newest(dataset), now=NOW)
    assert not access.may_read_bytes(colleague, newest(dataset), now=NOW)


def test_a_grant_lets_the_members_of_its_project_in_and_nobody_else(
    restricted, ana, radu, theirs, stranger
):
    member = make_person("m@neustadt.example", "Member")
    people.add_member(theirs, member, kind=MembershipKind.MEMBER, by=radu, now=NOW)
    other = make_person("o@neustadt.example", "Other")
    granted(restricted, theirs, radu, ana)
    version = newest(restricted)
    assert access.may_read_bytes(member, version, now=NOW)
    assert access.may_read_bytes(member, version, project=theirs, now=NOW)
    assert not access.may_read_bytes(other, version, now=NOW)
    assert not access.may_read_bytes(other, version, project=theirs, now=NOW)
    assert access.may_read_bytes(None, version, project=theirs, now=NOW)
    del stranger


def test_a_grant_of_one_project_opens_nothing_for_another_of_the_same_person(
    restricted, ana, radu, theirs
):
    second = people.open_project(
        theirs.organisation,
        title="Another",
        lead=radu,
        starts_at=NOW,
        ends_at=UNTIL,
        award_code="",
        by=None,
        now=NOW,
    )
    granted(restricted, theirs, radu, ana)
    version = newest(restricted)
    assert access.may_read_bytes(radu, version, now=NOW)
    assert not access.may_read_bytes(radu, version, project=second, now=NOW)
    with pytest.raises(Refused) as refused:
        queries.usable_version(radu, "ro-corpus", 1, project=second, now=NOW)
    assert refused.value.code == "version.use.no_access"
    assert "/datasets/ro-corpus/access/" in str(refused.value)
    assert second.code in str(refused.value)


@pytest.mark.parametrize(("now", "is_open"), [(UNTIL - TICK, True), (UNTIL, False)])
def test_a_grant_is_over_at_its_end_though_the_worker_sleeps(
    restricted, ana, radu, theirs, now, is_open
):
    request = granted(restricted, theirs, radu, ana)
    assert access.may_read_bytes(radu, newest(restricted), now=now) is is_open
    request.refresh_from_db()
    assert request.state is AccessState.GRANTED


@pytest.mark.parametrize("state", [ProjectState.ACTIVE, ProjectState.CLOSED])
def test_a_closed_project_reads_nothing(restricted, ana, radu, theirs, state):
    granted(restricted, theirs, radu, ana)
    type(theirs).objects.filter(pk=theirs.pk).update(state=state)
    is_open = access.may_read_bytes(radu, newest(restricted), now=NOW)
    assert is_open is (state is ProjectState.ACTIVE)


def test_a_grant_to_withdrawn_data_opens_nothing(restricted, ana, radu, theirs):
    granted(restricted, theirs, radu, ana)
    actions.withdraw(restricted, reason="Wrong.", by=ana, now=NOW)
    assert not access.may_read_bytes(radu, newest(restricted), now=NOW)


def test_a_sample_is_for_readers_unless_the_policy_shows_it(restricted, ana, radu):
    version = newest(restricted)
    assert access.may_see_sample(ana, version, now=NOW)
    assert not access.may_see_sample(radu, version, now=NOW)
    offered(restricted, ana, shows_sample=True)
    assert access.may_see_sample(radu, version, now=NOW)
    assert access.may_see_sample(AnonymousUser(), version, now=NOW)
    assert not access.may_read_bytes(radu, version, now=NOW)


def test_a_policy_is_kept_and_the_newest_counts(restricted, ana):
    first = offered(restricted, ana, purposes=("research",))
    assert offered(restricted, ana, purposes=("research",)) == first
    second = offered(restricted, ana, purposes=("commercial",))
    assert [first.number, second.number] == [1, 2]
    assert queries.policy_of(restricted) == second
    assert Policy.objects.get(number=1).offer["@id"] == "urn:uzina:policy:ro-corpus:1"
    assert LogEntry.objects.filter(event="policy.offered").count() == 2


def test_only_who_holds_the_data_offers_a_policy(restricted, radu, operator):
    for person in (radu, operator):
        with pytest.raises(NotAllowed) as refused:
            offered(restricted, person)
        assert refused.value.code == "policy.offer.not_yours"
    assert not Policy.objects.exists()


def test_asking_tells_who_decides_and_nobody_else(restricted, ana, radu, theirs):
    request = asked(restricted, theirs, radu)
    assert request.state is AccessState.ASKED
    message = Message.objects.get(about=request.code)
    assert (message.to, message.kind) == (ana, "catalogue.access_asked")
    assert "To count words." in message.body
    assert f"/access/{request.code}/" in message.body
    assert request in AccessRequest.objects.to_decide_by(ana)
    assert request not in AccessRequest.objects.to_decide_by(radu)


def test_what_waits_for_an_answer_stands_on_the_first_page_of_who_gives_it(
    restricted, ana, radu, theirs, client
):
    def needs(person):
        client.force_login(person)
        return client.get("/").content.decode()

    words = "1 request for access to data waits for your answer"
    assert words not in needs(ana)
    request = asked(restricted, theirs, radu)
    assert words in needs(ana)
    assert words not in needs(radu)
    actions.refuse_access(request, reason="No.", by=ana, now=NOW)
    assert words not in needs(ana)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("public", "access.ask.not_needed"),
        ("draft", "access.ask.not_published"),
        ("own", "access.ask.own"),
        ("closing", "access.ask.project_closed"),
        ("twice", "access.ask.waiting"),
        ("stranger", "access.ask.not_a_member"),
        ("basis", "input.invalid"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_no_trace(
    restricted, ana, radu, project, theirs, change, code
):
    by, of = radu, theirs
    if change == "public":
        right(restricted, AccessRight.PUBLIC)
    if change == "draft":
        Dataset.objects.update(state=DatasetState.DRAFT)
    if change == "own":
        by, of = ana, project
    if change == "closing":
        type(theirs).objects.filter(pk=theirs.pk).update(state=ProjectState.CLOSING)
        of.refresh_from_db()
    if change == "twice":
        asked(restricted, theirs, radu)
    if change == "stranger":
        by = ana
    if change == "basis":
        Dataset.objects.update(answers={"personal_data": "personal"})
    requests, entries = AccessRequest.objects.count(), LogEntry.objects.count()
    with pytest.raises(Refused) as refused:
        asked(restricted, of, by)
    assert refused.value.code == code
    assert (AccessRequest.objects.count(), LogEntry.objects.count()) == (requests, entries)


def test_a_refusal_needs_a_reason_and_tells_it(restricted, ana, radu, theirs):
    request = asked(restricted, theirs, radu)
    with pytest.raises(Invalid):
        actions.refuse_access(request, reason=" ", by=ana, now=NOW)
    actions.refuse_access(request, reason="Too broad.", by=ana, now=NOW)
    message = Message.objects.get(about=request.code, to=radu)
    assert "Too broad." in message.body
    assert not access.may_read_bytes(radu, newest(restricted), now=NOW)
    assert asked(restricted, theirs, radu).code != request.code


def test_who_asks_cannot_answer_and_an_operator_can_only_revoke(
    restricted, ana, radu, theirs, operator, auditor
):
    request = asked(restricted, theirs, radu)
    for person in (radu, operator, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.grant_access(request, until=UNTIL, reason="", by=person, now=NOW)
        assert refused.value.code == "access.grant.not_yours"
        with pytest.raises(NotAllowed) as refused:
            actions.refuse_access(request, reason="No.", by=person, now=NOW)
        assert refused.value.code == "access.refuse.not_yours"
    with pytest.raises(NotAllowed) as refused:
        actions.withdraw_access(request, by=ana, now=NOW)
    assert refused.value.code == "access.withdraw.not_asker"
    actions.grant_access(request, until=UNTIL, reason="", by=ana, now=NOW)
    for person in (radu, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.revoke_access(request, reason="No.", by=person, now=NOW)
        assert refused.value.code == "access.revoke.not_yours"
    with pytest.raises(NotAllowed) as refused:
        actions.end_access(request, by=ana, now=NOW)
    assert refused.value.code == "access.end.not_asker"
    actions.revoke_access(request, reason="Misuse.", by=operator, now=NOW)
    assert not access.may_read_bytes(radu, newest(restricted), now=NOW)


def test_a_grant_may_be_shorter_than_asked_and_never_longer(restricted, ana, radu, theirs):
    request = asked(restricted, theirs, radu)
    for until in (NOW, UNTIL + TICK):
        with pytest.raises(Invalid):
            actions.grant_access(request, until=until, reason="", by=ana, now=NOW)
    shorter = NOW + timedelta(days=1)
    actions.grant_access(request, until=shorter, reason="Try.", by=ana, now=NOW)
    assert access.may_read_bytes(radu, newest(restricted), now=shorter - TICK)
    assert not access.may_read_bytes(radu, newest(restricted), now=shorter)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"purposes": ("commercial",)}, "purpose"),
        ({"places": ("US",)}, "processing"),
        ({"kinds": ("startup",)}, "kind"),
        ({"countries": ("RO",)}, "organisations of DE"),
        ({"until": NOW + timedelta(days=1)}, "grant it for less"),
    ],
)
def test_nobody_is_let_in_against_the_policy(restricted, ana, radu, theirs, terms, words):
    request = asked(restricted, theirs, radu)
    offered(restricted, ana, **terms)
    assert len(queries.failed_constraints(request, now=NOW)) == 1
    with pytest.raises(Refused, match=words) as refused:
        actions.grant_access(request, until=UNTIL, reason="", by=ana, now=NOW)
    assert refused.value.code == "access.grant.against_policy"
    request.refresh_from_db()
    assert (request.state, request.until) == (AccessState.ASKED, UNTIL)


def test_a_policy_that_answers_by_itself_lets_in_who_fits_and_leaves_others_to_the_holder(
    restricted, ana, radu, theirs
):
    offered(restricted, ana, is_automatic=True, purposes=("research",), countries=("EU",))
    fits = asked(restricted, theirs, radu)
    assert (fits.state, fits.decided_by) == (AccessState.GRANTED, None)
    other = asked(restricted, theirs, radu, purpose="commercial")
    assert other.state is AccessState.ASKED


def test_a_grant_keeps_the_policy_it_was_given_under(restricted, ana, radu, theirs):
    offered(restricted, ana, purposes=("research",))
    request = granted(restricted, theirs, radu, ana)
    offered(restricted, ana, purposes=("commercial",))
    assert queries.usable_version(radu, "ro-corpus", 1, project=theirs, now=NOW)
    request.refresh_from_db()
    assert request.policy.number == 1


def test_where_the_factory_is_counts_again_at_each_use(restricted, ana, radu, theirs, settings):
    from dataclasses import replace

    offered(restricted, ana, places=("RO",))
    granted(restricted, theirs, radu, ana)
    config = settings.UZINA
    settings.UZINA = replace(config, site=replace(config.site, country="MD"))
    with pytest.raises(Refused, match="processing in MD") as refused:
        queries.usable_version(radu, "ro-corpus", 1, project=theirs, now=NOW)
    assert refused.value.code == "version.use.policy"


def test_time_over_ends_a_grant_once_and_tells_both_sides(restricted, ana, radu, theirs):
    request = granted(restricted, theirs, radu, ana)
    tasks.watch_access(now=UNTIL - TICK)
    request.refresh_from_db()
    assert request.state is AccessState.GRANTED
    assert request.warned_at == UNTIL - TICK
    tasks.watch_access(now=UNTIL)
    tasks.watch_access(now=UNTIL + TICK)
    request.refresh_from_db()
    assert (request.state, request.ended_at) == (AccessState.ENDED, UNTIL)
    assert LogEntry.objects.filter(event="access.ended").count() == 1
    over = Message.objects.filter(about=request.code, kind="catalogue.access_over")
    assert {one.to for one in over} == {ana, radu}
    ends = Message.objects.filter(about=request.code, kind="catalogue.access_ends")
    assert {one.to for one in ends} == {radu}


def test_the_end_of_a_project_ends_what_it_was_granted_and_asked(restricted, ana, radu, theirs):
    request = granted(restricted, theirs, radu, ana)
    waits = asked(restricted, theirs, radu)
    type(theirs).objects.filter(pk=theirs.pk).update(state=ProjectState.CLOSED)
    tasks.watch_access(now=NOW)
    request.refresh_from_db()
    waits.refresh_from_db()
    assert (request.state, waits.state) == (AccessState.ENDED, AccessState.WITHDRAWN)


@pytest.mark.parametrize(
    ("days", "sent"), [(4, 0), (5, 1), (14, 1), (15, 2), (29, 2), (30, 3), (400, 3)]
)
def test_who_does_not_answer_is_reminded_so_often(restricted, ana, radu, theirs, days, sent):
    request = asked(restricted, theirs, radu)
    for day in (one for one in (0, 1, 4, 5, 6, 14, 15, 16, 29, 30, 31) if one <= days):
        tasks.watch_access(now=NOW + timedelta(days=day))
    tasks.watch_access(now=NOW + timedelta(days=days))
    found = Message.objects.filter(about=request.code, kind="catalogue.access_waiting")
    assert found.count() == sent
    assert all(one.to == ana for one in found)
    request.refresh_from_db()
    assert request.state is AccessState.ASKED


def test_every_use_is_noted_with_its_grant_once_a_day(restricted, ana, radu, theirs, tmp_path):
    request = granted(restricted, theirs, radu, ana)
    version = newest(restricted)
    for _ in range(2):
        actions.stage(version, to=tmp_path, by=radu, project=theirs, now=NOW, subject="JOB-7Q3K2M")
        actions.begin_read(version, by=radu, now=NOW)
    actions.begin_read(version, by=radu, now=NOW + timedelta(days=1))
    actions.begin_read(version, by=ana, now=NOW)
    rows = Evidence.objects.order_by("pk")
    assert [(str(one.kind), one.person, one.request) for one in rows] == [
        ("job", radu, request),
        ("download", radu, request),
        ("download", radu, request),
        ("download", ana, None),
    ]
    staged = LogEntry.objects.get(event="version.staged")
    assert staged.facts["grant"] == request.code


def test_public_data_leaves_no_evidence(version, ana):
    actions.begin_read(version, by=ana, now=NOW)
    assert not Evidence.objects.exists()


def test_staging_asks_again_and_lays_nothing_out(restricted, ana, radu, theirs, tmp_path):
    request = granted(restricted, theirs, radu, ana)
    version = newest(restricted)
    actions.revoke_access(request, reason="Over.", by=ana, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.stage(version, to=tmp_path, by=radu, project=theirs, now=NOW, subject="JOB-1")
    assert refused.value.code == "version.use.no_access"
    assert not list(tmp_path.iterdir())
    assert not Evidence.objects.exists()


def test_the_form_of_a_run_offers_only_data_one_may_read(restricted, ana, radu, theirs):
    assert newest(restricted) in queries.data_for(ana, most=10, now=NOW)
    assert newest(restricted) not in queries.data_for(radu, most=10, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_grant_and_withdraw_at_once_leave_one_of_them(restricted, ana, radu, theirs):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from django.db import connections

    for _ in range(5):
        request = asked(restricted, theirs, radu)
        width = 1 if connection.vendor == "sqlite" else 2  # its memory is one connection's
        barrier = Barrier(width)

        def run_one(work):
            try:
                return work()
            except Refused as refused:
                return refused.code

        def run(work, barrier=barrier, run_one=run_one):
            barrier.wait()
            try:
                return run_one(work)
            finally:
                connections.close_all()

        def grant(request=request):
            return actions.grant_access(request, until=UNTIL, reason="", by=ana, now=NOW).state

        def withdraw(request=request):
            return actions.withdraw_access(request, by=radu, now=NOW).state

        if width == 1:
            answers = {str(run_one(grant)), str(run_one(withdraw))}
        else:
            with ThreadPoolExecutor(width) as pool:
                answers = {str(one) for one in pool.map(run, (grant, withdraw))}
        request.refresh_from_db()
        assert answers in (
            {"granted", "access.withdraw.not_now"},
            {"withdrawn", "access.grant.not_now"},
        )
        assert str(request.state) in answers
