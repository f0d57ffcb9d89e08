"""What a session is: a notebook as a job, with a lease."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from uzina.compute.rules import JobSpec, parse_spec
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

RECIPE = "session"
"""The kind of job that is a session."""

TICKET_LIFE = timedelta(seconds=60)
IDLE_MINUTES = (5, 10, 30, 60, 120)
IDLE_DEFAULT = 30
MAX_TIME_LIMIT_S = 12 * 3600
"""Nobody computes by hand for longer; a longer run is a batch job."""


def session_spec(mapping: Mapping[str, Any], *, idle_minutes: int) -> JobSpec:
    """Return the description of a notebook. Raises Invalid as parse_spec() does, and for a lease
    that is too long.
    """
    spec = parse_spec(
        {
            "name": "Notebook",
            **mapping,
            "recipe": RECIPE,
            "files": {"session.json": json.dumps({"idle_s": idle_minutes * 60})},
        }
    )
    if spec.time_limit_s > MAX_TIME_LIMIT_S:
        raise Invalid(
            [
                Problem(
                    "time_limit",
                    "session.time_limit.too_long",
                    _("A notebook runs for at most 12 hours. Submit longer work as a job."),
                )
            ]
        )
    return spec


def check_door(door: object, hosts: str) -> tuple[str, int, str, str]:
    """Return host, port, token and base of a session's own words about where it listens.

    hosts  regular expression of the machines the proxy may talk to; "" is this machine only. The
           file is written by the job, so a job could name any machine: only these are believed.

    Raises Refused session.open.not_ready, session.open.elsewhere.
    """
    if not isinstance(door, dict) or not door:
        raise Refused(
            "session.open.not_ready", _("The notebook is starting. Try again in a moment.")
        )
    host, port = door.get("host"), door.get("port")
    token, base = door.get("token"), door.get("base")
    if (
        not (isinstance(host, str) and isinstance(token, str) and isinstance(base, str))
        or not isinstance(port, int)
        or not 1024 <= port <= 65535
        or not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", token)
        or not re.fullmatch(r"/sessions/[A-Z0-9-]{1,40}/", base)
        or not re.fullmatch(hosts or r"127\.0\.0\.1", host)
    ):
        raise Refused(
            "session.open.elsewhere",
            _(
                "The notebook listens where the portal may not reach it. Ask the operators to name "
                "the machines of the cluster in the portal's settings."
            ),
        )
    return host, port, token, base
