"""What a dataset says of itself: each field's mistakes, changes told, completeness, permission."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.models import Dataset, Fragment
from uzina.catalogue.tests.conftest import COMPLETE
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import MembershipKind

LATER = NOW + timedelta(hours=1)
BASE = rules.blank() | {
    "title": "Știri",
    "description": "Texte.",
    "languages": ["ro", "en"],
    "licence": "mit",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
FULL = {
    "title": "Știri din presă",
    "description": "Articole din 2025.",
    "languages": ["ro"],
    "translations": {"en": {"title": "News", "description": "Articles of 2025."}},
    "themes": ["EDUC", "SOCI"],
    "keywords": ["știri", "presă"],
    "frequency": "ANNUAL",
    "creators": [{"name": "Ana Pop", "url": "https://orcid.org/0000-0002-1825-0097"}],
    "contact_name": "Biroul de date",
    "contact_email": "date@startup.example",
    "landing_url": "https://startup.example/stiri?an=2025",
    "places": ["ROU", "MDA"],
    "begins_on": date(2025, 1, 1),
    "ends_on": date(2025, 12, 31),
    "licence": "cc-by-4.0",
    "access_right": "restricted",
    "answers": COMPLETE["answers"] | {"purposes_allowed": "Cercetare."},
}


def told(facts):
    after = rules.merged(BASE, facts)
    return [(one.field, one.code) for one in rules.fact_problems(after, only=facts)]


def codes(refused):
    return [(one.field, one.code) for one in refused.value.problems]


def test_a_full_record_has_no_mistake_and_each_field_is_in_it():
    assert told(FULL) == []
    assert set(FULL) == set(rules.CHECKS)


@pytest.mark.parametrize(
    ("facts", "field", "code"),
    [
        ({"title": " "}, "title", "text.empty"),
        ({"title": "x" * 201}, "title", "text.too_long"),
        ({"title": 5}, "title", "dataset.describe.form"),
        ({"title": "a\0"}, "title", "text.nul"),
        ({"title": "a\ud800"}, "title", "text.broken"),
        ({"description": "x" * 20_001}, "description", "text.too_long"),
        ({"description": None}, "description", "dataset.describe.form"),
        ({"languages": []}, "languages", "dataset.languages.count"),
        ({"languages": "ro"}, "languages", "dataset.describe.form"),
        ({"languages": ["ro", "xx"]}, "languages.1", "dataset.languages.unknown"),
        ({"languages": [["ro"]]}, "languages", "dataset.describe.form"),
        ({"translations": []}, "translations", "dataset.describe.form"),
        ({"translations": {"en": "News"}}, "translations", "dataset.describe.form"),
        (
            {"translations": {"ro": {"title": "A"}}},
            "translations.ro",
            "dataset.translation.language",
        ),
        ({"translations": {"xx": {"title": "A"}}}, "translations", "dataset.translation.language"),
        ({"translations": {"en": {"title": ""}}}, "translations.en.title", "text.empty"),
        ({"translations": {"en": {}}}, "translations.en.title", "text.empty"),
        (
            {"translations": {"en": {"title": "A", "name": "B"}}},
            "translations.en",
            "dataset.describe.form",
        ),
        (
            {"translations": {"en": {"title": "A", "description": 1}}},
            "translations.en.description",
            "dataset.describe.form",
        ),
        ({"themes": "EDUC"}, "themes", "dataset.describe.form"),
        ({"themes": ["EDUC", "NOPE"]}, "themes.1", "dataset.code.unknown"),
        ({"themes": ["EDUC", "EDUC"]}, "themes.1", "dataset.code.unknown"),
        ({"themes": [{}]}, "themes.0", "dataset.code.unknown"),
        (
            {"keywords": ["a"] + [f"k{at}" for at in range(30)]},
            "keywords",
            "dataset.keywords.count",
        ),
        ({"keywords": "a, b"}, "keywords", "dataset.keywords.count"),
        ({"keywords": ["x" * 61]}, "keywords.0", "text.too_long"),
        ({"keywords": [""]}, "keywords.0", "text.empty"),
        ({"keywords": ["a\nb"]}, "keywords.0", "dataset.describe.form"),
        ({"keywords": [1]}, "keywords.0", "dataset.describe.form"),
        ({"frequency": "SOMETIMES"}, "frequency", "dataset.code.unknown"),
        ({"frequency": ["DAILY"]}, "frequency", "dataset.code.unknown"),
        ({"creators": {"name": "A"}}, "creators", "dataset.creators.count"),
        ({"creators": [{"name": "A"}] * 101}, "creators", "dataset.creators.count"),
        ({"creators": ["Ana"]}, "creators.0", "dataset.describe.form"),
        ({"creators": [{"name": "A", "mail": "b"}]}, "creators.0", "dataset.describe.form"),
        ({"creators": [{"url": ""}]}, "creators.0.name", "text.empty"),
        ({"creators": [{"name": "x" * 201}]}, "creators.0.name", "text.too_long"),
        ({"creators": [{"name": "A", "url": "ana"}]}, "creators.0.url", "dataset.url.form"),
        ({"contact_name": "x" * 121}, "contact_name", "text.too_long"),
        ({"contact_email": "ana@"}, "contact_email", "dataset.email.form"),
        ({"contact_email": "a@b"}, "contact_email", "dataset.email.form"),
        ({"contact_email": "a b@c.example"}, "contact_email", "dataset.email.form"),
        ({"contact_email": "a@" + "b" * 250 + ".ro"}, "contact_email", "dataset.email.form"),
        ({"contact_email": None}, "contact_email", "dataset.email.form"),
        ({"landing_url": "startup.example"}, "landing_url", "dataset.url.form"),
        ({"landing_url": "javascript:alert(1)"}, "landing_url", "dataset.url.form"),
        ({"landing_url": "https://"}, "landing_url", "dataset.url.form"),
        ({"landing_url": "https://a.example:99999/"}, "landing_url", "dataset.url.form"),
        ({"landing_url": "https://[::1"}, "landing_url", "dataset.url.form"),
        ({"landing_url": "https://ana:pw@a.example/"}, "landing_url", "dataset.url.form"),
        ({"landing_url": 'https://a.example/"onclick'}, "landing_url", "dataset.url.form"),
        ({"landing_url": "https://a.example/" + "x" * 500}, "landing_url", "dataset.url.form"),
        ({"landing_url": 1}, "landing_url", "dataset.url.form"),
        ({"places": ["RO"]}, "places.0", "dataset.code.unknown"),
        ({"begins_on": "2025-01-01"}, "begins_on", "dataset.describe.form"),
        ({"ends_on": datetime(2025, 1, 1)}, "ends_on", "dataset.describe.form"),  # noqa: DTZ001
        (
            {"begins_on": date(2025, 1, 2), "ends_on": date(2025, 1, 1)},
            "ends_on",
            "dataset.period.order",
        ),
        ({"access_right": "PUBLIC"}, "access_right", "dataset.access_right.unknown"),
        ({"access_right": ["public"]}, "access_right", "dataset.access_right.unknown"),
        ({"licence": ""}, "licence", "text.empty"),
        ({"answers": []}, "answers", "dataset.describe.form"),
        ({"answers": {"cost": "much"}}, "answers.cost", "dataset.answer.form"),
        ({"colour": "red"}, "", "dataset.describe.unknown"),
    ],
)
def test_each_field_tells_its_mistake(facts, field, code):
    assert told(facts) == [(field, code)]
    after = rules.merged(BASE, facts)
    assert all(str(one) for one in rules.fact_problems(after, only=facts))


def test_longest_texts_and_a_period_of_one_day_are_fine():
    day = date(2025, 1, 1)
    assert told({"title": "x" * 200, "begins_on": day, "ends_on": day}) == []
    assert told({"keywords": [f"k{at}" for at in range(30)], "landing_url": ""}) == []


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*rules.CHECKS, "x"]), JSON, max_size=5))
def test_nothing_that_is_sent_upsets_the_checks(facts):
    after = rules.merged(BASE, facts)
    problems = rules.fact_problems(after, only=facts)
    if not problems:
        rules.readiness(after)
        changed = rules.changes(BASE, after)
        assert rules.changes(after, after) == {}
        assert set(changed) <= {*rules.CHECKS} | {f"answers.{one}" for one in rules.questions()}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["cost", "capacity"]), st.sampled_from([None, "", "free", "business"])
    )
)
def test_saying_the_same_twice_changes_nothing_more(answers):
    once = rules.merged(BASE, {"answers": answers, "keywords": ["Știri", "stiri ", "alta"]})
    assert rules.merged(once, {"answers": answers, "keywords": once["keywords"]}) == once
    assert once["keywords"] == ["Știri", "alta"]
    assert None not in once["answers"].values()


def test_changes_tell_old_and_new_but_nobodys_name():
    after = rules.merged(BASE, FULL)
    told = rules.changes(BASE, after)
    assert told["title"] == ["Știri", "Știri din presă"]
    assert told["answers.cost"] == [None, "free"]
    assert {told["creators"], told["contact_name"], told["contact_email"]} == {"changed"}
    assert "Ana" not in str(told)
    assert "date@" not in str(told)


# With a database --------------------------------------------------------------------------------


@pytest.fixture
def bare(register):
    """A dataset that says only what it has to."""
    return register(facts={})


@pytest.mark.django_db
def test_a_member_says_everything_of_a_dataset_and_the_log_keeps_it(bare, ana):
    actions.describe(bare, facts=FULL, by=ana, now=LATER)
    kept = Dataset.objects.get(pk=bare.pk)
    assert queries.said(kept) == FULL
    assert kept.changed_at == LATER
    entry = LogEntry.objects.get(event="dataset.described")
    assert entry.subject == "ro-corpus"
    assert entry.facts["changed"]["licence"] == ["cc-by-sa-3.0", "cc-by-4.0"]
    assert entry.facts["changed"]["begins_on"] == [None, "2025-01-01"]
    assert "date@startup.example" not in str(entry.facts)


@pytest.mark.django_db
def test_what_does_not_change_is_neither_written_nor_logged(dataset, ana):
    actions.describe(dataset, facts={"title": " Știri românești "}, by=ana, now=LATER)
    dataset.refresh_from_db()
    assert dataset.changed_at == NOW
    assert not LogEntry.objects.filter(event="dataset.described").exists()


@pytest.mark.django_db
def test_a_draft_keeps_unfinished_answers_and_takes_them_back(bare, ana):
    actions.describe(bare, facts={"answers": {"cost": "fee"}}, by=ana, now=LATER)
    actions.describe(bare, facts={"answers": {"capacity": "research"}}, by=ana, now=LATER)
    bare.refresh_from_db()
    assert bare.answers == {"cost": "fee", "capacity": "research"}
    actions.describe(bare, facts={"answers": {"cost": None}}, by=ana, now=LATER)
    bare.refresh_from_db()
    assert bare.answers == {"capacity": "research"}


@pytest.mark.django_db
def test_every_mistake_is_told_at_once_and_nothing_is_kept(dataset, ana):
    facts = {"title": "", "licence": "made-up", "themes": ["X"], "answers": {"cost": 1, "hm": 2}}
    with pytest.raises(Invalid) as refused:
        actions.describe(dataset, facts=facts, by=ana, now=LATER)
    assert codes(refused) == [
        ("title", "text.empty"),
        ("themes.0", "dataset.code.unknown"),
        ("answers.cost", "dataset.answer.form"),
        ("answers", "dataset.answer.unknown"),
        ("licence", "dataset.licence.unknown"),
    ]
    dataset.refresh_from_db()
    assert (dataset.title, dataset.changed_at) == ("Știri românești", NOW)
    assert not LogEntry.objects.filter(event="dataset.described").exists()


@pytest.mark.django_db
def test_a_registration_may_say_everything_at_once(register):
    made = register(slug="all", facts={key: FULL[key] for key in ("themes", "answers", "places")})
    assert (made.themes, made.places) == (["EDUC", "SOCI"], ["ROU", "MDA"])
    with pytest.raises(Invalid) as refused:
        register(slug="bad", facts={"themes": ["X"], "contact_email": "x"}, title="")
    assert codes(refused) == [
        ("title", "text.empty"),
        ("themes.0", "dataset.code.unknown"),
        ("contact_email", "dataset.email.form"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["new", "mine"])
def test_a_dataset_cannot_have_the_name_of_a_page(register, slug):
    with pytest.raises(Invalid) as refused:
        register(slug=slug)
    assert codes(refused) == [("slug", "dataset.slug.reserved")]


@pytest.mark.django_db
def test_publishing_tells_everything_that_is_missing(bare, ana):
    with pytest.raises(Invalid) as refused:
        actions.publish(bare, by=ana, now=LATER)
    assert [field for field, _code in codes(refused)] == [
        "contact_email",
        "answers.collection",
        "answers.personal_data",
        "answers.capacity",
        "answers.cost",
        "versions",
    ]
    bare.refresh_from_db()
    assert bare.state == "draft"


@pytest.mark.django_db
def test_published_data_cannot_be_made_less_complete(version, dataset, ana):
    actions.publish(dataset, by=ana, now=NOW)
    with pytest.raises(Invalid) as refused:
        actions.describe(
            dataset,
            facts={"contact_email": "", "answers": {"personal_data": "personal"}},
            by=ana,
            now=LATER,
        )
    assert [field for field, _code in codes(refused)] == [
        "contact_email",
        "answers.legal_basis",
        "answers.special_categories",
        "answers.retention_until",
    ]
    dataset.refresh_from_db()
    assert dataset.contact_email == "date@startup.example"


@pytest.mark.django_db
def test_what_other_portals_harvest_follows_the_change(version, dataset, ana):
    actions.publish(dataset, by=ana, now=NOW)
    actions.describe(dataset, facts={"title": "Gazete"}, by=ana, now=LATER)
    kept = Fragment.objects.get(dataset=dataset)
    assert "Gazete" in kept.ntriples
    assert kept.changed_at == LATER


@pytest.mark.django_db
def test_withdrawn_data_stay_as_they_were_described(dataset, ana):
    actions.withdraw(dataset, reason="A right ended.", by=ana, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.describe(dataset, facts={"title": "Other"}, by=ana, now=LATER)
    assert refused.value.code == "dataset.describe.not_now"


@pytest.mark.django_db
def test_strangers_and_auditors_describe_nothing(dataset, stranger, auditor):
    for person in (stranger, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.describe(dataset, facts={"title": "Mine"}, by=person, now=LATER)
        assert refused.value.code == "dataset.describe.not_yours"
    dataset.refresh_from_db()
    assert dataset.title == "Știri românești"


@pytest.mark.django_db
def test_a_member_describes_but_only_the_lead_changes_the_terms_of_published_data(
    version, dataset, project, ana, stranger, operator
):
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    actions.describe(dataset, facts={"licence": "mit"}, by=stranger, now=LATER)
    actions.publish(dataset, by=ana, now=LATER)
    actions.describe(dataset, facts={"title": "By a member"}, by=stranger, now=LATER)
    for facts in (
        {"licence": "cc0-1.0"},
        {"access_right": "restricted", "answers": {"purposes_allowed": "X"}},
    ):
        with pytest.raises(NotAllowed) as refused:
            actions.describe(dataset, facts=facts, by=stranger, now=LATER)
        assert refused.value.code == "dataset.describe.terms_not_yours"
    actions.describe(dataset, facts={"licence": "cc0-1.0"}, by=operator, now=LATER)
    dataset.refresh_from_db()
    assert (dataset.title, dataset.licence.slug) == ("By a member", "cc0-1.0")


@pytest.mark.django_db
def test_the_representative_of_the_holder_describes_data_without_a_project(register, ana, org):
    own = register(slug="own", project=None)
    actions.describe(own, facts={"keywords": ["a"]}, by=ana, now=LATER)
    own.refresh_from_db()
    assert own.keywords == ["a"]


@pytest.mark.django_db
def test_data_made_by_a_job_carry_what_their_sources_say(register, version, ana, send):
    closed = register(
        slug="closed",
        facts=COMPLETE
        | {
            "access_right": "restricted",
            "themes": ["HEAL"],
            "contact_email": "other@startup.example",
            "answers": COMPLETE["answers"]
            | {
                "personal_data": "anonymised",
                "anonymisation": "k = 5",
                "purposes_allowed": "Care.",
            },
        },
    )
    second = actions.add_version(closed, files=[send(ana, "b", b"b")], note="", by=ana, now=NOW)
    facts = queries.carried([version, second, version])
    assert facts["access_right"] == "restricted"
    assert facts["answers"]["personal_data"] == "anonymised"
    assert facts["answers"]["collection"] == ["derived"]
    assert facts["contact_email"] == "date@startup.example"
    assert facts["themes"] == ["HEAL"]
    made = register(slug="made", facts=facts)
    assert [one.field for one in queries.readiness(made)] == [
        "answers.anonymisation",
        "answers.purposes_allowed",
    ]
    assert queries.carried([]) == {"answers": {"collection": ["derived"]}}
