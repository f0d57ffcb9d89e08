"""Signing in and out."""

import socket
from http import HTTPStatus
from typing import Annotated

import typer

from uzina_client import settings
from uzina_client.cli.shell import NOT_SIGNED_IN, Shell, Stopped, command
from uzina_client.problems import Problem, Unreachable


def register(app: typer.Typer) -> None:
    """Add login, logout and whoami."""
    command(app, "login")(login)
    command(app, "logout")(logout)
    command(app, "whoami")(whoami)


def login(
    shell: Shell,
    email: Annotated[str, typer.Option("--email", help="Asked for when not given.")] = "",
    days: Annotated[int, typer.Option(help="How long the token lasts.", min=1, max=366)] = 30,
) -> None:
    """Sign in to a portal and keep a token for it.

    Asks for e-mail and password, or takes a token made on the account page: --token-stdin.
    """
    code = ""
    if shell.token_stdin:
        token = shell.token
        if not token:
            raise Stopped("No token came on standard input.", code=NOT_SIGNED_IN)
    else:
        email = email or shell.ask("E-mail", option="--email and --token-stdin")
        password = shell.ask_secret("Password", option="--token-stdin")
        token, code = _token(shell, email, password, days)
    me = shell.speak(token).people.me()
    file = settings.keep_token(shell.home, shell.url, token)
    portal = settings.Portal(url=shell.url, email=me["email"], token_code=code)
    settings.write(shell.home, settings.read(shell.home).having(portal))
    if file:
        shell.warn(f"This system has no keyring, so the token is in {file}: only you can read it.")
    shell.show(
        {"portal": shell.url, "person": me},
        [("Portal", shell.url), ("Signed in as", f"{me['name']} <{me['email']}>")],
    )


def _token(shell: Shell, email: str, password: str, days: int) -> tuple[str, str]:
    """Return a new token and its code."""
    try:
        made = shell.speak("").people.token(
            email=email, password=password, name=f"uzina on {socket.gethostname()}"[:80], days=days
        )
    except Problem as problem:
        if problem.status != HTTPStatus.FORBIDDEN:
            raise
        raise Stopped(str(problem), code=NOT_SIGNED_IN, step="uzina login") from problem
    return made["secret"], made["code"]


def logout(shell: Shell) -> None:
    """End the token of a portal and forget it on this machine."""
    token = settings.stored_token(shell.home, shell.url)
    known = settings.read(shell.home)
    if token and (code := known.known(shell.url).token_code):
        try:
            shell.speak(token).people.revoke(code)
        except (Problem, Unreachable) as away:
            shell.warn(f"The token is forgotten here, but the portal did not end it: {away}")
    settings.forget_token(shell.home, shell.url)
    settings.write(shell.home, known.lacking(shell.url))
    shell.show(
        {"portal": shell.url, "signed_out": bool(token)},
        [("Signed out of" if token else "Was not signed in to", shell.url)],
    )


def whoami(shell: Shell) -> None:
    """Say who you are on this portal."""
    me = shell.client.people.me()
    shell.show(
        {"portal": shell.url, **me},
        [
            ("Portal", shell.url),
            ("Name", me["name"]),
            ("E-mail", me["email"]),
            ("Code", me["code"]),
            ("Roles", me["roles"]),
        ],
    )
