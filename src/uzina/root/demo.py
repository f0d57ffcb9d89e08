"""`uzina-admin demo`: a whole factory on this machine, and the story told through its doors.

The factory is ordinary: a config.toml, a database, `uzina-admin serve`. All that is written past
the doors is its opening state. Everything lies in one folder:

    config.toml  uzina.sqlite3  runs/  store/  serve.log   the factory
    people.json                                            who can sign in, with passwords
    story.json                                             how far the story has come
    summary.json                                           how it ended
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from uzina.root import serve
from uzina_client import Problem, Unreachable
from uzina_client.story import DEMO, Cast, Login, Story, StoryFailed, Teller
from uzina_recipes import corpora

HOST, PORT = "127.0.0.1", 8000
CORPUS = "debian-docs"
READY_S = 60.0
END_S = 30.0
OFFICE = {
    "operator": ("operator@factory.example", "Olga Operator"),
    "assessor": ("assessor@factory.example", "Andrei Assessor"),
    "auditor": ("auditor@factory.example", "Aura Auditor"),
}
LEAD = ("lead@startup.example", "Ana Ionescu")
APPLICANT = ("applicant@startup.example", "Mihai Popa")


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


def run(*, folder: Path, once: bool, fresh: bool, go_on: bool) -> int:
    """Tell the story in a folder and return the exit status.

    once   end after the story instead of serving on
    fresh  throw away what is in the folder first
    go_on  go on with what is in the folder; the default where nobody can be asked
    """
    folder = folder.resolve()
    teller = terminal()
    try:
        _settle_folder(folder, fresh=fresh, go_on=go_on)
        return _tell(folder, teller, once=once)
    except (DemoFailed, StoryFailed) as failed:
        complain(f"\nThe demo stopped: {failed}")
    except (Problem, Unreachable) as failed:
        complain(f"\nThe demo stopped, because the portal said: {failed}")
    except OSError as failed:
        complain(f"\nThe demo stopped: {failed}")
    except KeyboardInterrupt:
        complain("\nStopped.")
        return 130
    complain(
        f"What was done is kept in {folder}; its log is serve.log there.\n"
        "Next: make demo (goes on), or uzina-admin demo --fresh (starts anew)"
    )
    return 1


def _tell(folder: Path, teller: Teller, *, once: bool) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    notebooks = free_port(PORT + 1)
    factory = Factory.at(
        folder, {"session": {"port": notebooks, "url": f"http://{HOST}:{notebooks}"}}
    )
    try:
        with teller.stage("The factory opens"):
            passwords = factory.open()
            factory.start()
        story = Story(
            url=factory.url,
            cast=cast_of(passwords),
            size=DEMO,
            corpus=corpora.folder(CORPUS),
            folder=folder,
            teller=teller,
            kill=kill_training,
        )
        if not (folder / "summary.json").exists():
            story.tell()
            balanced = factory.check()
            summary = summary_of(story, balanced=balanced)
            (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
            if not balanced:
                raise DemoFailed("the books do not balance: see uzina-admin check.")
        _farewell(factory, passwords, teller)
        if not once:
            tell("\nCtrl-C ends the portal. make demo opens it again.")
            factory.wait()
    finally:
        factory.stop()
        end_jobs(folder)
    return 0


def _farewell(factory: "Factory", passwords: Mapping[str, str], teller: Teller) -> None:
    """Print the address and the sign-ins."""
    summary = json.loads((factory.folder / "summary.json").read_text())
    hours, bits = summary["gpu_seconds"], summary["bits_per_byte"]
    teller.say("")
    teller.say(
        f"GPU-seconds: {hours['granted']:,} granted, {hours['spent']:,} spent, "
        f"{hours['left']:,} left. The books balance."
    )
    teller.say(
        "Bits per byte, less is better: "
        + ", ".join(f"{name} {value:.3f}" for name, value in bits.items())
    )
    teller.say(f"The model: {summary['model_directory']}")
    tell(f"\nThe portal: {factory.url}/\n")
    signs = {
        "applicant": APPLICANT[0],
        "project lead": LEAD[0],
        "assessor": OFFICE["assessor"][0],
        "operator": OFFICE["operator"][0],
        "auditor": OFFICE["auditor"][0],
    }
    for role, email in signs.items():
        tell(f"  {role:<13} {email:<28} {passwords[email]}")


def tell(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line about what went wrong."""
    sys.stderr.write(f"{text}\n")


def _settle_folder(folder: Path, *, fresh: bool, go_on: bool) -> None:
    """Decide about what is already in the folder, asking where someone can be asked."""
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        return
    if not (folder / "config.toml").exists():
        msg = f"{folder} holds other things. Name an empty folder with --folder."
        raise DemoFailed(msg)
    tell(f"{folder} holds a factory: {_what_exists(folder)}.")
    if not fresh and not go_on and sys.stdin.isatty():
        answer = input("Go on with it, or start anew? [G/a] ").strip().lower()
        fresh = answer.startswith("a")
    if fresh:
        tell("Starting anew.")
        shutil.rmtree(folder)
        folder.mkdir(parents=True)


def _what_exists(folder: Path) -> str:
    if (folder / "summary.json").exists():
        summary = json.loads((folder / "summary.json").read_text())
        return f"the story of {summary['application']}, told to its end"
    with contextlib.suppress(OSError, ValueError):
        done = json.loads((folder / "story.json").read_text())["seconds"]
        return f"a story, told up to {list(done)[-1]}" if done else "a story not begun"
    return "a story not begun"


def cast_of(passwords: Mapping[str, str]) -> Cast:
    """Return who plays in the story."""

    def login(who: tuple[str, str]) -> Login:
        return Login(email=who[0], name=who[1], password=passwords[who[0]])

    return Cast(
        lead=login(LEAD),
        applicant=login(APPLICANT),
        operator=login(OFFICE["operator"]),
        assessor=login(OFFICE["assessor"]),
    )


@dataclass
class Factory:
    """A factory of its own on this machine: configuration, database, server.

    settings     sections of config.toml beyond the defaults
    environment  variables the server gets beyond this process's own
    """

    folder: Path
    port: int
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def at(
        cls,
        folder: Path,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        usual: int = PORT,
    ) -> "Factory":
        """Return the factory in a folder; its port, the usual one where it can be, is free now."""
        factory = cls(folder=folder, port=free_port(usual), settings=settings or {})
        factory.configure()
        return factory

    @property
    def url(self) -> str:
        """The portal's address."""
        return f"http://{HOST}:{self.port}"

    def configure(self) -> None:
        """Write config.toml."""
        sections: dict[str, dict[str, Any]] = {
            "site": {"url": self.url, "host": HOST, "port": self.port},
            "folders": {"var": self.folder},
            "database": {"url": f"sqlite:///{self.folder}/uzina.sqlite3"},
            "store": {"folder": self.folder / "store"},
            "scheduler": {"run_root": self.folder / "runs", "state": self.folder / "scheduler"},
            "session": {"port": 0},
        }
        for name, values in self.settings.items():
            sections.setdefault(name, {}).update(values)
        lines = ["# Written by uzina-admin demo, anew at each start."]
        for name, values in sections.items():
            lines.append(f"\n[{name}]")
            for key, value in values.items():
                text = json.dumps(value if isinstance(value, int) else str(value))
                lines.append(f"{key} = {text}")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.toml").write_text("\n".join(lines) + "\n")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the factory's programs: this one's, without settings of another."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("UZINA_")}
        return kept | {"UZINA_CONFIG": str(self.folder / "config.toml")}

    def admin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run uzina-admin for this factory."""
        return subprocess.run(
            [sys.executable, "-m", "uzina.root.admin", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def open(self) -> dict[str, str]:
        """Make the database and the opening state; return the passwords by e-mail address."""
        kept = self.folder / "people.json"
        done = subprocess.run(
            [sys.executable, "-m", "uzina.root.demo", str(kept)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"the factory did not open:\n{done.stderr.strip() or done.stdout.strip()}"
            raise DemoFailed(msg)
        return dict(json.loads(kept.read_text()))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uzina.root.admin", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=serve.dies_with_parent(os.getpid()),  # noqa: PLW1509 - no threads yet
            )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 0.5):
                return
            time.sleep(0.1)
        self.stop()
        tail = (self.folder / "serve.log").read_text(errors="replace")[-2000:]
        msg = f"the portal did not start. The end of its log:\n{tail}"
        raise DemoFailed(msg)

    def wait(self) -> None:
        """Wait until the server ends or a signal comes."""
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """End the server with all its children."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def check(self) -> bool:
        """Prove the books and the log."""
        return self.admin("check").returncode == 0


def summary_of(story: Story, *, balanced: bool) -> dict[str, Any]:
    """Return what came of the story: codes, seconds, GPU-seconds, scores, and the model."""
    facts = story.facts
    return {
        "application": facts["application"],
        "award": facts["award"],
        "project": facts["project"],
        "seconds_per_stage": story.seconds,
        "gpu_seconds": facts["gpu_seconds"],
        "books_balanced": balanced,
        "bits_per_byte": facts["bits_per_byte"],
        "model_directory": facts["model_directory"],
    }


def kill_training(job: str) -> bool:
    """Kill the training process of a job on this machine, as a power cut would.

    job  the job's code, which each of its processes has in its environment
    Returns whether one was found.
    """
    found = False
    for process in processes_of(job):
        command = (Path("/proc") / str(process) / "cmdline").read_bytes()
        if b"uzina_recipes" in command:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                found = True
    return found


def processes_of(job: str) -> list[int]:
    """Return the processes on this machine that have a job's run directory in their environment.

    job  its code, or another part of the run directory's path
    """
    wanted, found = job.encode(), []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                lines = (place / "environ").read_bytes().split(b"\0")
                if any(one.startswith(b"UZINA_RUN_DIR=") and wanted in one for one in lines):
                    found.append(int(place.name))
    return found


def end_jobs(folder: Path) -> None:
    """End the jobs that still run in a factory's folder: they would outlive its server.

    First as a wish, which a training answers with a checkpoint, then by force.
    """
    for number, patience_s in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
        for process in processes_of(f"{folder}/runs/"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + patience_s
        while processes_of(f"{folder}/runs/"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        else:
            return


def free_port(usual: int = PORT) -> int:
    """Return the usual port where it is free, else one that is."""
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    msg = "no port is free on this machine."
    raise DemoFailed(msg)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Take SIGTERM like Ctrl-C, so that what was started is ended."""
    raise KeyboardInterrupt


def terminal() -> Teller:
    """Return who tells the story here: with live progress on a terminal, else in plain lines."""
    return LiveTeller() if sys.stdout.isatty() else Teller()


class LiveTeller(Teller):
    """Tells the story on a terminal, with a bar for what is running."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = Console()
        self.bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            transient=True,
        )
        self.task = self.bar.add_task("", total=None)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        self.console.print(f"\n[bold]{title}[/bold]", highlight=False)
        began = time.monotonic()
        self.bar.reset(self.task, description="", total=None)
        with self.bar:
            yield
        self.say(f"  done in {time.monotonic() - began:.1f} s")

    def progress(self, text: str, share: float | None) -> None:
        self.bar.update(
            self.task,
            description=text,
            total=None if share is None else 1.0,
            completed=share or 0.0,
        )


def open_here(kept: Path) -> None:
    """Migrate, write the opening state and make the factory's people. In a process of its own."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "uzina.root.settings"
    django.setup()
    from django.utils.timezone import now

    from uzina.people.rules import RoleKind
    from uzina.root import opening

    opening.bring_up_to_date(now=now())
    if kept.exists():
        return
    passwords = {email: opening.new_password() for email, _name in (LEAD, APPLICANT)}
    for role, (email, name) in OFFICE.items():
        passwords[email] = opening.new_password()
        opening.open_person(
            email=email,
            name=name,
            password=passwords[email],
            kind=RoleKind(role),
            language="en",
            now=now(),
        )
    part = kept.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(passwords, file, indent=1)
    part.replace(kept)


if __name__ == "__main__":
    from uzina.root.config import ConfigWrong

    try:
        open_here(Path(sys.argv[1]))
    except ConfigWrong as wrong:
        sys.exit(f"The configuration has mistakes:\n{wrong}")
