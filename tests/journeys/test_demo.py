"""`uzina-admin demo`: what it does with a folder that is not empty, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from uzina.root.demo import APPLICANT, LEAD, OFFICE, end_jobs, processes_of, summary_of
from uzina_client.story import DEMO, Story, Teller

pytestmark = pytest.mark.timeout(600)

SUMMARY = {
    "application": "APP-TEST00",
    "award": "AWD-TEST00",
    "project": "PRJ-TEST00",
    "seconds_per_stage": {"call": 1.0},
    "gpu_seconds": {"granted": 3600.0, "spent": 1.5, "left": 3598.5},
    "books_balanced": True,
    "bits_per_byte": {"model": 2.0, "unigram_token": 4.0, "xz": 2.2},
    "model_directory": "model",
}


def demo(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the demo where nobody can be asked."""
    return subprocess.run(
        [sys.executable, "-m", "uzina.root.admin", "demo", "--once", "--folder", folder, *more],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if "UZINA" not in name},
    )


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = demo(tmp_path, "--fresh")
    assert done.returncode == 1
    assert "holds other things" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_told_story_is_not_told_again_and_everyone_can_sign_in(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the story of APP-TEST00, told to its end" in done.stdout
    assert "1. The factory opens a Playground call" not in done.stdout
    passwords = json.loads((tmp_path / "people.json").read_text())
    emails = [APPLICANT[0], LEAD[0], *(email for email, _name in OFFICE.values())]
    for email in emails:
        assert f"{email:<28} {passwords[email]}" in done.stdout
    assert (tmp_path / "people.json").stat().st_mode & 0o077 == 0


def test_the_summary_has_the_promised_keys_and_no_others() -> None:
    story = Story("", None, DEMO, Path(), Path(), Teller(), lambda _job: False)
    story.facts = {name: SUMMARY.get(name) for name in SUMMARY}
    assert summary_of(story, balanced=True).keys() == SUMMARY.keys()


def test_the_end_of_a_demo_ends_its_jobs(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "JOB-TEST00"
    with subprocess.Popen(["sleep", "600"], env={"UZINA_RUN_DIR": str(run)}) as job:
        assert processes_of("JOB-TEST00") == [job.pid]
        waiter = threading.Thread(target=job.wait)
        waiter.start()
        end_jobs(tmp_path)
        waiter.join(10)
    assert job.returncode == -signal.SIGTERM
    assert processes_of("JOB-TEST00") == []
