"""A grand challenge and an expression of interest, over HTTP, in two languages."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uzina_client.problems import Problem

pytestmark = pytest.mark.timeout(900)

CLOSE = """
import django; django.setup()
from django.utils.timezone import now
from uzina.calls.models import Challenge
Challenge.objects.update(closes_at=now())
"""
"""The close comes: nobody can wait for it here."""

LABELS = ("zebra-secret", "okapi-secret", "tapir-secret")
TRUTH = {f"item{number:03}": LABELS[number % 3] for number in range(60)}


def table(head: str, rows: dict[str, str]) -> str:
    return head + "\n" + "".join(f"{name},{text}\n" for name, text in rows.items())


def predictions(wrong: int) -> str:
    """Return an entry in which each item whose number is below `wrong` is wrong."""
    said = {
        name: ("mistake" if number < wrong else text)
        for number, (name, text) in enumerate(TRUTH.items())
    }
    return table("id,prediction", said)


def answers(section: dict[str, Any]) -> dict[str, Any]:
    """Return an answer to each question that a section cannot do without."""
    return {field["name"]: answer(field) for field in section["fields"] if field["is_needed"]}


TEXTS = {"title": "A model for schools", "lead_email": "lead@journey.example"}


def answer(field: dict[str, Any]) -> Any:
    if field["name"] in TEXTS:
        return TEXTS[field["name"]]
    match field["kind"]:
        case "choice":
            return field["choices"][0]["value"]
        case "yes_no" | "tick":
            return True
        case "country":
            return "RO"
        case "whole":
            return 12
        case "email":
            return "lead@journey.example"
        case "rows":
            return [{one["name"]: answer(one) for one in field["columns"] if one["is_needed"]}]
        case _:
            return f"What we say of {field['name']}."


def apply(cast: Any, key: str, call: str) -> str:
    """Apply to a call by the API with what its form asks, and return the application's code."""
    client = cast.client(key)
    draft = client.calls.apply(call, organisation=cast.people[key]["organisation"])
    terms = client.calls.terms(call)["version"]
    for section in draft["sections"]:
        given = answers(section)
        if "accepts_terms" in given:
            given["accepts_terms"] = terms
        saved = client.calls.save_section(
            draft["code"], section["slug"], given, version=section["version"]
        )
        assert saved["problems"] == [], saved["problems"]
    handed_in = client.calls.submit(draft["code"])
    assert handed_in["state"] == "eligible", handed_in["verdict"]
    return str(draft["code"])


def open_call(cast: Any, mode: str, slug: str, hours: int) -> None:
    office = cast.client("operator").calls
    office.open(
        {
            "mode": mode,
            "slug": slug,
            "title_en": slug.title(),
            "title_ro": slug.title(),
            "budget_gpu_hours": hours,
            "opens_at": "2026-01-01T00:00:00Z",
        }
    )
    office.publish(slug)


def uzina(cast: Any, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as somebody."""
    environment = os.environ | {
        "UZINA_TOKEN": cast.people[key]["token"],
        "UZINA_URL": cast.factory.url,
        "LANG": "C",
    }
    return subprocess.run(
        [sys.executable, "-m", "uzina_client.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_grand_challenge_from_the_answers_to_the_prizes(
    cast: Callable[..., Any], until: Callable[..., Any], tmp_path: Path
) -> None:
    person = cast.person
    world = cast(
        [
            person("operator", "operator", signs_in=True),
            person("ana", organisation="Limbă Vie SRL", language="ro", signs_in=True),
            person("dan", organisation="Dan Analytics SRL"),
            person("eva", organisation="Eva Models SRL"),
            person("stranger"),
        ]
    )
    open_call(world, "grand-challenge", "labels", 10_000)
    truth = tmp_path / "truth.csv"
    truth.write_text(table("id,answer", TRUTH))
    done = uzina(
        world, "operator", "challenges", "set", "labels", str(truth), "--metric", "accuracy",
        "--prize", "6000", "--prize", "1000", "--closes-at", "2099-01-01T00:00:00Z",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    entrants = {key: apply(world, key, "labels") for key in ("ana", "dan", "eva")}
    entries: dict[str, str] = {}
    for key, wrong in (("ana", 6), ("dan", 0), ("eva", 6)):
        file = tmp_path / f"{key}.csv"
        file.write_text(predictions(wrong))
        sent = world.client(key).challenges.enter(entrants[key], file, note=key)
        entries[key] = sent["code"]
    with pytest.raises(Problem) as same:
        world.client("dan").challenges.enter(entrants["dan"], tmp_path / "dan.csv")
    assert same.value.code == "entry.send.same"
    broken = tmp_path / "broken.csv"
    broken.write_text("id,prediction\nitem000,nan\nitem000,nan\n")
    refused = uzina(world, "ana", "challenges", "enter", entrants["ana"], str(broken))
    assert refused.returncode == 6
    assert refused.stderr.startswith("uzina: Line 3: the id item000 was there before.")
    with pytest.raises(Problem) as hidden:
        world.client("stranger").challenges.entry(entries["ana"])
    assert hidden.value.status == 404

    def scored() -> bool:
        return all(
            world.client(key).challenges.entry(code)["state"] == "scored"
            for key, code in entries.items()
        )

    until(scored)
    public = list(world.client("ana").challenges.leaderboard("labels"))
    assert public[0]["entry"] == entries["dan"]
    with pytest.raises(Problem) as early:
        world.client("operator").challenges.reveal("labels")
    assert early.value.code == "challenge.reveal.too_early"

    world.script(CLOSE)
    late_file = tmp_path / "late.csv"
    late_file.write_text(predictions(1))
    late = world.client("eva").challenges.enter(entrants["eva"], late_file)
    assert late["is_late"] is True
    until(lambda: world.client("eva").challenges.entry(late["code"])["state"] == "scored")
    world.client("operator").challenges.reveal("labels")
    world.client("operator").challenges.release("labels")

    final = list(world.client("dan").challenges.leaderboard("labels"))
    assert [(one["rank"], one["entry"]) for one in final] == [
        (1, entries["dan"]),
        (2, entries["ana"]),
        (3, entries["eva"]),
    ], "equal scores: the earlier entry is before"
    assert final[0]["score_millionths"] == 1_000_000
    states = {key: world.client(key).calls.application(code) for key, code in entrants.items()}
    assert [states[key]["state"] for key in ("dan", "ana", "eva")] == [
        "awarded", "awarded", "declined",
    ]  # fmt: skip
    accepted = world.client("dan").calls.accept(states["dan"]["award"])
    assert accepted["gpu_hours"] == 6000
    listed = uzina(world, "eva", "challenges", "leaderboard", "labels")
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["1", "2", "3"]

    with world.browser("operator") as office, world.browser("ana") as ana:
        ana.speak("ro")
        english = office.page("/calls/labels/leaderboard/") + office.page(
            "/calls/labels/challenge/"
        )
        romanian = ana.page("/calls/labels/leaderboard/") + ana.page(
            f"/applications/{entrants['ana']}/entries/"
        )
    with world.browser() as visitor:
        public_page = visitor.page("/calls/labels/leaderboard/")
    assert "Final ranking" in english
    assert "Clasament final" in romanian
    assert "Dan Analytics SRL" in public_page
    assert not any(label in english + romanian + public_page for label in LABELS)
    checked = world.factory.admin("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_expression_of_interest_is_admitted_or_declined_and_told(
    cast: Callable[..., Any], until: Callable[..., Any]
) -> None:
    person = cast.person
    world = cast(
        [
            person("operator", "operator", signs_in=True),
            person("ana", organisation="Limbă Vie SRL", language="ro", signs_in=True),
            person("dan", organisation="=Dan Analytics SRL"),
        ]
    )
    open_call(world, "expression-of-interest", "consortium", 0)
    codes = {key: apply(world, key, "consortium") for key in ("ana", "dan")}
    office = world.client("operator").challenges
    assert {one["code"] for one in office.interests("consortium")} == set(codes.values())
    with pytest.raises(Problem) as hidden:
        list(world.client("ana").challenges.interests("consortium"))
    assert hidden.value.status == 404

    office.decline("consortium", codes["ana"], reason="We look for a university.")
    with world.browser("operator") as browser:
        where = f"/calls/consortium/interests/{codes['dan']}/"
        assert "What we say of" in browser.page(where)
        assert browser.post(where, {"is_admitted": "yes", "reason": "Welcome."}).status_code == 302
        browser.speak("ro")
        assert "Organizații admise" in browser.page("/calls/consortium/members/")
        rows = browser.page("/calls/consortium/members.csv").splitlines()
        assert [codes["dan"] in row and "'=Dan Analytics SRL" in row for row in rows[1:]] == [True]
    assert [one["code"] for one in office.members("consortium")] == [codes["dan"]]
    assert world.client("dan").calls.application(codes["dan"])["state"] == "admitted"
    assert world.client("ana").calls.application(codes["ana"])["state"] == "declined"

    mail = world.factory.folder / "mail"
    until(lambda: "We look for a university." in written(mail))
    until(lambda: "organisation joins the consortium" in written(mail))
    with world.browser("ana") as ana:
        assert codes["ana"] in ana.page("/applications/")
    assert world.factory.admin("check").returncode == 0


def written(folder: Path) -> str:
    """Return all mail that was kept, its lines put together again."""
    import email
    import email.policy

    texts = []
    for path in sorted(folder.glob("*")):
        for part in path.read_text(encoding="utf-8", errors="replace").split("-" * 79):
            mail = email.message_from_string(part.lstrip(), policy=email.policy.default)
            body = mail.get_body()
            texts.append(" ".join(str(body.get_content() if body else "").split()))
    return " ".join(texts)
