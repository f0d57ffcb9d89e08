"""What datasets say of themselves, from the command line."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina_client import cli
from uzina_client.cli import records
from uzina_client.cli.shell import Stopped
from uzina_client.tests.conftest import Reply, ScriptedPortal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECORD = {
    "slug": "ro-corpus",
    "state": "draft",
    "identifier": "",
    "title": 'Știri "mari"',
    "description": "Rând\nși \\ rând",
    "languages": ["ro", "en"],
    "translations": {"en": {"title": "News", "description": "Lines\n"}},
    "themes": ["EDUC"],
    "keywords": [],
    "frequency": "",
    "creators": [{"name": "Pop, Ana", "url": "https://a.example"}, {"name": "B"}],
    "contact_name": "",
    "contact_email": "date@startup.example",
    "landing_url": "",
    "places": ["ROU"],
    "begins_on": "2025-01-01",
    "ends_on": None,
    "licence": "mit",
    "access_right": "public",
    "answers": {"collection": ["published"], "special_categories": False, "limits": "a\tb"},
    "changed_at": "2026-11-23T09:00:00Z",
    "missing": [{"field": "answers.cost", "code": "x", "detail": "Answer this question."}],
}
CITATION = {
    "identifier": "10.5072/uzina.ro-corpus.v1",
    "is_registered": False,
    "url": "https://factory.example/datasets/ro-corpus/versions/1/",
    "text": "Pop, Ana (2026). News.",
    "bibtex": "@misc{ro-corpus-v1}\n",
    "cff": "cff-version: 1.2.0\n",
    "csl": [{"type": "dataset"}],
}


@pytest.fixture
def signed_in(
    portal: ScriptedPortal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ScriptedPortal:
    """Return a portal that one is signed in to."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UZINA_TOKEN", "uz_secret")
    monkeypatch.setenv("UZINA_URL", portal.url)
    return portal


def said(record):
    return {
        key: value
        for key, value in record.items()
        if key not in records.SET_BY_THE_PORTAL and value is not None
    }


def test_a_record_is_written_to_a_file_that_is_sent_back_unchanged(signed_in, tmp_path, capsys):
    file = tmp_path / "record.toml"
    signed_in.will(Reply(body=RECORD), Reply(body=RECORD))
    assert cli.run(["data", "record", "ro-corpus", "--to", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "answers.cost: Answer this question." in shown
    assert cli.run(["data", "describe", "ro-corpus", str(file)]) == 0
    sent = signed_in.asked[-1]
    assert (sent.method, sent.path) == ("POST", "/api/v1/catalogue/datasets/ro-corpus/describe")
    assert sent.json() == said(RECORD)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.lists(TEXT, max_size=3), st.dictionaries(st.sampled_from(["a", "b_c"]), TEXT))
def test_any_text_survives_the_file(title, keywords, answers):
    record = RECORD | {"title": title, "keywords": keywords, "answers": answers}
    assert tomllib.loads(records.as_toml(record)) == said(record)


def test_dates_of_a_file_are_sent_as_text_and_json_is_read_too(signed_in, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("begins_on = 2025-01-01\n[answers]\nretention_until = 2030-01-01\n")
    other = tmp_path / "a.json"
    other.write_text(json.dumps({"title": "T", "answers": {"cost": None}}))
    signed_in.will(Reply(body=RECORD), Reply(body=RECORD))
    assert cli.run(["data", "describe", "ro-corpus", str(file)]) == 0
    assert signed_in.asked[-1].json() == {
        "begins_on": "2025-01-01",
        "answers": {"retention_until": "2030-01-01"},
    }
    assert cli.run(["data", "describe", "ro-corpus", str(other)]) == 0
    assert signed_in.asked[-1].json() == {"title": "T", "answers": {"cost": None}}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.toml", b"title = "), ("a.toml", b"\xff\xfe"), ("a.json", b"[1]"), ("a.json", b"{")],
)
def test_a_file_that_is_no_record_is_told_and_nothing_is_sent(signed_in, tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(Stopped):
        records.read(file)
    assert cli.run(["data", "describe", "ro-corpus", str(file)]) != 0
    assert signed_in.asked == []


def test_a_refusal_names_each_field(signed_in, tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text('title = ""\n')
    refusal = {
        "type": "/problems/input.invalid",
        "status": 422,
        "code": "input.invalid",
        "detail": "1 answers need a change: title.",
        "errors": [{"pointer": "/title", "code": "text.empty", "detail": "Write something here."}],
    }
    signed_in.will(Reply(422, refusal, {"Content-Type": "application/problem+json"}))
    assert cli.run(["data", "describe", "ro-corpus", str(file)]) == 2
    assert "Write something here." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("style", "printed"),
    [
        ("text", "Pop, Ana (2026). News.\n"),
        ("bibtex", "@misc{ro-corpus-v1}\n"),
        ("csl", '[\n  {\n    "type": "dataset"\n  }\n]\n'),
    ],
)
def test_a_citation_is_printed_ready_to_copy(signed_in, capsys, style, printed):
    signed_in.will(Reply(body=CITATION))
    assert cli.run(["data", "cite", "ro-corpus@1", "--style", style]) == 0
    assert capsys.readouterr().out == printed
    assert signed_in.asked[-1].path == "/api/v1/catalogue/datasets/ro-corpus/versions/1/citation"


@pytest.mark.parametrize("words", [["ro-corpus"], ["ro-corpus@x"], ["a@1", "--style", "apa"]])
def test_a_citation_without_version_or_style_is_not_asked_for(signed_in, words):
    assert cli.run(["data", "cite", *words]) != 0
    assert signed_in.asked == []
