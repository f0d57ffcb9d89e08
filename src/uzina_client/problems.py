"""What a portal answers when it does not do what was asked, and when it does not answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Mistake:
    """One mistake in what was sent. `pointer` is a JSON pointer to the value, "" for the whole."""

    pointer: str
    code: str
    detail: str


@dataclass(eq=False)
class Problem(Exception):
    """The portal refused, with a reason a program can key on.

    status      HTTP status
    code        `<noun>.<verb>.<why>`, stable; `http.<status>` when the reply was no problem document
    detail      one or two sentences for a person, in the language asked for
    errors      the mistakes in what was sent, all of them
    params      the facts in the sentence, as values
    request_id  names the request in the portal's log; "" when the portal gave none
    """

    status: int
    code: str
    detail: str
    errors: tuple[Mistake, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""

    def __str__(self) -> str:
        lines = [self.detail]
        lines += [f"  {one.pointer or '/'}: {one.detail}" for one in self.errors]
        return "\n".join(lines)


def read_problem(status: int, body: object, *, request_id: str) -> Problem:
    """Return the problem that a refused reply describes, whatever its body is.

    body  the decoded JSON of the reply, or anything else if it had none
    """
    if not isinstance(body, Mapping):
        return Problem(
            status=status,
            code=f"http.{status}",
            detail=f"The portal answered {status} and gave no reason.",
            request_id=request_id,
        )
    listed = body.get("errors")
    return Problem(
        status=status,
        code=str(body.get("code") or f"http.{status}"),
        detail=str(body.get("detail") or body.get("title") or f"The portal answered {status}."),
        errors=tuple(
            Mistake(
                pointer=str(one.get("pointer", "")),
                code=str(one.get("code", "")),
                detail=str(one.get("detail", "")),
            )
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, Mapping)
        ),
        params=params if isinstance(params := body.get("params"), Mapping) else {},
        request_id=str(body.get("request_id") or request_id),
    )


class Unreachable(Exception):
    """The portal did not answer, however often it was asked.

    url    what was asked
    cause  what the connection said
    """

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"{url} did not answer: {cause}")
        self.url = url
        self.cause = cause
