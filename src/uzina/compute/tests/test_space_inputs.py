"""Files of a project's storage as inputs of a job, and what a job made put back there."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from uzina.catalogue.actions import spaces, staging
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Item, Reservation, Space
from uzina.catalogue.ports import StoreDown, StoreRefused
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as space_rules
from uzina.compute import actions, rules
from uzina.compute.models import Job
from uzina.compute.queries import run_dir
from uzina.compute.tests.conftest import spec, work_until_settled
from uzina.core.errors import Invalid, Refused
from uzina.core.http import told
from uzina.core.models import LogEntry
from uzina.people.models import Message


def kept(path, body):
    sha256 = hashlib.sha256(body).hexdigest()
    store().put(sha256, iter([body]), size=len(body))
    return space_rules.file(path, size=len(body), sha256=sha256)


@pytest.fixture
def scratch(project, ana):
    now = timezone.now()
    project.starts_at, project.ends_at = now - timedelta(days=1), now + timedelta(days=30)
    project.save()
    made = {one.kind: one for one in spaces.follow_project(project, now=now)}["scratch"]
    files = [kept("data/a.txt", b"one\n"), kept("data/deep/b.txt", b"two\n")]
    spaces.put_files(made, files, by=ana, now=now)
    return made


def test_folders_of_storage_stand_among_the_inputs_of_a_description():
    read = spec(inputs=["ro-corpus@3", "space:PRJ-7Q3K2M/scratch/data", "space:PRJ-7Q3K2M/project"])
    assert [one.dataset for one in read.inputs] == ["ro-corpus"]
    assert read.spaces == ("PRJ-7Q3K2M:scratch/data", "PRJ-7Q3K2M:project")
    assert [rules.space_place(one) for one in read.spaces] == ["data", "project"]
    assert rules.parse_spec(read.as_json()) == read


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": ["space:../scratch/a"]},
        {"inputs": ["space:PRJ-7Q3K2M/home/a"]},
        {"inputs": ["space:PRJ-7Q3K2M/scratch/../a"]},
        {"inputs": ["space:PRJ-7Q3K2M/scratch/a", "space:PRJ-7Q3K2M/project/a"]},
        {"outputs_to": "anywhere"},
        {"outputs_mb": -1},
    ],
)
def test_a_description_with_a_wrong_place_is_refused(changes):
    with pytest.raises(Invalid):
        spec(**changes)


def test_a_job_reads_storage_and_puts_what_it_made_back(ana, project, allocation, scratch):
    job = actions.submit(
        project,
        spec=spec(
            "cat inputs/data/a.txt inputs/data/deep/b.txt > made.txt",
            inputs=[f"space:{project.code}/scratch/data"],
            outputs=["made.txt"],
            outputs_to=f"space:{project.code}/project/results",
            outputs_mb=1,
        ),
        by=ana,
        now=timezone.now(),
        key="k1",
    )
    assert Reservation.objects.get().bytes == 10**6
    work_until_settled(job.code)
    work_until_done()

    item = Item.objects.live().get(space__kind="project")
    assert (item.path, item.bytes, item.put_by) == ("results/made.txt", 8, ana)
    assert b"".join(store().open(item.sha256)) == b"one\ntwo\n"
    assert LogEntry.objects.filter(event="space.staged", facts__job=job.code).count() == 1
    assert queries.check_spaces().problems == []
    assert Space.objects.get(kind="project").reserved_bytes == 0
    assert (run_dir(job) / "inputs" / "data" / "a.txt").stat().st_mode & 0o222 == 0


def work_until_done():
    from uzina.compute.tests.conftest import work

    work(until=lambda: Item.objects.live().filter(space__kind="project").exists())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"inputs": ["space:{code}/scratch/nothing"]}, "item.find.unknown"),
        ({"inputs": ["space:PRJ-ZZZZZZ/scratch/data"]}, "space.find.unknown"),
        ({"outputs_to": "space:{code}/scratch", "outputs_mb": 10**9}, "space.reserve.no_room"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_set_aside(
    ana, project, allocation, scratch, changes, code
):
    filled = {
        name: [one.format(code=project.code) for one in value]
        if isinstance(value, list)
        else value.format(code=project.code)
        if isinstance(value, str)
        else value
        for name, value in changes.items()
    }
    with pytest.raises(Refused) as refused:
        actions.submit(project, spec=spec(**filled), by=ana, now=timezone.now(), key="k1")
    assert refused.value.code == code
    assert not Job.objects.exists()
    assert not Reservation.objects.exists()


def stage(project, ana, to):
    return staging.stage_folder(
        f"{project.code}:scratch/data",
        to=to,
        by=ana,
        project=project,
        now=timezone.now(),
        subject="JOB-2AB3CD",
    )


def test_a_staging_that_was_killed_goes_on_without_copying_what_is_whole(
    project, ana, scratch, tmp_path, monkeypatch
):
    real, laid = staging.lay, []

    def dies_at_the_second(sha256, size, target):
        if laid:
            raise KeyboardInterrupt
        laid.append(target)
        real(sha256, size, target)

    with monkeypatch.context() as patched:
        patched.setattr(staging, "lay", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            stage(project, ana, tmp_path / "in")
    before = laid[0].stat().st_ino

    assert stage(project, ana, tmp_path / "in") == 8
    assert laid[0].stat().st_ino == before
    laid[0].chmod(0o644)
    laid[0].write_bytes(b"oNe\n")
    assert stage(project, ana, tmp_path / "in") == 8
    assert laid[0].read_bytes() == b"one\n"
    assert sorted(one.name for one in (tmp_path / "in").rglob("*")) == ["a.txt", "b.txt", "deep"]


def test_bytes_that_the_store_lost_or_changed_are_not_staged(project, ana, scratch, tmp_path):
    sha256 = Item.objects.get(path="data/a.txt").sha256
    (file,) = [one for one in store().objects.rglob("*") if one.name == sha256]
    file.chmod(0o644)
    file.write_bytes(b"oNe\n")
    with pytest.raises(StoreDown):
        stage(project, ana, tmp_path / "in")
    assert not [one for one in (tmp_path / "in").rglob("*") if one.is_file()]


def test_too_little_disk_is_told_before_the_first_byte(
    project, ana, scratch, tmp_path, monkeypatch
):
    class Full:
        free = 7

    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _path: Full)
    with pytest.raises(StoreRefused) as refused:
        stage(project, ana, tmp_path / "in")
    assert refused.value.code == "blob.stage.disk_full"
    assert not (tmp_path / "in").exists()


def test_outputs_that_do_not_fit_stay_where_they_are_and_the_log_says_so(project, ana, scratch):
    Space.objects.filter(pk=scratch.pk).update(byte_quota=10, byte_limit=10)
    body = b"too much"
    made = staging.Made(
        "out.bin",
        len(body),
        hashlib.sha256(body).hexdigest(),
        lambda first, after: iter([body[first:after]]),
    )
    ana.language = "ro"
    ana.save()
    for _ in range(2):
        refused = staging.take_outputs(
            f"{project.code}:scratch/r", [made], subject="JOB-2AB3CD", by=ana, now=timezone.now()
        )
        assert refused is not None
        assert refused.code == "space.reserve.no_room"
    message = Message.objects.get(kind="catalogue.outputs_refused")
    assert (message.to, "JOB-2AB3CD" in message.subject) == (ana, True)
    with translation.override("ro"):
        assert told(refused) in message.body
    assert "/jobs/JOB-2AB3CD/" in message.body
    assert LogEntry.objects.filter(event="space.outputs_refused", subject="JOB-2AB3CD").exists()
    assert not Item.objects.filter(path="r/out.bin").exists()
