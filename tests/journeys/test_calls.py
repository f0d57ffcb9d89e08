"""Large Scale over HTTP: forty applications, twelve reviewers, a panel, a reserve and an appeal."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfWriter

from uzina_client.problems import Problem

pytestmark = pytest.mark.timeout(1200)

APPLICANTS, EACH, REVIEWERS = 10, 4, 12
COUNT = APPLICANTS * EACH
ASK, CAPACITY = 60_000, 600_000
AWARDS = CAPACITY // ASK
DISCUSSED = AWARDS + 2
WEAK = 6
"""As many applications at the end are below the threshold."""

CLOSE = """
import django; django.setup()
from django.utils.timezone import now
from uzina.calls.models import CutOff
CutOff.objects.update(closes_at=now())
"""
"""The cut-off comes: nobody can wait for it here."""

SEEN = """
import json
import django; django.setup()
from uzina.calls.models import Review
print(json.dumps([
    [one.application.code, one.reviewer.code, one.state]
    for one in Review.objects.select_related("application", "reviewer")
]))
"""

CRITERIA = ("excellence", "impact", "implementation")
TEXTS = {
    "lead_name": "Ioana Lead", "lead_email": "lead@journey.example", "born_on": "1985-03-27",
    "lead_country": "RO", "country": "RO", "nationality": "RO",
}  # fmt: skip


def answers(section: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Return an answer to each question that a section cannot do without."""
    found = {field["name"]: answer(field) for field in section["fields"] if field["is_needed"]}
    return found | {name: value for name, value in given.items() if name in found}


def answer(field: dict[str, Any]) -> Any:
    if field["name"] in TEXTS:
        return TEXTS[field["name"]]
    match field["kind"]:
        case "choice":
            return field["choices"][0]["value"]
        case "choices":
            return [field["choices"][0]["value"]]
        case "yes_no" | "tick":
            return True
        case "country":
            return "RO"
        case "whole":
            return 1
        case "email":
            return "lead@journey.example"
        case "rows":
            return [{one["name"]: answer(one) for one in field["columns"] if one["is_needed"]}]
        case _:
            return f"What we say of {field['name']}."


ROWS = {
    "fields": [{"panel": "PE6", "topic": "PE6_7", "share": 100}],
    "stages": [{"title": "Training", "from_month": 1, "to_month": 3, "share": 100}],
}


DOCUMENTS = ("company", "plan")


def pdf(title: str) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=595, height=842)
    writer.add_metadata({"/Title": title})
    kept = io.BytesIO()
    writer.write(kept)
    return kept.getvalue()


def first_draft(world: Any, call: str) -> tuple[Any, dict[str, Any]]:
    """Fill the form in once, section by section; return what it exports, and the declarations.

    Whoever takes an export in declares anew.
    """
    declared: dict[str, Any] = {}
    client = world.client("applicant0").calls
    draft = client.apply(call, organisation=world.people["applicant0"]["organisation"])
    terms = client.terms(call)["version"]
    for section in draft["sections"]:
        given = answers(
            section, months=3, gpu_hours=ASK, accepts_terms=terms, has_personal_data=False,
            is_confidential=False, has_he_funding=False, has_pilot=False, **ROWS,
        )  # fmt: skip
        saved = client.save_section(
            draft["code"], section["slug"], given, version=section["version"]
        )
        assert saved["problems"] == [], saved["problems"]
        declared = given
    document = client.export(draft["code"])
    client.withdraw(draft["code"])
    return document, declared


def hand_in(world: Any, number: int, call: str, filled: Any, folder: Any) -> str:
    """Hand in one application of forty; its title says its number."""
    key = f"applicant{number % APPLICANTS}"
    client = world.client(key).calls
    document, declared = filled
    draft = client.take_in(call, organisation=world.people[key]["organisation"], document=document)[
        "application"
    ]
    for slug in DOCUMENTS:
        client.attach(draft["code"], slug, folder / f"{slug}.pdf")
    sections = {one["slug"]: one for one in draft["sections"]}
    project = sections["project"]["answers"] | {"title": f"Work {number:02}"}
    for slug, given in (("project", project), ("declarations", declared)):
        client.save_section(draft["code"], slug, given, version=sections[slug]["version"])
    handed_in = client.submit(draft["code"])
    assert handed_in["state"] == "eligible", handed_in
    return str(draft["code"])


def review_all(world: Any, numbers: dict[str, int]) -> str:
    """Have each reviewer answer and hand in what they were asked for; one finds a conflict."""
    given_back = ""
    for number in range(REVIEWERS):
        judging = world.client(f"reviewer{number}").judging
        for one in list(judging.reviews()):
            if not given_back and number == 3:
                application = reviewed(world, one["code"])
                judging.conflict(one["code"], reason="We were partners in a project.")
                given_back = application
                continue
            version = judging.accept(one["code"])["version"]
            application = int(one["title"].removeprefix("Work "))
            points = 2 if application >= COUNT - WEAK else 4
            judging.submit(
                one["code"],
                {
                    "version": version,
                    "scores": dict.fromkeys(CRITERIA, points),
                    "comment": "The plan is sound.",
                    "panel_comment": "Only for the panel.",
                },
            )
    assert given_back
    return given_back


def reviewed(world: Any, review: str) -> str:
    """Return the application of a review, as the operator knows it."""
    for code in world.applications:
        for one in world.client("operator").judging.reviewing(code)["reviews"]:
            if one["code"] == review:
                return str(code)
    raise AssertionError(review)


def test_large_scale_from_the_call_to_the_books(
    cast: Callable[..., Any], until: Callable[..., Any], tmp_path: Any
) -> None:
    person = cast.person
    people = [
        person("operator", "operator", language="ro", signs_in=True),
        person("assessor", "assessor"),
        person("chair", "panel", signs_in=True),
        person("judge", "panel"),
        *(
            person(f"applicant{n}", organisation=f"Firma {n} SRL", kind="sme", signs_in=n == 0)
            for n in range(APPLICANTS)
        ),
        *(person(f"reviewer{n}", "reviewer", signs_in=n == 0) for n in range(REVIEWERS)),
    ]
    world = cast(people)
    office, calls = world.client("operator").judging, world.client("operator").calls
    calls.open(
        {
            "mode": "large-scale",
            "slug": "large-scale",
            "title_en": "Large Scale 2026",
            "title_ro": "Large Scale 2026",
            "opens_at": "2026-01-01T00:00:00Z",
            "cut_offs": [{"opens_at": "2026-01-01T00:00:00Z", "closes_at": "2027-12-01T16:00:00Z"}],
            "budget_gpu_hours": CAPACITY,
        }
    )
    calls.publish("large-scale")
    office.seat("large-scale", world.people["chair"]["code"], is_chair=True)
    office.seat("large-scale", world.people["judge"]["code"], is_chair=True, is_for_appeals=True)
    planted = plant(world)

    filled = first_draft(world, "large-scale")
    for slug in DOCUMENTS:
        (tmp_path / f"{slug}.pdf").write_bytes(pdf(slug))
    world.applications = [
        hand_in(world, number, "large-scale", filled, tmp_path) for number in range(COUNT)
    ]
    codes = world.applications
    world.script(CLOSE)

    for code in codes:
        assessed = world.client("assessor").calls.assess(
            code,
            {
                "is_fitting": True, "is_ready": True, "is_justified": True,
                "recommended_gpu_hours": ASK,
            },
        )  # fmt: skip
        assert assessed["state"] == "eligible"
    plan = office.plan("large-scale", seed=7)
    assert len(plan["pairs"]) == 3 * COUNT
    for reviewer, applicant in planted.items():
        mine = {codes[number] for number in range(applicant, COUNT, APPLICANTS)}
        of = {one["paper"] for one in plan["pairs"] if one["referee"] == reviewer}
        assert not mine & of
    office.adopt_plan(plan["code"])
    given_back = review_all(world, {code: number for number, code in enumerate(codes)})
    replace(world, given_back)

    replies(world, codes)
    chair = world.client("chair").judging
    for number, code in enumerate(codes[:DISCUSSED]):
        chair.agree("large-scale", 1, code, scores=dict.fromkeys(CRITERIA, 5000 - 20 * number))
    chair.close_panel("large-scale", 1, reason="The reviewers agree on the others.")
    ranking = office.rank("large-scale", 1)
    office.adopt(ranking["code"])
    with pytest.raises(Problem):
        world.client("applicant0").judging.ranking(ranking["code"])
    pending = world.client("applicant0").calls.application(codes[0])
    assert (pending["state"], pending["award"], pending["decision"]) == ("eligible", None, None)
    office.release(ranking["code"])
    checked = office.rerun(ranking["code"])
    assert (checked["is_sound"], checked["is_same"]) == (True, True)

    states = [application(world, number)["state"] for number in range(COUNT)]
    assert states[:AWARDS] == ["awarded"] * AWARDS
    assert states[COUNT - WEAK :] == ["declined"] * WEAK
    assert set(states[AWARDS : COUNT - WEAK]) == {"eligible"}, "the reserve"

    answer_awards(world)
    until(lambda: application(world, AWARDS)["award"])
    world.client(owner(AWARDS)).calls.accept(application(world, AWARDS)["award"])
    appeal(world, COUNT - 1)
    check_pages(world, ranking["code"], until)
    check_conflicts(world, planted, given_back)
    done = world.factory.admin("check")
    assert done.returncode == 0, done.stdout + done.stderr
    done = world.factory.admin("rerank", ranking["code"])
    assert done.returncode == 0, done.stdout + done.stderr


def plant(world: Any) -> dict[str, int]:
    """Make the reviewers, three of them with a conflict; return it: the applicant's number."""
    office = world.client("operator").judging
    past = {
        0: {"past": [{"name": "Firma 0 SRL"}]},
        1: {"past": [{"name": "Firma 1 S.R.L.", "until": "2026-06-01"}]},
        2: {"co_authors": [{"name": world.people["applicant2"]["name"]}]},
    }
    for number in range(REVIEWERS):
        facts = {
            "email": world.people[f"reviewer{number}"]["email"],
            "topics": ["language-models"],
            "languages": ["en"],
            "most": 20,
        }
        office.make_reviewer(facts | past.get(number, {}))
    return {world.people[f"reviewer{number}"]["code"]: number for number in past}


def owner(number: int) -> str:
    return f"applicant{number % APPLICANTS}"


def application(world: Any, number: int) -> Any:
    return world.client(owner(number)).calls.application(world.applications[number])


def replace(world: Any, code: str) -> None:
    """Find another reviewer for the application that was given back, who then hands it in."""
    office = world.client("operator").judging
    suggested = office.reviewing(code)["suggestions"][0]["referee"]
    office.assign(code, reviewer=suggested)
    key = next(name for name, one in world.people.items() if one["code"] == suggested)
    judging = world.client(key).judging
    for one in list(judging.reviews()):
        if one["state"] == "assigned":
            version = judging.accept(one["code"])["version"]
            judging.submit(
                one["code"],
                {
                    "version": version,
                    "scores": dict.fromkeys(CRITERIA, 4),
                    "comment": "A sound plan.",
                },
            )


def replies(world: Any, codes: list[str]) -> None:
    """Have each applicant reply or go on without; the comments name nobody."""
    for number, code in enumerate(codes):
        judging = world.client(owner(number)).judging
        if number < APPLICANTS:
            told = judging.comments(code)
            assert len(told["comments"]) >= 2
            assert {one["reviewer"] for one in told["comments"]} == {None}
            assert "Only for the panel." not in str(told)
            judging.reply(code, text="Thank you; the plan is measured.")
        else:
            judging.waive_reply(code)


def answer_awards(world: Any) -> None:
    """Have all awards accepted but one, whose hours go to the reserve."""
    for number in range(AWARDS):
        calls = world.client(owner(number)).calls
        award = application(world, number)["award"]
        if number == 3:
            calls.refuse(award)
        else:
            assert calls.accept(award)["gpu_hours"] == ASK


def appeal(world: Any, number: int) -> None:
    """Appeal against a decision; the second panel upholds it, and the hours are there."""
    applicant, code = world.client(owner(number)), world.applications[number]
    filed = applicant.judging.appeal(code, grounds="Our plan was read as another one.")
    with pytest.raises(Problem):
        world.client("chair").judging.uphold(filed["code"], gpu_hours=ASK, text="No.")
    world.client("operator").judging.fund_appeal(filed["code"], reason="From the year's reserve.")
    upheld = world.client("judge").judging.uphold(
        filed["code"], gpu_hours=ASK, text="It was another plan."
    )
    assert upheld["state"] == "upheld"
    award = applicant.calls.application(code)["award"]
    assert applicant.calls.accept(award)["gpu_hours"] == ASK


def check_pages(world: Any, ranking: str, until: Callable[..., Any]) -> None:
    """Look at the pages of it in both languages."""
    with world.browser("operator") as office:
        office.speak("ro")
        for path in (
            "/queue/", "/calls/large-scale/", "/calls/large-scale/reviewing/",
            "/panels/large-scale/1/", "/rankings/", f"/rankings/{ranking}/", "/appeals/",
        ):  # fmt: skip
            assert 'lang="ro"' in office.page(path), path
    with world.browser("applicant0") as applicant:
        code = world.applications[0]
        page = applicant.page(f"/applications/{code}/")
        assert 'lang="en"' in page
    judging = world.client("applicant0").judging
    letters = until(lambda: judging.letters(world.applications[0]))
    genuine = judging.verify(letters[0]["verifier"])
    assert genuine["sha256"] == letters[0]["sha256"]


def check_conflicts(world: Any, planted: dict[str, int], given_back: str) -> None:
    """Check that nobody with a conflict reviewed, or can see, what they have it in."""
    codes = world.applications
    barred = {
        reviewer: [codes[number] for number in range(applicant, COUNT, APPLICANTS)]
        for reviewer, applicant in planted.items()
    }
    barred[world.people["reviewer3"]["code"]] = [given_back]
    for code, reviewer, state in world.script(SEEN):
        assert code not in barred.get(reviewer, []) or state == "refused", (code, reviewer)
    names = {one["code"]: key for key, one in world.people.items()}
    for reviewer, applications in barred.items():
        client = world.client(names[reviewer])
        shown = str([client.judging.review(one["code"]) for one in client.judging.reviews()])
        for code in applications:
            assert code not in shown
            with pytest.raises(Problem) as hidden:
                client.calls.application(code)
            assert hidden.value.status == 404
    with world.browser("reviewer0") as reviewer:
        for code in barred[world.people["reviewer0"]["code"]]:
            for path in (f"/applications/{code}/", f"/applications/{code}/reviewing/"):
                assert reviewer.get(path).status_code == 404


def test_an_application_is_sent_on_to_another_call_and_keeps_its_text(
    cast: Callable[..., Any],
) -> None:
    person = cast.person
    world = cast(
        [
            person("operator", "operator"),
            person("assessor", "assessor"),
            person("applicant0", organisation="Firma 0 SRL", language="ro", signs_in=True),
        ]
    )
    for mode in ("playground", "fast-lane"):
        world.client("operator").calls.open(
            {
                "mode": mode,
                "slug": mode,
                "title_en": mode,
                "title_ro": mode,
                "budget_gpu_hours": 100_000,
                "opens_at": "2026-01-01T00:00:00Z",
            }
        )
        world.client("operator").calls.publish(mode)
    client = world.client("applicant0").calls
    draft = client.apply("playground", organisation=world.people["applicant0"]["organisation"])
    terms = client.terms("playground")["version"]
    for section in draft["sections"]:
        given = answers(section, months=3, gpu_hours=1200, accepts_terms=terms, **ROWS)
        saved = client.save_section(
            draft["code"], section["slug"], given, version=section["version"]
        )
        assert saved["problems"] == [], saved["problems"]
    code = client.submit(draft["code"])["code"]
    world.client("assessor").judging.redirect(
        code, call="fast-lane", reason="This needs more than the package."
    )
    assert client.application(code)["state"] == "redirected"
    carried = next(one for one in client.applications() if one["call"] == "fast-lane")
    assert carried["state"] == "draft"
    sections = {one["slug"]: one for one in client.application(carried["code"])["sections"]}
    assert sections["project"]["answers"]["summary"] == "What we say of summary."
    assert "accepts_terms" not in sections["declarations"]["answers"]
    with world.browser("applicant0") as browser:
        browser.speak("ro")
        page = browser.page(f"/applications/{code}/")
    assert "This needs more than the package." in page
    assert carried["code"] in page
    assert world.factory.admin("check").returncode == 0
