"""`uzina-admin`: what the people who run a factory type on its server."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from uzina.root import config, serve


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a mistake in the configuration is told in words, with exit 2."""
    parser = argparse.ArgumentParser(prog="uzina-admin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, help_: str, run: Callable[[argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(run=run)
        return command

    add(
        "serve",
        "Run the web server, the worker and the way into notebooks, and keep them alive.",
        run_serve,
    )
    add("web", "Run the web server only.", run_web)
    add("proxy", "Run the way into notebooks only.", run_proxy)
    worker = add("worker", "Run the worker only.", run_worker)
    worker.add_argument("--until-idle", action="store_true", help="end when nothing is due")
    add("migrate", "Bring the database, and the data we ship, to this version.", run_migrate)
    person = add("person", "Make one of the factory's own people.", run_person)
    person.add_argument("email")
    person.add_argument("name")
    person.add_argument("role", choices=["operator", "assessor", "auditor", "reviewer", "panel"])
    person.add_argument("--language", default="en", choices=["en", "ro"])
    add(
        "check", "Prove the books, the log and the stored files; exit 1 if any is wrong.", run_check
    )
    reconcile = add(
        "reconcile",
        "Compare the cluster's accounts, users, limits and totals with ours; exit 1 if any differs.",
        run_reconcile,
    )
    reconcile.add_argument("--repair", action="store_true", help="put right what differs")
    rerank = add(
        "rerank", "Run the record of a ranking again; exit 1 if it was changed.", run_rerank
    )
    rerank.add_argument("code", help="RNK-...")
    replay = add(
        "replay", "Book an accounting log into a fresh factory, and prove the books.", run_replay
    )
    replay.add_argument("file", type=Path, help="Standard Workload Format, or sacct -P with header")
    replay.add_argument("--folder", type=Path, default=Path("var/replay"))
    add("config", "Show the effective settings, secrets masked.", run_config)
    add("doctor", "Say what this installation runs on, and what is wrong with it.", run_doctor)
    demo = add("demo", "Tell the whole story on this machine.", run_demo)
    demo.add_argument("--folder", type=Path, default=Path("var/demo"))
    demo.add_argument("--once", action="store_true", help="end after the story")
    demo.add_argument("--fresh", action="store_true", help="throw away what exists first")
    demo.add_argument(
        "--continue", dest="go_on", action="store_true", help="go on with what exists"
    )
    django = add(
        "django", "Run a command of Django's own: uzina-admin django showmigrations.", run_django
    )
    django.add_argument("rest", nargs=argparse.REMAINDER)

    options = parser.parse_args(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "uzina.root.settings")
    try:
        if options.command not in {"demo", "replay"}:
            config.current()
        return int(options.run(options))
    except config.ConfigWrong as wrong:
        print(f"The configuration has mistakes:\n{wrong}", file=sys.stderr)  # noqa: T201 - command
        return 2


def collect() -> None:
    """Put the pages' files into var/static, compressed and named by their content.

    In a process of its own, so that the parent of `serve` stays without Django.
    """
    code = (
        "import django; from django.conf import settings; settings.STORAGES['staticfiles'] = "
        "{'BACKEND': 'whitenoise.storage.CompressedManifestStaticFilesStorage'}; django.setup(); "
        "from django.core.management import call_command; "
        "call_command('collectstatic', interactive=False, verbosity=0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def run_serve(_options: argparse.Namespace) -> int:
    """Keep web, worker and the way into notebooks alive."""
    collect()
    site = config.current().site
    children = [
        serve.Child("web", serve.web_argv(site.host, site.port)),
        serve.Child("worker", serve.worker_argv()),
    ]
    if config.current().session.port:
        children.append(serve.Child("proxy", serve.proxy_argv()))
    serve.say(f"{site.name} at {site.url}")
    return serve.keep_alive(children)


def run_web(_options: argparse.Namespace) -> int:
    """Become the web server."""
    collect()
    site = config.current().site
    argv = serve.web_argv(site.host, site.port)
    os.execv(argv[0], argv)  # noqa: S606 - our own interpreter


def run_proxy(_options: argparse.Namespace) -> int:
    """Lead people to their notebooks."""
    _set_up()
    from uzina.root import proxy

    proxy.run()
    return 0


def run_worker(options: argparse.Namespace) -> int:
    """Work."""
    _set_up()
    from uzina.root import worker

    worker.run(until_idle=options.until_idle)
    return 0


def run_migrate(_options: argparse.Namespace) -> int:
    """Bring the database, and the data we ship, to this version."""
    _set_up()
    from django.utils.timezone import now

    from uzina.root import opening

    opening.bring_up_to_date(now=now())
    return 0


def run_person(options: argparse.Namespace) -> int:
    """Make a person with a role and print the password, which is shown this once."""
    _set_up()
    from django.utils.timezone import now

    from uzina.core.errors import Refused
    from uzina.people.rules import RoleKind
    from uzina.root import opening

    password = opening.new_password()
    try:
        opening.open_person(
            email=options.email,
            name=options.name,
            password=password,
            kind=RoleKind(options.role),
            language=options.language,
            now=now(),
        )
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - command
        return 2
    print(f"{options.email} {password}")  # noqa: T201 - command
    return 0


def run_check(_options: argparse.Namespace) -> int:
    """Prove the books, the log, the stored files, the sums of the spaces and what is harvested."""
    _set_up()
    from uzina.catalogue.queries import check_fragments, check_versions
    from uzina.catalogue.queries.spaces import check_spaces
    from uzina.core.log import check_log
    from uzina.ledger.queries import check_books

    books, log, versions = check_books(), check_log(), check_versions()
    print(  # noqa: T201 - command
        f"Books: {books.accounts} accounts, {books.transfers} transfers, {books.postings} postings, "
        f"{len(books.problems)} problems."
    )
    print(f"Log: {log.entries} entries, {len(log.problems)} problems.")  # noqa: T201 - command
    print(f"Stored files: {len(versions)} problems.")  # noqa: T201 - command
    spaces = check_spaces()
    print(  # noqa: T201 - command
        f"Spaces: {spaces.spaces} spaces, {spaces.items} files, {len(spaces.problems)} problems."
    )
    harvested = check_fragments()
    print(f"Harvested records: {len(harvested)} problems.")  # noqa: T201 - command
    found = [*books.problems, *log.problems, *versions, *spaces.problems, *harvested]
    for line in found:
        print(f"- {line}")  # noqa: T201 - command
    return 1 if found else 0


def run_rerank(options: argparse.Namespace) -> int:
    """Run the record of a ranking again and compare; 2 where there is none, or only a draft."""
    _set_up()
    from django.utils.timezone import now

    from uzina.calls import actions, queries
    from uzina.core.errors import Refused

    found = queries.rankings().filter(code=options.code).first()
    if found is None:
        print(f"There is no ranking {options.code}.", file=sys.stderr)  # noqa: T201 - command
        return 2
    try:
        checked = actions.rerun(found, by=None, now=now())
    except Refused as refused:
        print(str(refused), file=sys.stderr)  # noqa: T201 - command
        return 2
    if checked.is_sound:
        print(f"{found.code}: the record is as it was sealed, and gives the same result.")  # noqa: T201
        return 0
    what = "does not give its result" if checked.is_sealed else "is not what was sealed"
    print(f"{found.code}: the record {what}.")  # noqa: T201 - command
    return 1


def run_reconcile(options: argparse.Namespace) -> int:
    """Look at the cluster now, perhaps put it right, and print what differs."""
    _set_up()
    from django.utils.timezone import now

    from uzina.compute import queries, rules, tasks

    if options.repair:
        tasks.repair(kinds=rules.KINDS, now=now())
    else:
        tasks.reconcile(now=now())
        tasks.compare_totals(now=now())
    cluster = queries.cluster()
    drifts = list(queries.drifts(cluster))
    for one in drifts:
        print(  # noqa: T201 - command
            f"{one.kind} {one.subject}: {one.finding}; ours {one.ours or '-'}, "
            f"theirs {one.theirs or '-'}; {one.winner} is right; since {one.since_at:%Y-%m-%d %H:%M}"
        )
    looked = f"{cluster.reconciled_at:%Y-%m-%d %H:%M} UTC" if cluster.reconciled_at else "never"
    silence = f", silent since {cluster.silent_since:%H:%M}" if cluster.silent_since else ""
    print(f"{len(drifts)} differences. Last good look at accounts: {looked}{silence}.")  # noqa: T201
    return 1 if drifts else 0


def run_replay(options: argparse.Namespace) -> int:
    """Book an accounting log into a database of its own."""
    from uzina.root import replay

    return replay.run(options.file, options.folder)


def run_config(_options: argparse.Namespace) -> int:
    """Show the effective settings."""
    print(config.shown(config.current()))  # noqa: T201 - command
    return 0


def run_doctor(_options: argparse.Namespace) -> int:
    """Say what this installation runs on."""
    _set_up()
    from uzina.root.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{'ok  ' if finding.is_good else 'BAD '} {finding.text}")  # noqa: T201 - command
    return 0 if all(finding.is_good for finding in findings) else 1


def run_demo(options: argparse.Namespace) -> int:
    """Tell the story."""
    from uzina.root import demo

    return demo.run(
        folder=options.folder, once=options.once, fresh=options.fresh, go_on=options.go_on
    )


def run_django(options: argparse.Namespace) -> int:
    """Run a command of Django's own."""
    _set_up()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["uzina-admin django", *options.rest])
    return 0


def _set_up() -> None:
    import django

    django.setup()


if __name__ == "__main__":
    sys.exit(main())
