"""The commands of those who apply, review, enter a challenge, and run the office."""

import json
from pathlib import Path

import pytest

from uzina_client import cli
from uzina_client.tests.conftest import Reply, ScriptedPortal

ENTRY = {
    "code": "ENT-1",
    "state": "scored",
    "is_late": False,
    "is_chosen": True,
    "public_score_millionths": 912_345,
    "private_score_millionths": None,
    "received_at": "2026-11-23T09:00:00Z",
    "sha256": "0" * 64,
    "note": "",
    "problem": "",
}
REVIEW = {
    "code": "REV-1",
    "call": "large-scale",
    "title": "Work",
    "state": "accepted",
    "due_at": "2026-12-01T00:00:00Z",
    "summary": "Short.",
    "topics": ["speech"],
    "least": 1,
    "most": 5,
    "criteria": [{"key": "impact", "title": "Impact", "weight": 1, "threshold": 3}],
    "scores": {"impact": 3},
    "comment": "Kept.",
    "panel_comment": "",
    "notes": "",
    "version": 7,
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


def test_an_entry_is_sent_as_it_is_on_disk(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "entry.csv"
    file.write_text("id,prediction\na,1\n")
    signed_in.will(Reply(201, ENTRY))
    assert cli.run(["challenges", "enter", "APP-1", str(file), "--note", "ours"]) == 0
    sent = signed_in.asked[0]
    assert (sent.method, sent.path) == (
        "POST",
        "/api/v1/calls/applications/APP-1/entries?note=ours",
    )
    assert sent.body == file.read_bytes()
    assert sent.headers["Content-Length"] == str(len(sent.body))
    assert "0.912345" in capsys.readouterr().out


def test_a_leaderboard_is_asked_for_page_by_page(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    place = {
        "rank": 1, "entry": "ENT-1", "name": "", "is_mine": True,
        "score_millionths": 500_000, "received_at": "2026-11-23T09:00:00Z",
    }  # fmt: skip
    signed_in.will(
        Reply(body={"items": [place], "next": 50}),
        Reply(body={"items": [place | {"rank": 51, "is_mine": False}], "next": None}),
    )
    assert cli.run(["challenges", "leaderboard", "labels"]) == 0
    assert [one.path.partition("?")[2] for one in signed_in.asked] == ["after=0", "after=50"]
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["1", "you: no name", "0.500000"],
        ["51", "no name", "0.500000"],
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("review.toml", 'comment = "New."\n[scores]\nimpact = 4\n'),
        ("review.json", '{"comment": "New.", "scores": {"impact": 4}}'),
    ],
)
def test_a_review_is_handed_in_from_a_file_over_what_is_kept_and_with_its_version(
    signed_in: ScriptedPortal, tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    signed_in.will(Reply(body=REVIEW | {"notes": "Mine."}), Reply(body=REVIEW))
    assert cli.run(["reviews", "submit", "REV-1", "--from", str(file), "--quiet"]) == 0
    assert signed_in.asked[1].json() == {
        "scores": {"impact": 4},
        "comment": "New.",
        "panel_comment": "",
        "notes": "Mine.",
        "version": 7,
    }


@pytest.mark.parametrize("text", ["scores = ", '"only a text"', "[1, 2]"])
def test_a_file_that_is_no_table_is_one_line_and_exit_2(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "review.json"
    file.write_text(text)
    signed_in.will(Reply(body=REVIEW))
    assert cli.run(["reviews", "save", "REV-1", "--from", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"uzina: {file} ")
    assert len(told.splitlines()) == 1


def test_an_appeal_and_an_answer_are_read_from_a_file(
    signed_in: ScriptedPortal, tmp_path: Path
) -> None:
    file = tmp_path / "text.txt"
    file.write_text("It was another plan, și încă ceva.")
    appeal = {"code": "APL-1", "application": "APP-1", "state": "filed", "due_at": "",
              "outcome_text": ""}  # fmt: skip
    answer = {"text": "Why?", "answer": "Because."}
    signed_in.will(Reply(body=appeal), Reply(body=answer))
    assert cli.run(["appeals", "file", "APP-1", "--from", str(file), "-q"]) == 0
    assert cli.run(["applications", "answer", "APP-1", "QUE-1", "--text", "Because.", "-q"]) == 0
    first, second = signed_in.asked
    assert first.json() == {"grounds": "It was another plan, și încă ceva."}
    assert second.path == "/api/v1/calls/applications/APP-1/questions/QUE-1/answer"


def test_what_cannot_be_undone_is_not_done_where_nobody_can_say_yes(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["rankings", "release", "RNK-1"],
        ["challenges", "reveal", "labels"],
        ["applications", "reply", "APP-1", "--text", "Thanks."],
        ["reviews", "conflict", "REV-1", "--reason", "Partners."],
    ):
        assert cli.run([*arguments, "--no-input"]) == 2
        assert "--yes" in capsys.readouterr().err
    assert signed_in.asked == []


def test_an_export_is_json_on_standard_output_or_in_a_file(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = {"format": "uzina", "sections": {"project": {"title": "Ș"}}}
    signed_in.will(Reply(body=document), Reply(body=document))
    assert cli.run(["applications", "export", "APP-1"]) == 0
    assert json.loads(capsys.readouterr().out) == document
    assert cli.run(["applications", "export", "APP-1", "--to", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == document


def test_the_queue_is_asked_for_with_what_was_wanted(signed_in: ScriptedPortal) -> None:
    signed_in.will(Reply(body={"items": [], "next": None}))
    assert cli.run(["queue", "--call", "large-scale", "--late", "-q"]) == 0
    assert "call=large-scale" in signed_in.asked[0].path
    assert "late=true" in signed_in.asked[0].path
    assert "owner=" not in signed_in.asked[0].path


def test_a_change_of_an_award_says_its_kind_and_reason(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"code": "AMD-1", "award": "AWD-1", "kind": "extension", "state": "asked",
             "asked_at": "2026-11-23T09:00:00Z"}  # fmt: skip
    signed_in.will(Reply(201, asked))
    done = cli.run(
        ["awards", "amend", "AWD-1", "extension", "--reason", "Late data.", "--months", "2"]
    )
    assert done == 0
    sent = signed_in.asked[0].json()
    assert (sent["kind"], sent["months"], sent["gpu_hours"]) == ("extension", 2, None)
    assert "AMD-1" in capsys.readouterr().out
