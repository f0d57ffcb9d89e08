"""The `uzina` command: a portal from a terminal or a script.

Results go to standard output, talk to standard error. It ends with 0 done, 1 failed, 2 wrong
usage or wrong input, 3 not found, 4 not signed in, 5 not allowed, 6 conflict or not enough
GPU-hours, 7 asked too often, 8 the portal is away, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from uzina_client.cli import (
    access,
    agent,
    applications,
    applying,
    awards,
    challenges,
    data,
    jobs,
    judging,
    models,
    office,
    permits,
    projects,
    runs,
    sizing,
    sources,
    spaces,
    submitting,
)
from uzina_client.cli.shell import (
    AWAY,
    CONFLICT,
    DONE,
    FAILED,
    FORBIDDEN,
    INTERRUPTED,
    LIMITED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    USAGE,
    Stopped,
)
from uzina_client.problems import Problem, Unreachable

EXIT_CODES = {
    400: USAGE,
    401: NOT_SIGNED_IN,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    413: USAGE,
    422: USAGE,
    429: LIMITED,
}
SERVER_ERROR = 500

NEXT_STEPS = {
    "allocation.hold.too_big": "uzina usage",
    "allocation.hold.not_active": "uzina usage",
    "allocation.hold.outside_period": "uzina usage",
}
NEXT_STEP_BY_STATUS = {
    401: "uzina login",
    403: "uzina whoami",
    429: "the same command in a minute",
}


def build() -> typer.Typer:
    """Return the command with all its nouns."""
    app = typer.Typer(
        name="uzina",
        help="Speak to the portal of an AI factory: apply, train, and see what was spent.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for part in (
        access,
        applying,
        applications,
        awards,
        challenges,
        judging,
        office,
        projects,
        data,
        permits,
        sources,
        submitting,
        jobs,
        runs,
        models,
        sizing,
        spaces,
        agent,
    ):
        part.register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code. No error leaves as a traceback."""
    try:
        code = build()(args=list(arguments), prog_name="uzina", standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    except (Exception, KeyboardInterrupt) as ended:  # noqa: BLE001 - the last door
        return explain(ended)
    return code if isinstance(code, int) else DONE


def explain(ended: BaseException) -> int:
    """Tell why a command ended and return its exit code."""
    match ended:
        case Stopped():
            return tell(str(ended), step=ended.step, code=ended.code)
        case Problem():
            step = NEXT_STEPS.get(ended.code, NEXT_STEP_BY_STATUS.get(ended.status, ""))
            code = exit_code(ended.status)
            return tell(str(ended), step=step, request_id=ended.request_id, code=code)
        case Unreachable():
            return tell(
                f"{ended}. Nothing was done twice: what was sent can be sent again.",
                step="the same command in a moment, or with --portal ADDRESS",
                code=AWAY,
            )
        case KeyboardInterrupt() | typer.Abort():
            return tell("Interrupted.", code=INTERRUPTED)
        case OSError():
            return _explain_file(ended)
    return _explain_usage(ended) if hasattr(ended, "format_message") else _explain_fault(ended)


def _explain_usage(wrong: Any) -> int:
    """Tell what was typed wrong. A noun without a verb gets its help instead."""
    if type(wrong).__name__ == "NoArgsIsHelpError":
        typer.echo(wrong.format_message())
        return USAGE
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context else "uzina"
    return tell(wrong.format_message(), step=f"{path} --help", code=USAGE)


def _explain_file(failed: OSError) -> int:
    """Tell what a file did. A reader that has gone away, as head does, is no failure."""
    if isinstance(failed, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if failed.filename:
        return tell(f"{failed.filename}: {failed.strerror}.", code=FAILED)
    return tell(str(failed), code=FAILED)


def _explain_fault(fault: BaseException) -> int:
    """Tell a fault of the command itself in one line; Python's developer mode shows it whole."""
    if sys.flags.dev_mode:
        raise fault
    return tell(
        f"The command met a fault of its own: {type(fault).__name__}: {fault}",
        step="the same command with PYTHONDEVMODE=1, and send what it prints to the portal's team",
        code=FAILED,
    )


def exit_code(status: int) -> int:
    """Return the exit code for a refused request."""
    if status >= SERVER_ERROR:
        return AWAY
    return EXIT_CODES.get(status, FAILED)


def tell(message: str, *, code: int, step: str = "", request_id: str = "") -> int:
    """Print what went wrong and what to do next on standard error; return the exit code."""
    typer.echo(f"uzina: {message}", err=True)
    if step:
        typer.echo(f"Next: {step}", err=True)
    if request_id:
        typer.echo(f"Request: {request_id}", err=True)
    return code
