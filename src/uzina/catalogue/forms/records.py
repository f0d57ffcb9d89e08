"""What a steward says of a dataset, in sections. The rules judge it; what was typed stays."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from uzina.catalogue import rules
from uzina.catalogue.forms.record_fields import (
    access_fields,
    coded,
    contact_fields,
    coverage_fields,
    creator_row,
    here,
    language_field,
    licence_field,
    listed,
    more_languages_field,
    named,
    question_field,
    text_fields,
    theme_fields,
    translation_row,
)
from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.stewardship import Question
from uzina.core.forms import Form

MOST_ROWS = 20
"""Translations or creators typed on one page; the API takes more creators."""

SECTIONS: dict[str, tuple[str | Promise, tuple[str, ...]]] = {
    "about": (
        gettext_lazy("What it is"),
        ("title", "description", "languages", "themes", "keywords"),
    ),
    "translations": (gettext_lazy("In other languages"), ("translations",)),
    "coverage": (
        gettext_lazy("Places, period and renewal"),
        ("places", "begins_on", "ends_on", "frequency", "landing_url"),
    ),
    "contact": (
        gettext_lazy("Who made it, and whom to ask"),
        ("contact_name", "contact_email", "creators"),
    ),
    "terms": (gettext_lazy("Licence and access"), ("licence", "access_right")),
}
"""Pages that come before the questions: title, and the fields of rules.CHECKS on each."""


def section_keys() -> list[str]:
    """Return the names of the pages, in their order."""
    return [*SECTIONS, *(one.key for one in stewardship.sections())]


def section_title(key: str) -> str:
    """Return what stands on top of a page, in the language at hand."""
    if key in SECTIONS:
        return str(SECTIONS[key][0])
    return next(one.label(here()) for one in stewardship.sections() if one.key == key)


def section_of(field: str) -> str:
    """Return the page a problem's field is on."""
    head, _, rest = field.partition(".")
    if head == "answers":
        question = rules.questions().get(rest.partition(".")[0])
        return question.section if question else ""
    return next((key for key, (_title, names) in SECTIONS.items() if head in names), "")


def seen(key: str, said: Mapping[str, Any]) -> str:
    """Return a mark of what a page showed: another mark, and somebody changed it meanwhile."""
    names = SECTIONS[key][1] if key in SECTIONS else ("answers", "access_right")
    kept = json.dumps([said[name] for name in names], default=str, sort_keys=True)
    return hashlib.sha256(kept.encode()).hexdigest()[:16]


class RecordForm(Form):
    """One page of what a dataset says of itself. A draft may be saved unfinished.

    key    the page
    said   what the dataset says now: queries.said
    added  the rows one empty row is added to
    """

    def __init__(
        self, key: str, *, said: Mapping[str, Any], data: Any = None, added: str = ""
    ) -> None:
        self.key, self.said = key, said
        self.asked = tuple(
            one
            for one in stewardship.asked(said["answers"], said["access_right"])
            if one.section == key
        )
        self.unfinished = {"contact_email", *(f"answers_{one.key}" for one in self.asked)}
        self.row_counts: dict[str, int] = {
            name: self._row_count(name, data, added)
            for name in ("translations", "creators")
            if key in SECTIONS and name in SECTIONS[key][1]
        }
        self.base_fields = self._made()  # type: ignore[misc]
        super().__init__(data, initial=self._initial())

    def _row_count(self, name: str, data: Any, added: str) -> int:
        count = max(len(self.said[name]), 1)
        if data is not None:
            typed = str(data.get(f"{name}-rows", ""))
            count = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 3 else 1
        return min(max(count, 1) + (added == name), max(MOST_ROWS, len(self.said[name])))

    def _made(self) -> dict[str, forms.Field]:
        makers: dict[str, Callable[[], dict[str, forms.Field]]] = {
            "about": lambda: {
                **text_fields(),
                "language": language_field(),
                "more_languages": more_languages_field(),
                **theme_fields(),
            },
            "translations": lambda: self._rows("translations", translation_row),
            "coverage": coverage_fields,
            "contact": lambda: {
                **contact_fields(),
                **self._rows("creators", creator_row),
            },
            "terms": lambda: {"licence": licence_field(), **access_fields()},
        }
        if self.key in makers:
            return makers[self.key]()
        return {f"answers_{one.key}": question_field(one) for one in self.asked}

    def _rows(
        self, name: str, make: Callable[[], dict[str, forms.Field]]
    ) -> dict[str, forms.Field]:
        return {
            f"{name}_{at}_{part}": field
            for at in range(self.row_counts[name])
            for part, field in make().items()
        }

    def _initial(self) -> dict[str, Any]:
        said = self.said
        found = dict(said)
        found |= {
            "language": (said["languages"] or [""])[0],
            "more_languages": named(said["languages"][1:], "language"),
            "keywords": ", ".join(said["keywords"]),
            "places": named(said["places"], "country"),
        }
        for at, (code, texts) in enumerate(said["translations"].items()):
            found |= {
                f"translations_{at}_language": code,
                f"translations_{at}_title": texts.get("title", ""),
                f"translations_{at}_description": texts.get("description", ""),
            }
        for at, one in enumerate(said["creators"]):
            found |= {f"creators_{at}_name": one["name"], f"creators_{at}_url": one.get("url", "")}
        for question in self.asked:
            if question.key in said["answers"]:
                value = said["answers"][question.key]
                if question.kind == "date":
                    value = date.fromisoformat(value)
                if question.kind == "yes_no":
                    value = "yes" if value else "no"
                found[f"answers_{question.key}"] = value
        return found

    def _clean_fields(self) -> None:
        """Let be unfinished what publishing alone needs."""
        needed = [one for one in self.unfinished & set(self.fields) if self.fields[one].required]
        for name in needed:
            self.fields[name].required = False
        super()._clean_fields()  # type: ignore[misc]
        for name in needed:
            self.fields[name].required = True

    def clean(self) -> dict[str, Any]:
        """Tell a translation without its language, and a language that is there twice."""
        taken: set[str] = set()
        for at in self._filled("translations"):
            name = f"translations_{at}_language"
            code = self.cleaned_data.get(name, "")
            if not code:
                self.add_error(name, gettext("Choose the language of this translation."))
            elif code in taken:
                self.add_error(name, gettext("This language is there twice."))
            taken.add(code)
        return self.cleaned_data

    def _filled(self, name: str) -> list[int]:
        """Return the rows in which something was typed."""
        typed = {
            one: str(self.cleaned_data.get(one) or self.data.get(one) or "").strip()
            for one in self.fields
        }
        return [
            at
            for at in range(self.row_counts.get(name, 0))
            if any(value for one, value in typed.items() if one.startswith(f"{name}_{at}_"))
        ]

    def facts(self) -> dict[str, Any]:
        """Return what was typed as actions.describe takes it."""
        given = self.cleaned_data
        if self.key not in SECTIONS:
            return {"answers": {one.key: self._answer(one) for one in self.asked}}
        found: dict[str, Any] = {}
        for name in SECTIONS[self.key][1]:
            if name == "languages":
                others = coded(given["more_languages"], "language")
                found[name] = [given["language"], *others]
            elif name == "places":
                found[name] = coded(given[name], "country")
            elif name == "keywords":
                found[name] = listed(given[name])
            elif name == "creators":
                found[name] = [self._creator(at) for at in self._filled(name)]
            elif name == "translations":
                found[name] = {
                    given[f"{name}_{at}_language"]: {
                        "title": given[f"{name}_{at}_title"],
                        "description": given[f"{name}_{at}_description"],
                    }
                    for at in self._filled(name)
                }
            else:
                found[name] = given[name]
        return found

    def _creator(self, at: int) -> dict[str, str]:
        name, url = (self.cleaned_data[f"creators_{at}_{part}"] for part in ("name", "url"))
        return {"name": name} | ({"url": url} if url else {})

    def _answer(self, question: Question) -> Any:
        value = self.cleaned_data[f"answers_{question.key}"]
        if question.kind == "date":
            return value.isoformat() if value else None
        if question.kind == "yes_no":
            return {"yes": True, "no": False}.get(value)
        return value or None

    def groups(self) -> list[dict[str, Any]]:
        """Return the fields as the page shows them: single ones, and rows under a legend."""
        shown: list[dict[str, Any]] = [
            {"bound": self[name]}
            for name in self.fields
            if not any(name.startswith(f"{rows}_") for rows in self.row_counts)
        ]
        legends = {"translations": gettext("Translation"), "creators": gettext("Creator")}
        for name, count in self.row_counts.items():
            rows = [
                [self[one] for one in self.fields if one.startswith(f"{name}_{at}_")]
                for at in range(count)
            ]
            shown.append(
                {
                    "name": name,
                    "label": legends[name],
                    "rows": rows,
                    "count": count,
                    "may_add": count < MOST_ROWS,
                }
            )
        return shown

    def _field_of(self, path: str) -> str | None:
        """Return the control a problem is about; rows left empty do not count in its path."""
        head, *rest = path.split(".")
        if head == "languages":
            return "language" if rest[:1] in ([], ["0"]) else "more_languages"
        if head == "translations" and rest:
            for at in range(self.row_counts.get(head, 0)):
                if self.cleaned_data.get(f"{head}_{at}_language") == rest[0]:
                    return f"{head}_{at}_{rest[1] if rest[1:] else 'language'}"
        if head == "creators" and rest:
            filled = self._filled(head)
            at = int(rest[0])
            if at < len(filled):
                return f"{head}_{filled[at]}_{rest[1] if rest[1:] else 'name'}"
        name = "_".join([head, *rest]) if head == "answers" else head
        return name if name in self.fields else None


class RegisterForm(Form):
    """A new dataset: who holds it, its name, and the little it has to say at once."""

    def __init__(self, *, owners: Sequence[tuple[str, str]], data: Any = None) -> None:
        self.base_fields = {  # type: ignore[misc]
            "owner": forms.ChoiceField(
                label=gettext("Whose data are they?"),
                help_text=gettext(
                    "Data of a project are shared by its members; data of an organisation are "
                    "looked after by its representatives."
                ),
                choices=owners,
                widget=forms.RadioSelect,
            ),
            "slug": forms.CharField(
                label=gettext("Name in addresses"),
                help_text=gettext(
                    "Small letters a to z, digits and hyphens: court-decisions. It stays for ever."
                ),
                widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
            ),
            **text_fields(),
            "language": language_field(),
            "more_languages": more_languages_field(),
            "licence": licence_field(),
        }
        super().__init__(data)

    def facts(self) -> dict[str, Any]:
        """Return what actions.register_dataset takes, besides who holds it."""
        given = self.cleaned_data
        return {
            "slug": given["slug"],
            "title": given["title"],
            "description": given["description"],
            "licence": given["licence"],
            "languages": [given["language"], *coded(given["more_languages"], "language")],
        }

    def _field_of(self, path: str) -> str | None:
        head, *rest = path.split(".")
        if head == "languages":
            return "language" if rest in ([], ["0"]) else "more_languages"
        return head if head in self.fields else None
