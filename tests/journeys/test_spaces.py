"""A project's storage over HTTP: sent, found, moved, trashed, taken back, made a version of."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from uzina.catalogue.actions import spaces as space_actions
from uzina.people import actions as people
from uzina_client import Client
from uzina_client.problems import Problem

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def running(project):
    """The project runs now: doors have the real clock."""
    project.starts_at, project.ends_at = now() - timedelta(days=1), now() + timedelta(days=60)
    project.save()
    space_actions.follow_project(project, now=now())
    return project


@pytest.fixture
def client_of(live_server):
    def client_of(person):
        made = people.issue_token(
            person, name="journey", lifetime=timedelta(days=1), by=person, now=now()
        )
        return Client(live_server.url, made.secret)

    return client_of


def test_a_member_keeps_files_and_a_stranger_sees_none(
    running, ana, stranger, client_of, tmp_path, live_server
):
    place = f"{running.code}:scratch/run"
    folder = tmp_path / "run"
    (folder / "deep").mkdir(parents=True)
    (folder / "ăsta.txt").write_text("Bună ziua\n")
    (folder / "deep" / "two.txt").write_text("two")
    with client_of(ana) as mine:
        mine.catalogue.push(place, folder)
        listed = mine.spaces.folder(place)
        assert [(one["name"], one["is_folder"]) for one in listed["entries"]] == [
            ("deep", True),
            ("ăsta.txt", False),
        ]
        space = mine.spaces.show(place)
        assert (space["used_files"], space["used_bytes"]) == (2, 14)

        assert mine.spaces.move(place, f"{running.code}:project/kept") == 2
        assert mine.spaces.trash(f"{running.code}:project/kept/deep") == 1
        (trashed,) = mine.spaces.items(f"{running.code}:project", is_trashed=True)
        assert trashed["path"] == "kept/deep/two.txt"
        assert mine.spaces.restore(f"{running.code}:project", [trashed["id"]]) == 1

        fetched = tmp_path / "back"
        mine.catalogue.pull(f"{running.code}:project/kept", fetched)
        assert (fetched / "ăsta.txt").read_text() == "Bună ziua\n"

        with pytest.raises(Problem) as refused:
            mine.spaces.trash(f"{running.code}:scratch/nothing")
        assert refused.value.code == "item.find.unknown"
    with client_of(stranger) as theirs:
        assert list(theirs.spaces.list()) == []
        with pytest.raises(Problem) as hidden:
            theirs.spaces.folder(f"{running.code}:project")
        assert hidden.value.status == 404


def test_the_command_lists_shows_moves_trashes_and_restores(
    running, ana, client_of, tmp_path, live_server
):
    with client_of(ana) as mine:
        folder = tmp_path / "f"
        folder.mkdir()
        (folder / "a.txt").write_text("a")
        mine.catalogue.push(f"{running.code}:scratch/f", folder)
        token = mine.transport.http.headers["Authorization"].removeprefix("Bearer ")
    environment = os.environ | {
        "UZINA_TOKEN": token,
        "UZINA_URL": live_server.url,
        "HOME": str(tmp_path),
    }

    def uzina(*words):
        done = subprocess.run(
            [sys.executable, "-m", "uzina_client.cli", "space", *words, "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=Path(tmp_path),
        )
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    code, rows = uzina("list")
    assert code == 0
    assert {one["kind"] for one in rows} == {"scratch", "project", "dataset"}
    assert uzina("show", f"{running.code}:scratch/f")[1][0]["name"] == "a.txt"
    assert uzina("move", f"{running.code}:scratch/f", f"{running.code}:scratch/g")[1]["files"] == 1
    assert uzina("trash", f"{running.code}:scratch/g/a.txt")[1]["files"] == 1
    assert uzina("restore", f"{running.code}:scratch")[1]["files"] == 1
    assert uzina("show", "nonsense")[0] == 2
