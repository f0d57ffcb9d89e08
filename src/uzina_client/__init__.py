"""The Python client and the `uzina` command of a factory's portal: over HTTP, and nothing else.

from uzina_client import Client

with Client("https://portal.example", token) as uzina:
    for job in uzina.compute.jobs(project="PRJ-7Q3K2M"):
        print(job["code"], job["state"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uzina_client.client import Client
    from uzina_client.problems import Mistake, Problem, Unreachable

__all__ = ["Client", "Mistake", "Problem", "Unreachable"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command starts fast."""
    if name == "Client":
        from uzina_client.client import Client

        return Client
    if name in __all__:
        from uzina_client import problems

        return getattr(problems, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
