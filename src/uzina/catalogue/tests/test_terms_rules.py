"""Usage policies and the life of a request for access: pure rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.catalogue.rules import odrl
from uzina.catalogue.rules.odrl import Terms, Use
from uzina.catalogue.rules.terms import (
    ACCESS,
    PURPOSES,
    AccessState,
    broader,
    is_running,
    request_problems,
)
from uzina.core.errors import Invalid, Refused
from uzina.people.rules import OrganisationKind

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
END = datetime(2027, 6, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)

USE = Use(purpose="academic-research", country="RO", kind="university", place="RO", now=NOW)

codes = st.lists(st.sampled_from(sorted(PURPOSES)), unique=True, max_size=4).map(tuple)
places = st.lists(
    st.sampled_from(["EU", "EEA", "RO", "DE", "NO", "US", "MD"]), unique=True, max_size=3
).map(tuple)
any_terms = st.builds(
    Terms,
    purposes=codes,
    forbidden_purposes=st.just(()),
    until=st.none()
    | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    places=places,
    kinds=st.lists(st.sampled_from(odrl.ORGANISATION_KINDS), unique=True, max_size=3).map(tuple),
    countries=places,
    attribute=st.booleans(),
    delete_days=st.none() | st.integers(0, odrl.LONGEST_DELETE_DAYS),
    prohibited=st.lists(st.sampled_from(odrl.FORBIDDEN), unique=True).map(tuple),
)
uses = st.builds(
    Use,
    purpose=st.sampled_from(sorted(PURPOSES)),
    country=st.sampled_from(["RO", "NO", "US"]),
    kind=st.sampled_from(odrl.ORGANISATION_KINDS),
    place=st.sampled_from(["RO", "NO", "US"]),
    now=st.just(NOW),
)


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


@given(any_terms)
def test_what_is_written_as_an_offer_is_read_as_the_same_terms(terms):
    assert odrl.parse(odrl.build(terms, uid="urn:x")) == terms


@given(any_terms, uses)
def test_a_narrower_policy_never_lets_in_whom_a_wider_one_keeps_out(terms, use):
    wider = Terms(purposes=terms.purposes, places=terms.places)
    if odrl.evaluate(wider, use):
        assert odrl.evaluate(terms, use)


@given(uses)
def test_a_policy_without_constraints_lets_everybody_in(use):
    assert odrl.evaluate(Terms(attribute=True, prohibited=("sell",)), use) == []


def test_every_constraint_that_fails_is_told_at_once():
    terms = Terms(
        purposes=("commercial",),
        until=NOW,
        places=("DE",),
        kinds=("startup",),
        countries=("US",),
    )
    failed = odrl.evaluate(terms, USE)
    assert [one.code for one in failed] == [
        "policy.use.purpose",
        "policy.use.over",
        "policy.use.place",
        "policy.use.kind",
        "policy.use.country",
    ]
    assert str(failed[2]) == "The policy does not allow processing in RO. It allows: DE."


@pytest.mark.parametrize(("now", "is_allowed"), [(END - TICK, True), (END, False)])
def test_use_is_allowed_up_to_the_end_and_not_at_it(now, is_allowed):
    use = Use("research", "RO", "sme", "RO", now)
    assert (odrl.evaluate(Terms(until=END), use) == []) is is_allowed


@pytest.mark.parametrize(
    ("allowed", "forbidden", "purpose", "codes"),
    [
        (("research",), (), "academic-research", []),
        (("academic-research",), (), "research", ["policy.use.purpose"]),
        (("research",), ("commercial-research",), "research", []),
        (
            ("research",),
            ("commercial-research",),
            "commercial-research",
            ["policy.use.forbidden_purpose"],
        ),
        ((), ("research",), "academic-research", ["policy.use.forbidden_purpose"]),
        ((), (), "commercial", []),
        (("research",), (), "no such purpose", ["policy.use.purpose"]),
    ],
)
def test_a_purpose_covers_what_is_narrower_and_nothing_wider(allowed, forbidden, purpose, codes):
    terms = Terms(purposes=allowed, forbidden_purposes=forbidden)
    use = Use(purpose, "RO", "sme", "RO", NOW)
    assert [one.code for one in odrl.evaluate(terms, use)] == codes


@pytest.mark.parametrize(
    ("place", "allowed", "is_in"),
    [
        ("RO", ("EU",), True),
        ("NO", ("EU",), False),
        ("NO", ("EEA",), True),
        ("GB", ("EEA",), False),
        ("GB", ("EEA", "GB"), True),
    ],
)
def test_groups_of_countries_hold_their_members(place, allowed, is_in):
    use = Use("research", "RO", "sme", place, NOW)
    assert (odrl.evaluate(Terms(places=allowed), use) == []) is is_in


def test_every_mistake_in_terms_is_listed():
    terms = Terms(
        purposes=("fun", "research"),
        forbidden_purposes=("research",),
        until=datetime(2027, 1, 1),  # noqa: DTZ001 - it is the mistake
        places=("ro",),
        kinds=("club",),
        countries=("Romania",),
        delete_days=-1,
        prohibited=("use",),
    )
    with pytest.raises(Invalid) as wrong:
        odrl.check(terms)
    assert {one.field for one in wrong.value.problems} == {
        "purposes.0",
        "forbidden_purposes",
        "until",
        "places.0",
        "kinds.0",
        "countries.0",
        "delete_days",
        "prohibited.0",
    }


def test_a_list_of_hundreds_is_refused():
    with pytest.raises(Invalid) as wrong:
        odrl.check(Terms(places=("RO",) * 61))
    assert wrong.value.problems[0].code == "policy.list.long"


def offer(**changes):
    return odrl.build(Terms(), uid="urn:x") | changes


@pytest.mark.parametrize(
    "given",
    [
        "not an object",
        None,
        [],
        {},
        offer(profile="http://example.org/another"),
        offer(permission=[]),
        offer(permission=[{"action": "use"}, {"action": "use"}]),
        offer(permission=[{"action": "sell"}]),
        offer(permission=[{"action": "use", "duty": [{"action": "compensate"}]}]),
        offer(permission=[{"action": "use", "constraint": "none"}]),
        offer(permission=[{"action": "use", "constraint": [{"and": []}]}]),
        offer(obligation=[{"action": "compensate"}]),
        offer(obligation=[{"action": "delete"}]),
        offer(prohibition=[{"action": "laugh"}]),
        offer(prohibition=[{"action": "use"}]),
        offer(inheritFrom="urn:another"),
        offer(permission=[{"action": {"@id": "use"}}]),
    ],
)
def test_what_the_profile_does_not_know_is_refused_and_never_passed_over(given):
    with pytest.raises(Invalid):
        odrl.parse(given)


@pytest.mark.parametrize(
    ("operand", "operator", "right"),
    [
        ("count", "lteq", "5"),
        ("dateTime", "gt", "2027-01-01T00:00:00Z"),
        ("dateTime", "lt", "2027-01-01T00:00:00"),
        ("dateTime", "lt", "soon"),
        ("dateTime", "lt", 5),
        ("purpose", "isAnyOf", []),
        ("purpose", "isAnyOf", [{"@id": "https://w3id.org/dpv#Marketing"}]),
        ("purpose", "isNoneOf", ["https://w3id.org/dpv#PublicBenefit"]),
        ("spatial", "isAnyOf", [5]),
        ("spatial", "isAnyOf", ["Romania"]),
    ],
)
def test_a_constraint_that_is_not_understood_is_refused(operand, operator, right):
    limit = {"leftOperand": operand, "operator": operator, "rightOperand": right}
    with pytest.raises(Invalid):
        odrl.parse(offer(permission=[{"action": "use", "constraint": [limit]}]))


def test_saying_the_same_thing_twice_is_refused():
    limit = {"leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": ["RO"]}
    with pytest.raises(Invalid, match="."):
        odrl.parse(offer(permission=[{"action": "use", "constraint": [limit, limit]}]))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "@type",
                        "permission",
                        "action",
                        "constraint",
                        "leftOperand",
                        "operator",
                        "rightOperand",
                        "profile",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_whatever_upsets_the_reader(given):
    with pytest.raises(Invalid):
        odrl.parse(given)


def test_the_kinds_of_organisations_are_those_of_people():
    assert set(odrl.ORGANISATION_KINDS) == {str(one) for one in OrganisationKind}


def test_purposes_have_an_address_two_languages_and_no_circle():
    assert len({one.iri for one in PURPOSES.values()}) == len(PURPOSES)
    for code, one in PURPOSES.items():
        assert one.iri.startswith("https://w3id.org/dpv#")
        assert all((one.en, one.ro, one.plain_en, one.plain_ro))
        assert broader(code)[0] == code


@given(st.lists(st.sampled_from(sorted(ACCESS.moves)), max_size=8))
def test_whatever_is_tried_a_request_is_answered_once_and_over_once(verbs):
    state, path = AccessState.ASKED, [AccessState.ASKED]
    for verb in verbs:
        try:
            state = ACCESS.after(verb, state)
        except Refused as refused:
            assert refused.code == f"access.{verb}.not_now"  # noqa: PT017 - one of many tries
        else:
            path.append(state)
    assert len(path) == len(set(path))
    assert path in (
        ["asked"],
        ["asked", "granted"],
        ["asked", "refused"],
        ["asked", "withdrawn"],
        ["asked", "granted", "ended"],
        ["asked", "granted", "revoked"],
    )


@pytest.mark.parametrize(
    ("state", "now", "runs"),
    [
        (AccessState.GRANTED, END - TICK, True),
        (AccessState.GRANTED, END, False),
        (AccessState.ASKED, NOW, False),
        (AccessState.REVOKED, NOW, False),
        (AccessState.ENDED, NOW, False),
    ],
)
def test_a_grant_runs_up_to_its_end(state, now, runs):
    assert is_running(state, END, now) is runs


GIVEN = {
    "purpose": "research",
    "why": "To see.",
    "legal_basis": "",
    "place": "RO",
    "until": NOW + timedelta(days=30),
}
LONGEST = timedelta(days=5 * 366)


@pytest.mark.parametrize(
    ("change", "needs_basis", "fields"),
    [
        ({}, False, []),
        ({}, True, ["legal_basis"]),
        ({"legal_basis": "Consent."}, True, []),
        ({"purpose": "fun"}, False, ["purpose"]),
        ({"why": " "}, False, ["why"]),
        ({"place": "ro"}, False, ["place"]),
        ({"place": "ROU"}, False, ["place"]),
        ({"until": NOW}, False, ["until"]),
        ({"until": NOW + TICK}, False, []),
        ({"until": NOW + LONGEST}, False, []),
        ({"until": NOW + LONGEST + TICK}, False, ["until"]),
        ({"purpose": "", "why": "", "place": ""}, True, ["purpose", "why", "legal_basis", "place"]),
    ],
)
def test_every_mistake_in_a_request_is_listed(change, needs_basis, fields):
    problems = request_problems(GIVEN | change, needs_basis=needs_basis, now=NOW)
    assert [one.field for one in problems] == fields
