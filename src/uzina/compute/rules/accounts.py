"""What accounts, users and limits there shall be on a cluster, and what to change to get there."""

import re

from uzina.core.errors import Refused
from uzina.core.text import _

UNIX_NAME = re.compile(r"[a-z_][a-z0-9._-]{0,31}")
"""What useradd takes (shadow-utils: at most 32), with the dots that directory services give out."""


def account_name(prefix: str, project_code: str) -> str:
    """Return the name of a project's account on a cluster: Slurm makes all names small anyway."""
    return f"{prefix}{project_code.lower()}"


def check_unix_name(name: str) -> None:
    """Raise Refused site_user.map.bad_name unless a person's jobs may run as the name."""
    if not UNIX_NAME.fullmatch(name) or name == "root":
        raise Refused(
            "site_user.map.bad_name",
            _(
                "Write a user name of the cluster: at most 32 small letters, digits, dots, hyphens "
                "and underscores, beginning with a letter, and not root."
            ),
        )
