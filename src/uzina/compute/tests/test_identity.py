"""Jobs as the people who submitted them: the wrapper with real Unix users on the real Slurm."""

# ruff: noqa: ARG005 - an attack is made of the site and of a folder, of which it may use one

import fcntl
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.compute import actions, queries
from uzina.compute.adapters import inputs
from uzina.compute.adapters.commands import LocalCommands, Ran, as_user, client_environment
from uzina.compute.adapters.slurm import SlurmScheduler, batch_script, sbatch_argv
from uzina.compute.models import Job
from uzina.compute.ports import Accepted, SchedulerDown
from uzina.compute.rules import JobState
from uzina.compute.tests.conftest import SLURM_CONF, balance, spec, work, work_until_settled
from uzina.compute.tests.test_scheduler import (
    new_key,
    now_s,
    script,
    text_of,
    wait_for,
)
from uzina.core.errors import Refused
from uzina.core.models import LogEntry, Promise

DEPLOY = Path(__file__).parents[4] / "deploy"
pytestmark = [
    pytest.mark.xdist_group("unix-users"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make Unix users"),
]
needs_slurm = pytest.mark.skipif(not SLURM_CONF, reason="needs the Slurm of tests/services")


@dataclass(frozen=True)
class Site:
    """A cluster's head node in small: people, the portal's user, a run root, the wrapper."""

    base: Path
    ana: str
    ion: str
    outsider: str
    portal: str
    people: str

    @property
    def root(self):
        return self.base / "runs"

    @property
    def wrapper(self):
        return self.base / "sbin/uzina-as"

    @property
    def settings(self):
        return self.base / "etc/as.json"

    def call(self, *words, stdin="", environment=None):
        """Call the wrapper as root and return how it ended."""
        return subprocess.run(
            [str(self.wrapper), *map(str, words)],
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            env=environment or {"PATH": os.environ["PATH"]},
            timeout=60,
            check=False,
        )

    def as_person(self, user, *argv):
        return subprocess.run(
            ["setpriv", "--reuid", user, "--regid", group_of(user), "--init-groups", *argv],
            capture_output=True, text=True, timeout=60, check=False, cwd="/",
        )  # fmt: skip

    def seen(self):
        """Return everything there is below the base, to see that nothing changed."""
        found = {}
        for path in sorted(self.base.rglob("*")):
            about = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (
                about.st_mode,
                about.st_uid,
                about.st_gid,
                about.st_ctime_ns,
                content,
            )
        return found


@contextmanager
def effectively(user):
    """Have this process be a user for a while."""
    groups, person = os.getgroups(), pwd.getpwnam(user)
    try:
        os.setgroups([person.pw_gid])
        os.setegid(person.pw_gid)
        os.seteuid(person.pw_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def group_of(user):
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def shell(*argv, check=True):
    return subprocess.run(argv, check=check, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site():
    mark = f"uzt{os.getpid() % 100_000}"
    base = Path(tempfile.mkdtemp(prefix=f"{mark}-", dir="/tmp"))
    made = Site(base, f"{mark}a", f"{mark}i", f"{mark}o", f"{mark}p", f"{mark}g")
    with Path("/tmp/uzina-test-users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for group in (made.people, made.portal):
                shell("groupadd", group)
            for user in (made.ana, made.ion, made.outsider):
                groups = ["-G", made.people] if user != made.outsider else []
                shell("useradd", "-M", "-d", "/nonexistent", "-s", "/bin/bash", "-U", *groups, user)
            shell("useradd", "-M", "-s", "/bin/sh", "-g", made.portal, made.portal)
            base.chmod(0o755)
            made.root.mkdir()
            shutil.chown(made.root, 0, made.portal)
            made.root.chmod(0o2771)
            for path in (made.wrapper, made.settings):
                path.parent.mkdir()
                path.parent.chmod(0o755)
            text = (DEPLOY / "uzina-as").read_text()
            default = 'SETTINGS = "/etc/uzina/as.json"'
            assert text.count(default) == 1
            made.wrapper.write_text(text.replace(default, f'SETTINGS = "{made.settings}"'))
            made.wrapper.chmod(0o755)
            made.settings.write_text(json.dumps(settings_of(made)))
            made.settings.chmod(0o644)
            yield made
        finally:
            for user in (made.ana, made.ion, made.outsider, made.portal):
                shell("userdel", user, check=False)
            for group in (made.people, made.portal):
                shell("groupdel", group, check=False)
            shutil.rmtree(base, ignore_errors=True)


def settings_of(site, **changes):
    return {
        "roots": [str(site.root)],
        "people": site.people,
        "portal_group": site.portal,
        "sbatch": shutil.which("sbatch") or "/usr/bin/sbatch",
        "slurm_conf": SLURM_CONF,
    } | changes


@pytest.fixture(scope="module")
def scheduler(site):
    """Slurm, in which ana and ion may charge the tests' account."""
    run = LocalCommands(client_environment(SLURM_CONF))
    may_read = site.as_person(site.ana, "test", "-r", SLURM_CONF).returncode == 0
    assert may_read, f"{SLURM_CONF}: every folder above it must let other Unix users through"
    for user in (site.ana, site.ion):
        ran = run(["sacctmgr", "-iQ", "add", "user", user, "account=uzina"])
        assert ran.code == 0, ran
    yield SlurmScheduler(
        slurm_conf=SLURM_CONF, account="uzina", partition="gpu", wrapper=[str(site.wrapper)]
    )
    for user in (site.ana, site.ion):
        run(["sacctmgr", "-iQ", "delete", "user", user, "account=uzina"])


def run_as(scheduler, site, user, text, name=None, files=None):
    """Run a shell job as a user to its end; return its run directory and its sight."""
    key = new_key()
    run_dir = site.root / (name or key)
    scheduler.lay(run_dir, files or {}, user=user)
    answer = scheduler.submit(script(text), key=key, run_dir=run_dir, user=user, account="uzina")
    assert isinstance(answer, Accepted), answer
    job = (answer.native_id, key)
    return run_dir, wait_for(scheduler, job, JobState.DONE, JobState.FAILED)


# --- as whom a job runs -------------------------------------------------------------------------


@needs_slurm
def test_a_job_runs_as_the_person_and_the_portal_can_read_what_it_leaves(scheduler, site):
    text = "id -un; umask; cat words; echo mine >result; echo $HOME"
    run_dir, sight = run_as(scheduler, site, site.ana, text, files={"words": "of ana\n"})

    assert sight.state is JobState.DONE
    assert text_of(scheduler, run_dir) == f"{site.ana}\n0007\nof ana\n{run_dir}\n"
    told = LocalCommands(client_environment(SLURM_CONF))(
        ["sacct", "-nPX", "-o", "User,Account", "-j", sight.native_id]
    )
    assert told.stdout.strip() == f"{site.ana}|uzina"
    about = run_dir.stat()
    assert (pwd.getpwuid(about.st_uid).pw_name, grp.getgrgid(about.st_gid).gr_name) == (
        site.ana,
        site.portal,
    )
    assert about.st_mode & 0o7777 == 0o2770
    for name in ("result", "logs/stdout.log"):
        assert (run_dir / name).owner() == site.ana
        assert site.as_person(site.portal, "cat", str(run_dir / name)).returncode == 0
    piece = site.call(site.ana, "tail", run_dir / "result", 1, 3)
    assert (piece.returncode, piece.stdout) == (0, b"ine")


@needs_slurm
def test_a_job_reads_and_writes_only_what_is_its_own(scheduler, site):
    of_ana, _sight = run_as(scheduler, site, site.ana, "echo secret >result")
    text = f"""
        cat {of_ana}/result; ls {of_ana}; echo x >{of_ana}/mine; echo x >{of_ana}/result
        ls {site.root}; mkdir {site.root}/mine; rm -rf {of_ana}; id -Gn"""

    run_dir, _sight = run_as(scheduler, site, site.ion, text)

    assert text_of(scheduler, run_dir).split() == [group_of(site.ion), site.people]
    assert text_of(scheduler, run_dir, "stderr").count("Permission denied") >= 6
    assert (of_ana / "result").read_text() == "secret\n"
    assert not (site.root / "mine").exists()


def test_a_run_directory_of_another_person_is_refused(site):
    folder = site.root / new_key()
    assert site.call(site.ana, "lay", folder, stdin="{}").returncode == 0
    before = site.seen()

    for words in (["lay", folder], sbatch_words(folder), ["tail", folder / "x", 0, 9]):
        ran = site.call(site.ion, *words, stdin="{}" if words[0] == "lay" else SCRIPT)
        assert ran.returncode == 77
    assert site.seen() == before


def test_laying_out_twice_takes_away_what_would_end_the_next_job(site):
    folder = site.root / new_key()
    assert site.call(site.ana, "lay", folder, stdin='{"a/b": "1", "c": "2"}').returncode == 0
    for left in ("STOP", "exit.json"):
        site.as_person(site.ana, "touch", str(folder / left))
    assert site.call(site.ana, "lay", folder, stdin='{"a/b": "ș"}').returncode == 0

    assert sorted(one.name for one in folder.iterdir()) == ["a", "c", "logs"]
    assert (folder / "a/b").read_text() == "ș"
    assert (folder / "a").stat().st_mode & 0o7777 == 0o2770
    assert (folder / "a/b").stat().st_mode & 0o7777 == 0o660


@pytest.mark.parametrize("place", ["file", "folder", "hard link", "logs"])
def test_a_link_that_the_person_laid_is_not_followed(site, place):
    folder, other = site.root / new_key(), site.root / new_key()
    site.call(site.ana, "lay", folder, stdin="{}")
    site.call(site.ion, "lay", other, stdin='{"keep": "as it is"}')
    if place == "file":
        site.as_person(site.ana, "ln", "-s", str(other / "keep"), str(folder / "x"))
    elif place == "folder":
        site.as_person(site.ana, "ln", "-s", str(site.base / "etc"), str(folder / "x"))
    elif place == "hard link":
        os.link(other / "keep", folder / "x")
    else:
        site.as_person(site.ana, "rm", "-r", str(folder / "logs"))
        site.as_person(site.ana, "ln", "-s", str(site.base), str(folder / "logs"))
    path = "x/as.json" if place == "folder" else "x"

    ran = site.call(site.ana, "lay", folder, stdin=json.dumps({path: "changed"}))

    assert (other / "keep").read_text() == "as it is"
    assert json.loads(site.settings.read_text()) == settings_of(site)
    assert ran.returncode == (77 if place in {"folder", "logs"} else 0)


@pytest.mark.parametrize("trick", ["none", "again", "a link", "a file", "a folder of its own"])
def test_inputs_are_readable_by_the_person_and_go_where_they_belong(site, trick):
    """Whatever the person laid in the way: the factory writes through no link of theirs."""
    folder, elsewhere = site.root / new_key(), site.base / f"elsewhere-{new_key()}"
    site.call(site.ana, "lay", folder, stdin="{}")
    elsewhere.mkdir()
    if trick == "a link":
        site.as_person(site.ana, "ln", "-s", str(elsewhere), str(folder / "inputs"))
    elif trick == "a file":
        site.as_person(site.ana, "touch", str(folder / "inputs"))
    elif trick == "a folder of its own":
        site.as_person(site.ana, "mkdir", str(folder / "inputs"))
        site.as_person(site.ana, "ln", "-s", str(elsewhere), str(folder / "inputs/set"))
    mask = os.umask(0o077)
    try:
        for _time in range(2 if trick == "again" else 1):
            with inputs.laid(folder, is_ours=False) as place:
                (place / "set/deep").mkdir(parents=True)
                (place / "set/deep/words").write_text("of the data set")
                (place / "set/deep/words").chmod(0o400)
    finally:
        os.umask(mask)

    read = site.as_person(site.ana, "cat", str(folder / "inputs/set/deep/words"))
    assert (read.stdout, read.stderr) == ("of the data set", "")
    assert site.as_person(site.ion, "cat", str(folder / "inputs/set/deep/words")).returncode != 0
    assert list(elsewhere.iterdir()) == []
    assert not [one for one in site.root.iterdir() if one.name.startswith(".")]


def test_what_only_the_person_can_move_out_of_the_way_is_told(site):
    """The factory's user is not root: it cannot move a folder that it may not write to."""
    folder = site.root / new_key()
    site.call(site.ana, "lay", folder, stdin="{}")
    site.as_person(site.ana, "mkdir", "-m", "700", str(folder / "inputs"))

    with effectively(site.portal):
        refused = pytest.raises(SchedulerDown, match="not ours to move")
        with refused, inputs.laid(folder, is_ours=False) as place:
            (place / "x").write_text("x")
        free = folder.with_name(f"{folder.name}-free")
        free.mkdir()
        with inputs.laid(free, is_ours=False) as place:
            (place / "x").write_text("x")
        assert (free / "inputs/x").read_text() == "x"

    assert list((folder / "inputs").iterdir()) == []
    assert not [one for one in site.root.iterdir() if one.name.startswith(".")]


def test_inputs_that_could_not_be_laid_leave_nothing_behind(site):
    folder = site.root / new_key()
    site.call(site.ana, "lay", folder, stdin="{}")
    with pytest.raises(OSError, match="full"), inputs.laid(folder, is_ours=False) as place:
        (place / "half").write_text("x")
        raise OSError("the disk is full")
    assert [one.name for one in folder.iterdir()] == ["logs"]
    assert not [one for one in site.root.iterdir() if one.name.startswith(".")]


def test_what_was_laid_before_a_kill_is_there_when_it_goes_on(site):
    folder = site.root / new_key()
    site.call(site.ana, "lay", folder, stdin="{}")
    child = os.fork()
    if child == 0:
        try:
            with inputs.laid(folder, is_ours=False) as place:
                (place / "done").write_text("whole")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (folder / "inputs").exists()

    with inputs.laid(folder, is_ours=False) as place:
        assert (place / "done").read_text() == "whole"
        busy = pytest.raises(SchedulerDown, match="being laid")
        with busy, inputs.laid(folder, is_ours=False):
            pass
        (place / "more").write_text("too")
    assert {one.name for one in (folder / "inputs").iterdir()} == {"done", "more"}
    assert not [one for one in site.root.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("trick", ["a link", "a file", "open to others"])
def test_a_folder_that_somebody_laid_in_the_way_is_not_entered(site, trick):
    folder, elsewhere = site.root / new_key(), site.base / f"elsewhere-{new_key()}"
    site.call(site.ana, "lay", folder, stdin="{}")
    elsewhere.mkdir()
    private = folder.with_name(f".{folder.name}.inputs")
    if trick == "a link":
        private.symlink_to(elsewhere)
    elif trick == "a file":
        private.touch()
    else:
        private.mkdir()
        private.chmod(0o777)
    with pytest.raises(SchedulerDown, match="in the way"), inputs.laid(folder, is_ours=False):
        pass
    assert list(elsewhere.iterdir()) == []
    shutil.rmtree(private) if trick == "open to others" else private.unlink()


# --- attacks ------------------------------------------------------------------------------------

SCRIPT = "#!/bin/bash\ntrue\n"


def sbatch_words(folder, *others, **changes):
    argv = sbatch_argv(
        script("true"), key="key", run_dir=Path(folder), account="uzina", partition="gpu"
    )
    for option, value in changes.items():
        name = f"--{option.replace('_', '-')}="
        argv = [name + value if word.startswith(name) else word for word in argv]
    return [*argv, *others]


ATTACKS = {
    "no words at all": lambda s, _f: [],
    "root": lambda s, f: ["root", "lay", f],
    "a service's user": lambda s, f: ["daemon", "lay", f],
    "nobody": lambda s, f: ["nobody", "lay", f],
    "a number for a name": lambda s, f: [str(pwd.getpwnam(s.ana).pw_uid), "lay", f],
    "a user who is not there": lambda s, f: ["nosuchuser", "lay", f],
    "someone outside the group": lambda s, f: [s.outsider, "lay", f],
    "the portal's own user": lambda s, f: [s.portal, "lay", f],
    "a name with an option": lambda s, f: ["--help", "lay", f],
    "a name with a space": lambda s, f: [f"{s.ana} root", "lay", f],
    "a name with a line's end": lambda s, f: [f"{s.ana}\n", "lay", f],
    "another verb": lambda s, f: [s.ana, "bash", "-c", "id"],
    "a program for a verb": lambda s, f: [s.ana, "/bin/sh"],
    "a folder outside": lambda s, f: [s.ana, "lay", "/tmp/elsewhere"],
    "a folder by way of ..": lambda s, f: [s.ana, "lay", f"{s.root}/../elsewhere"],
    "the parent": lambda s, f: [s.ana, "lay", f"{s.root}/.."],
    "the run root itself": lambda s, f: [s.ana, "lay", s.root],
    "a folder deeper down": lambda s, f: [s.ana, "lay", f"{f}/deeper"],
    "a hidden folder": lambda s, f: [s.ana, "lay", f"{s.root}/.hidden"],
    "a relative folder": lambda s, f: [s.ana, "lay", "runs/x"],
    "two folders": lambda s, f: [s.ana, "lay", f, f],
    "a link in the run root": lambda s, f: [s.ana, "lay", s.root / "link"],
    "sbatch as another user": lambda s, f: [s.ana, *sbatch_words(f, "--uid=0")],
    "sbatch as another group": lambda s, f: [s.ana, *sbatch_words(f, "--gid=0")],
    "sbatch with the environment": lambda s, f: [s.ana, *sbatch_words(f, "--export=ALL")],
    "sbatch's environment from a file": lambda s, f: [s.ana, *sbatch_words(f, "--export-file=/x")],
    "sbatch with a script's path": lambda s, f: [s.ana, *sbatch_words(f, "/etc/shadow")],
    "sbatch with a program": lambda s, f: [s.ana, *sbatch_words(f, "--wrap=id")],
    "sbatch by a short option": lambda s, f: [s.ana, *sbatch_words(f, "-D/")],
    "sbatch in two words": lambda s, f: [s.ana, *sbatch_words(f, "--account", "other")],
    "sbatch with an option cut short": lambda s, f: [s.ana, *sbatch_words(f, "--acc=other")],
    "sbatch with an option twice": lambda s, f: [s.ana, *sbatch_words(f, "--account=other")],
    "sbatch that reads a file": lambda s, f: [s.ana, *sbatch_words(f, "--input=/etc/shadow")],
    "sbatch that sends mail": lambda s, f: [s.ana, *sbatch_words(f, "--mail-user=x@y.z")],
    "sbatch on other clusters": lambda s, f: [s.ana, *sbatch_words(f, "--clusters=all")],
    "sbatch with a prolog": lambda s, f: [s.ana, *sbatch_words(f, "--bcast=/x")],
    "sbatch in another folder": lambda s, f: [s.ana, *sbatch_words("/tmp")],
    "sbatch in a folder not laid": lambda s, f: [s.ana, *sbatch_words(s.root / "not-there")],
    "sbatch without a folder": lambda s, f: [s.ana, "sbatch", "--parsable"],
    "sbatch with its log elsewhere": lambda s, f: [
        s.ana, *sbatch_words(f, output=f"{s.root}/stdout.log")
    ],
    "sbatch with its log up there": lambda s, f: [
        s.ana, *sbatch_words(f, error=f"{f}/logs/../../x.log")
    ],
    "sbatch with its log by a pattern": lambda s, f: [
        s.ana, *sbatch_words(f, output=f"{f}/logs/%x.log")
    ],
    "tail of a file outside": lambda s, f: [s.ana, "tail", "/etc/shadow", "0", "9"],
    "tail by way of ..": lambda s, f: [s.ana, "tail", f"{f}/../../etc/as.json", "0", "9"],
    "tail of a folder": lambda s, f: [s.ana, "tail", f"{f}/logs", "0", "9"],
    "tail of a link": lambda s, f: [s.ana, "tail", f"{f}/shadow", "0", "9"],
    "tail of a pipe": lambda s, f: [s.ana, "tail", f"{f}/pipe", "0", "9"],
    "tail from before the start": lambda s, f: [s.ana, "tail", f"{f}/logs/x", "-9", "9"],
}  # fmt: skip


@pytest.fixture(scope="module")
def laid(site):
    """A run directory of ana's, with a link to what she must not read, and a link beside it."""
    folder = site.root / "laid"
    assert site.call(site.ana, "lay", folder, stdin="{}").returncode == 0
    site.as_person(site.ana, "ln", "-s", str(site.settings), str(folder / "shadow"))
    site.as_person(site.ana, "mkfifo", str(folder / "pipe"))
    (site.root / "link").symlink_to("/tmp")
    return folder


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_not_exactly_allowed_is_refused_and_changes_nothing(site, laid, attack):
    before = site.seen()
    words = ATTACKS[attack](site, laid)

    ran = site.call(*words, stdin=SCRIPT if "sbatch" in words else "{}")

    assert (ran.returncode, ran.stdout) == (77, b"")
    assert ran.stderr.startswith(b"uzina-as: ")
    assert b"Traceback" not in ran.stderr
    assert site.seen() == before


@pytest.mark.parametrize(
    "files",
    [
        '{"/etc/x": ""}', '{"../x": ""}', '{"a/../../x": ""}', '{"": ""}', '{"a//b": ""}',
        '{"a/": ""}', '{".": ""}', '{"a\\u0000b": ""}', '{"x": 1}', '{"x": null}', '["x"]', "{",
        '{"x": "\\ud800"}', '{"' + "a/" * 20 + 'x": ""}', '{"' + "a" * 300 + '": ""}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_files_that_are_no_files_of_the_run_directory_are_refused(site, files):
    before = site.seen()
    ran = site.call(site.ana, "lay", site.root / "attacked", stdin=files)
    assert ran.returncode == 77
    assert b"Traceback" not in ran.stderr
    assert site.seen() == before


@pytest.mark.parametrize(
    "text",
    [
        b"", b"echo\n", b"#!/bin/bash\n#SBATCH --uid=0\ntrue\n", b"#!/bin/bash\n\n\n#SBATCH -A x\n",
        b"#!/bin/bash\n# c\r\n#SBATCH -A x\ntrue\n", b"#!/bin/bash\n # \rtrue\n#SBATCH -A x\n",
        b"#!/bin/bash -e\ntrue\n", b"#!/bin/bash\ntrue\0\n", b"#!/bin/bash\n#PBS -A x\ntrue\n",
        b"#!/bin/bash", b"#!/bin/bash\n" + b"true\n" * 900_000,
    ],
    ids=range(11),
)  # fmt: skip
def test_a_script_that_could_give_options_of_its_own_is_refused(site, laid, text):
    ran = site.call(site.ana, *sbatch_words(laid), stdin=text)
    assert ran.returncode == 77
    assert ran.stderr.startswith(b"uzina-as: ")


def test_the_callers_environment_does_not_reach_the_one_who_is_acted_for(site, laid, tmp_path):
    """Neither Python's own variables nor those of sbatch change what is done."""
    told = site.base / "sbin/told"
    told.write_text('#!/bin/sh\nenv | sort\necho "$@"\nls /proc/self/fd | wc -l\n')
    told.chmod(0o755)
    (tmp_path / "json.py").write_text("raise SystemExit('mine')")
    site.settings.write_text(json.dumps(settings_of(site, sbatch=str(told))))
    hostile = {
        "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/x", "HOME": "/root",
        "LD_PRELOAD": "", "SBATCH_EXPORT": "ALL", "SLURM_CONF": "/x", "SBATCH_WRAP": "id",
        "UZINA_TOKEN": "secret",
    }  # fmt: skip
    try:
        words = sbatch_words(laid)
        ran = site.call(site.ana, *words, stdin=SCRIPT, environment=hostile)
    finally:
        site.settings.write_text(json.dumps(settings_of(site)))

    assert ran.returncode == 0, ran.stderr
    *lines, argv, opened = ran.stdout.decode().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    of_the_shell = {name: found.pop(name, "") for name in ("PWD", "OLDPWD", "_", "SHLVL")}
    assert of_the_shell["PWD"] == "/"
    assert found == {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/", "USER": site.ana,
        "LOGNAME": site.ana, "SHELL": "/bin/bash",
    } | ({"SLURM_CONF": SLURM_CONF} if SLURM_CONF else {})  # fmt: skip
    assert argv == " ".join(["--ignore-pbs", *words[1:]])
    assert int(opened) <= 4


@pytest.mark.parametrize(
    "wrong", ["writable", "another's", "link", "missing", "folder", "no json", "more", "root link"]
)
def test_settings_that_another_could_have_written_are_not_believed(site, wrong):
    text = settings_of(site)
    path = site.settings
    kept = path.read_text()
    try:
        if wrong == "writable":
            path.chmod(0o664)
        elif wrong == "another's":
            shutil.chown(path, site.portal)
        elif wrong in {"link", "missing"}:
            path.unlink()
            if wrong == "link":
                (site.base / "kept.json").write_text(kept)
                path.symlink_to(site.base / "kept.json")
        elif wrong == "folder":
            path.parent.chmod(0o775)
        elif wrong == "no json":
            path.write_text("{")
        elif wrong == "more":
            path.write_text(json.dumps(text | {"user": "root"}))
        else:
            (site.base / "alias").symlink_to(site.root)
            path.write_text(json.dumps(text | {"roots": [str(site.base / "alias")]}))
        root = site.base / "alias" if wrong == "root link" else site.root
        ran = site.call(site.ana, "lay", root / "believed", stdin="{}")
    finally:
        path.unlink(missing_ok=True)
        path.write_text(kept)
        path.chmod(0o644)
        path.parent.chmod(0o755)
    assert ran.returncode == 77
    assert not (site.root / "believed").exists()


def test_only_root_can_use_it_and_others_through_sudo_alone(site):
    """The shipped sudoers file lets the factory's user call this one program, nothing else."""
    if shutil.which("sudo") is None:
        pytest.skip("needs sudo")
    folder = site.root / new_key()
    direct = site.as_person(site.portal, str(site.wrapper), site.ana, "lay", str(folder))
    assert direct.returncode == 77
    assert "sudo" in direct.stderr
    rules = (DEPLOY / "uzina-as.sudoers").read_text()
    rules = rules.replace("/usr/local/sbin/uzina-as", str(site.wrapper))
    rules = rules.replace("\nuzina ALL", f"\n{site.portal} ALL")
    file = Path(f"/etc/sudoers.d/{site.portal}")
    try:
        file.write_text(rules)
        file.chmod(0o440)
        shell("visudo", "-cf", str(file))
        sudo = ["sudo", "-n"]
        done = subprocess.run(
            ["setpriv", "--reuid", site.portal, "--regid", site.portal, "--clear-groups",
             *sudo, str(site.wrapper), site.ana, "lay", str(folder)],
            input="{}", capture_output=True, text=True, timeout=60, check=False, cwd="/",
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        for argv in (["id"], ["-u", site.ana, "id"], ["/bin/sh"], ["-e", str(site.settings)]):
            assert site.as_person(site.portal, *sudo, *argv).returncode != 0
        assert site.as_person(site.ion, *sudo, str(site.wrapper), site.ana).returncode != 0
    finally:
        file.unlink(missing_ok=True)
    assert folder.owner() == site.ana


# --- in the portal ------------------------------------------------------------------------------


def configured(site, **changes):
    """Jobs of the portal run as people, through the wrapper."""
    config = settings.UZINA
    here = {
        "kind": "slurm",
        "slurm_conf": SLURM_CONF,
        "account": "uzina",
        "partition": "gpu",
        "identity": "person",
        "wrapper": str(site.wrapper),
        "run_root": site.root,
    }
    scheduler = replace(config.scheduler, **(here | changes))
    return override_settings(UZINA=replace(config, scheduler=scheduler))


def traces():
    return (Job.objects.count(), LogEntry.objects.count(), Promise.objects.count())


@pytest.mark.django_db
def test_a_person_whom_the_cluster_does_not_know_is_refused_before_anything_is_held(
    site, ana, project, allocation
):
    with configured(site):
        before = traces()
        with pytest.raises(Refused) as refused:
            actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="k")
        assert refused.value.code == "job.submit.no_site_user"
        assert traces() == before
        assert balance(allocation).held == 0


@needs_slurm
@pytest.mark.django_db
def test_a_job_of_the_portal_runs_as_the_person_who_submitted_it(
    site, scheduler, ana, operator, project, allocation
):
    with configured(site):
        actions.map_person(queries.cluster(), ana, name=site.ana, by=operator, now=timezone.now())
        job = actions.submit(project, spec=spec("id -un"), by=ana, now=timezone.now(), key="k")
        job = work_until_settled(job.code)
        assert job.state is JobState.DONE, (job.reason, job.detail)
        assert text_of(scheduler, Path(job.run_dir)) == f"{site.ana}\n"
        assert balance(allocation).held == 0


@needs_slurm
@pytest.mark.django_db
@pytest.mark.parametrize("what", ["missing", "refusing"])
def test_without_the_wrapper_a_job_waits_and_is_not_run_as_the_factory(
    site, scheduler, ana, operator, project, allocation, what
):
    name = site.ana if what == "missing" else site.outsider
    wrapper = {"wrapper": "/nonexistent/uzina-as"} if what == "missing" else {}
    began = now_s()
    with configured(site, **wrapper):
        actions.map_person(queries.cluster(), ana, name=name, by=operator, now=timezone.now())
        job = actions.submit(project, spec=spec("id -un"), by=ana, now=timezone.now(), key="k")
        work(until=lambda: Job.objects.get(pk=job.pk).detail != "")
        job.refresh_from_db()
        assert (job.state, job.reason) == (JobState.CREATED, "SchedulerDown")
        assert name in job.detail
        assert scheduler.find(job.native_key, since_s=began) == []
        assert not Path(job.run_dir).exists()


@pytest.mark.parametrize(
    "ran",
    [
        Ran(77, "", "uzina-as: ana is not a person"),
        Ran(127, "", "No such file or directory: 'sudo' (No such file or directory)"),
        Ran(1, "", "sudo: a password is required\n"),
    ],
)
def test_a_wrapper_that_did_nothing_is_told_from_a_command_that_failed(ran):
    with pytest.raises(SchedulerDown, match="ana"):
        as_user(lambda *_args: ran, ["wrapper"], "ana", ["sbatch"])
    with pytest.raises(SchedulerDown, match="ana"):
        as_user(lambda *_args: ran, [], "ana", ["sbatch"])
    failed = Ran(1, "", "sbatch: error: Invalid account")
    assert as_user(lambda *_args: failed, ["wrapper"], "ana", ["sbatch"]) == failed


def test_the_options_that_are_handed_to_the_cluster_are_those_the_wrapper_takes(site, laid):
    """Every option of an ordinary job and of an array comes through to sbatch itself."""
    told = site.base / "sbin/taken"
    told.write_text("#!/bin/sh\necho taken; cat\n")
    told.chmod(0o755)
    whole = script(
        "true", gpus=2, nodes=2, cpus=4, array="0-9%2", nice=10,
        options=("--constraint=h100&ib", "--exclude=n[1-3]", "--contiguous", "--gpu-bind=closest"),
    )  # fmt: skip
    argv = sbatch_argv(whole, key="key", run_dir=laid, account="uz-prj", partition="gpu")
    text = batch_script(whole, key="key", run_dir=laid)
    site.settings.write_text(json.dumps(settings_of(site, sbatch=str(told))))
    try:
        ran = site.call(site.ana, *argv, stdin=text)
    finally:
        site.settings.write_text(json.dumps(settings_of(site)))
    assert (ran.returncode, ran.stdout.decode()) == (0, f"taken\n{text}")
