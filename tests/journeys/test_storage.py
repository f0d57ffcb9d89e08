"""Files sent and fetched over HTTP, with the store in a folder and in a real S3.

Whoever is killed in between, client or server, nothing half is ever kept, and the same command
goes on where it stopped.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from test_serve import children, wait_until

from uzina.root.demo import Factory
from uzina_client import Client

pytestmark = pytest.mark.timeout(900)

MIB = 1 << 20
LARGE = 2 * 16 * MIB + 12_345
"""Three parts: the portal decides on 16 MiB."""
CEILING = 256 * MIB
GROWTH = 150 * MIB
HELD = """
import sys, time
from pathlib import Path
from uzina_client import Client
class Held:
    moved = 0
    def expect(self, size): pass
    def say(self, text): pass
    def move(self, size):
        print("moved", flush=True)
        sys.stdin.readline()
url, token, reference, folder = sys.argv[1:]
client = Client(url, token)
client.catalogue.transfer.progress = Held()
client.catalogue.transfer.at_once = 1
client.catalogue.push(reference, Path(folder), note="Held.")
print("done", flush=True)
"""
MEASURED = """
import sys
from uzina_client import cli
code = cli.run(sys.argv[1:])
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print("peak", peak[0], file=sys.stderr)
sys.exit(code)
"""


@contextmanager
def bucket() -> Iterator[dict[str, str]]:
    """Give the settings of a bucket of a real S3, emptied afterwards."""
    url = os.environ.get("UZINA_TEST_S3_URL", "")
    if not url:
        pytest.fail("UZINA_TEST_S3_URL is not set: `make test` starts a real S3 server.")
    given = {"endpoint": url, "bucket": f"j-{uuid.uuid4().hex[:12]}"}
    given |= {"access_key": "key", "secret_key": "secret", "region": "us-east-1", "kind": "s3"}
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=given["bucket"])
    yield given
    for one in client.list_objects_v2(Bucket=given["bucket"]).get("Contents", []):
        client.delete_object(Bucket=given["bucket"], Key=one["Key"])
    client.close()


def serve(
    folder: Path, awarded: Callable[..., dict[str, str]], store: dict[str, str]
) -> Iterator[tuple[Factory, dict[str, str]]]:
    """Give a factory that serves, and who leads a project in it."""
    factory = Factory.at(folder, {"store": store}, usual=0)
    try:
        known = awarded(factory)
        factory.start()
        yield factory, known
    finally:
        factory.stop()


@pytest.fixture(scope="module")
def on_folder(
    tmp_path_factory: pytest.TempPathFactory, awarded: Callable[..., dict[str, str]]
) -> Iterator[tuple[Factory, dict[str, str]]]:
    yield from serve(tmp_path_factory.mktemp("folder") / "factory", awarded, {})


@pytest.fixture(scope="module")
def on_s3(
    tmp_path_factory: pytest.TempPathFactory, awarded: Callable[..., dict[str, str]]
) -> Iterator[tuple[Factory, dict[str, str]]]:
    with bucket() as store:
        yield from serve(tmp_path_factory.mktemp("s3") / "factory", awarded, store)


@pytest.fixture(params=["folder", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def served(kind: str, request: pytest.FixtureRequest) -> tuple[Factory, dict[str, str]]:
    """Return a factory with that store, for all tests here; each has a dataset of its own."""
    found: tuple[Factory, dict[str, str]] = request.getfixturevalue(f"on_{kind}")
    return found


@pytest.fixture
def slug() -> str:
    return f"corpus-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def lead(served: tuple[Factory, dict[str, str]], slug: str, tmp_path: Path) -> Iterator[Client]:
    """Return the portal as the project's lead sees it, with a dataset to push to."""
    factory, known = served
    with Client(factory.url, known["token"]) as client:
        client.catalogue.register(
            {
                "slug": slug,
                "title": "Corpus",
                "description": "For a journey.",
                "licence": "cc0-1.0",
                "languages": ["ro"],
                "project": known["project"],
            }
        )
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of files: large, small, empty, with names from Romania."""
    place = tmp_path / "here"
    (place / "știri").mkdir(parents=True)
    (place / "large.bin").write_bytes(random.Random(1).randbytes(LARGE))
    (place / "știri" / "întâi #1 ?.txt").write_text("Bună ziua\n" * 100)
    (place / "empty.txt").write_bytes(b"")
    return place


def command(
    factory: Factory, known: dict[str, str], home: Path, *words: str, script: str = MEASURED
) -> subprocess.CompletedProcess[str]:
    """Run `uzina data …` and return what it said; its last line on stderr is its peak memory."""
    environment = factory.environment | {
        "UZINA_TOKEN": known["token"],
        "UZINA_URL": factory.url,
        "XDG_CONFIG_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
    }
    done = subprocess.run(
        [sys.executable, "-c", script, "data", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done


def held_push(factory: Factory, known: dict[str, str], home: Path, slug: str, folder: Path) -> Any:
    """Begin a push that stops after each part until it is told to go on."""
    return subprocess.Popen(
        [sys.executable, "-c", HELD, factory.url, known["token"], slug, str(folder)],
        env=factory.environment | {"XDG_CACHE_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def contents(folder: Path) -> dict[str, str]:
    """Return every file of a folder with its checksum."""
    return {
        one.relative_to(folder).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.rglob("*")
        if one.is_file()
    }


def past_small(push: Any) -> None:
    """Let the small files pass; return when the first part of the large one has arrived."""
    for _small in range(2):
        assert push.stdout.readline() == "moved\n"
        push.stdin.write("\n")
        push.stdin.flush()
    assert push.stdout.readline() == "moved\n"


def test_a_killed_push_goes_on_and_a_pull_brings_the_same_back(
    served: tuple[Factory, dict[str, str]],
    lead: Client,
    folder: Path,
    tmp_path: Path,
    slug: str,
    kind: str,
) -> None:
    factory, known = served
    home, back = tmp_path / "home", tmp_path / "back"
    push = held_push(factory, known, home, slug, folder)
    past_small(push)
    push.kill()
    push.wait()
    push.stdin.close()
    push.stdout.close()

    (open_one,) = lead.transport.get("/catalogue/uploads")
    code = open_one["code"]
    parts = lead.transport.get(f"/catalogue/uploads/{code}")["parts"]
    assert [one["number"] for one in parts] == [1]
    assert lead.catalogue.dataset(slug)["version_list"] == []

    pushed = command(factory, known, home, "push", slug, str(folder), "--note", "First.")
    assert f"{slug}@1" in pushed.stdout
    ended = lead.transport.get(f"/catalogue/uploads/{code}")
    assert (ended["state"], ended["bytes"]) == ("kept", LARGE), "it went on with the same upload"
    assert lead.transport.get("/catalogue/uploads") == []

    command(factory, known, home, "pull", slug, str(back))
    assert contents(back) == contents(folder)
    again = command(factory, known, home, "push", slug, str(folder))
    assert "Nothing differs" in again.stderr

    (folder / "new.txt").write_text("new\n")
    (folder / "empty.txt").unlink()
    rehearsed = command(factory, known, home, "sync", slug, str(folder), "--dry-run")
    assert rehearsed.stdout.splitlines() == ["empty.txt\tkeep", "new.txt\tsend"]
    assert lead.catalogue.version(slug, 1)["file_count"] == 3
    command(factory, known, home, "sync", slug, str(folder), "--note", "More.")
    assert lead.catalogue.version(slug, 2)["file_count"] == 4
    command(factory, known, home, "sync", slug, str(folder), "--note", "Less.", "--delete")
    assert lead.catalogue.version(slug, 3)["file_count"] == 3
    command(factory, known, home, "pull", f"{slug}@3", str(back), "--delete")
    assert contents(back) == contents(folder)
    check_links(lead, folder, slug, kind)


def check_links(lead: Client, folder: Path, slug: str, kind: str) -> None:
    """Fetch ranges by a short-lived link, without a token, from where the bytes are."""
    links = lead.transport.post_secret(
        f"/catalogue/datasets/{slug}/versions/3/links", {"paths": ["large.bin"]}
    )
    assert links[0]["url"].startswith(lead.url) is (kind == "folder")
    whole = (folder / "large.bin").read_bytes()
    part = httpx.get(links[0]["url"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])
    assert part.headers["Content-Disposition"].startswith("attachment")
    end = httpx.get(links[0]["url"], headers={"Range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, whole[-10:])


def test_a_download_that_was_cut_off_goes_on(
    served: tuple[Factory, dict[str, str]], lead: Client, folder: Path, tmp_path: Path, slug: str
) -> None:
    factory, known = served
    home, back = tmp_path / "home", tmp_path / "back"
    command(factory, known, home, "push", slug, str(folder), "--note", "First.")
    whole = (folder / "large.bin").read_bytes()
    back.mkdir()
    part = back / f".large.bin.{hashlib.sha256(whole).hexdigest()[:12]}.part"
    part.write_bytes(whole[: 20 * MIB])
    command(factory, known, home, "pull", slug, str(back))
    assert contents(back) == contents(folder)

    (back / "large.bin").unlink()
    part.write_bytes(b"x" * 1000)
    failed = subprocess.run(
        [sys.executable, "-m", "uzina_client.cli", "data", "pull", slug, str(back)],
        env=factory.environment
        | {"UZINA_TOKEN": known["token"], "UZINA_URL": factory.url, "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "came broken" in failed.stderr
    assert not (back / "large.bin").exists()
    command(factory, known, home, "pull", slug, str(back))
    assert contents(back) == contents(folder)


@pytest.mark.parametrize("kind", ["folder"])
def test_a_server_killed_in_mid_upload_has_the_parts_when_it_is_back(
    served: tuple[Factory, dict[str, str]], lead: Client, folder: Path, tmp_path: Path, slug: str
) -> None:
    factory, known = served
    push = held_push(factory, known, tmp_path / "home", slug, folder)
    past_small(push)
    before = children(factory.process.pid)["web"]
    os.kill(before, signal.SIGKILL)
    push.stdin.write("\n" * 10)
    push.stdin.flush()
    wait_until(lambda: children(factory.process.pid).get("web", before) != before, 60)
    said, _nothing = push.communicate(timeout=300)
    assert push.returncode == 0
    assert said.splitlines() == ["moved", "moved", "done"]
    (file,) = [
        one for one in lead.catalogue.version(slug, 1)["manifest"] if one["path"] == "large.bin"
    ]
    whole = (folder / "large.bin").read_bytes()
    assert file["sha256"] == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("kind", ["folder"])
def test_a_space_is_filled_and_emptied_by_folder(
    served: tuple[Factory, dict[str, str]], lead: Client, folder: Path, tmp_path: Path, slug: str
) -> None:
    factory, known = served
    home, back, space = tmp_path / "home", tmp_path / "back", f"{known['project']}:scratch/run-1"
    command(factory, known, home, "push", space, str(folder))
    command(factory, known, home, "pull", space, str(back))
    assert contents(back) == contents(folder)
    (folder / "large.bin").unlink()
    command(factory, known, home, "sync", space, str(folder), "--delete")
    command(factory, known, home, "pull", space, str(back), "--delete")
    assert contents(back) == contents(folder)
    assert "large.bin" not in contents(back)


@pytest.mark.parametrize("kind", ["folder"])
def test_a_large_file_passes_both_ends_in_bounded_memory(
    served: tuple[Factory, dict[str, str]], lead: Client, tmp_path: Path, slug: str
) -> None:
    """Three hundred megabytes; both ceilings are far below that, so nobody can have held it."""
    factory, known = served
    large, back = tmp_path / "large.bin", tmp_path / "back"
    with large.open("wb") as file:
        file.truncate(300_000_000)
    before = peaks(factory)
    words = ["push", slug, str(large), "--note", "First."]
    sent = command(factory, known, tmp_path / "home", *words)
    fetched = command(factory, known, tmp_path / "home", "pull", slug, str(back))
    assert (back / "large.bin").stat().st_size == 300_000_000
    for done in (sent, fetched):
        assert int(done.stderr.split()[-1]) * 1024 < CEILING
    for name, peak in peaks(factory).items():
        assert peak - before[name] < GROWTH, name


def peaks(factory: Factory) -> dict[str, int]:
    """Return the largest memory of the web server and of the worker so far, in bytes."""
    found = {}
    for name, process in children(factory.process.pid).items():
        family = [process, *descendants(process)]
        statuses = [Path(f"/proc/{one}/status").read_text().splitlines() for one in family]
        lines = [line for status in statuses for line in status if line.startswith("VmHWM")]
        found[name] = max(int(line.split()[1]) for line in lines) * 1024
    return found


def descendants(process: int) -> list[int]:
    """Return the children of a process and theirs: the web server has one that works."""
    own = []
    for place in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(place.name) and int(fields[1]) == process:
                own.append(int(place.name))
    return own + [below for one in own for below in descendants(one)]
