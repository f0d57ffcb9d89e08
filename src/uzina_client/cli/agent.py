"""The agent of a cluster."""

from typing import Annotated

import typer

from uzina_client.cli.shell import NOT_SIGNED_IN, Shell, Stopped, command


def register(app: typer.Typer) -> None:
    """Add agent."""
    command(app, "agent")(agent)


def agent(
    shell: Shell,
    wrapper: Annotated[
        str, typer.Option("--wrapper", help="Words of the command that acts as another user.")
    ] = "sudo -n /usr/local/sbin/uzina-as",
) -> None:
    """Run the factory's commands on this host of a cluster. For operators; runs until ended.

    Takes the secret agent_token of the factory's config.toml from UZINA_TOKEN or --token-stdin.
    """
    from uzina_client.agent import Agent

    if not shell.token:
        raise Stopped("No token: set UZINA_TOKEN to the factory's agent_token.", code=NOT_SIGNED_IN)
    shell.say(f"Fetching commands of {shell.url}.")
    Agent(shell.url, shell.token, wrapper=wrapper, tell=shell.say).serve()
