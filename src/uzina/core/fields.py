"""Two kinds of column that every module uses."""

import secrets
from typing import TYPE_CHECKING, Any

from django.db import models

from uzina.core.flow import States

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No 0 O 1 I L U: a code is read over the telephone and cannot spell a word by accident."""


def new_code(prefix: str, length: int = 6) -> str:
    """Return a random code such as APP-7Q3K2M. Thirty letters to the given length."""
    return f"{prefix}-{''.join(secrets.choice(ALPHABET) for _ in range(length))}"


class CodeField(models.CharField):
    """A code for people, unique, made when the row is first saved."""

    def __init__(self, prefix: str, length: int = 6, **kwargs: Any) -> None:
        self.prefix, self.length = prefix, length
        kwargs.update(max_length=len(prefix) + 1 + length, unique=True, editable=False)
        super().__init__(**kwargs)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's
        value = getattr(model_instance, self.attname)
        if add and not value:
            value = new_code(self.prefix, self.length)
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for fixed in ("max_length", "unique", "editable"):
            kwargs.pop(fixed, None)
        return name, path, [self.prefix, self.length, *args], kwargs


if TYPE_CHECKING:
    # Reads as the States it was declared with, which a field cannot say to a type checker.
    AnyCharField = models.CharField[Any, Any]
else:
    AnyCharField = models.CharField


class StateField(AnyCharField):
    """Where a row stands in its life cycle; reads as a member of its States."""

    def __init__(self, states: type[States] | None = None, **kwargs: Any) -> None:
        self.states = states
        kwargs["max_length"] = 24
        if states is not None:
            kwargs["choices"] = [(state.value, state.label) for state in states]
        super().__init__(**kwargs)

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        if value is None or self.states is None:
            return value
        return self.states(value)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("choices", None)
        if "default" in kwargs:
            kwargs["default"] = str(kwargs["default"])
        return name, "django.db.models.CharField", args, kwargs
