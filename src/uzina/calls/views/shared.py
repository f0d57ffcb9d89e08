"""What several pages show."""

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext

from uzina.calls import forms, queries
from uzina.calls.models import Application, Call
from uzina.calls.rules import documents, modes
from uzina.calls.rules.sections import Field
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def person_of(request: HttpRequest) -> Person | None:
    """Return who is signed in; None for nobody."""
    return request.user if isinstance(request.user, Person) else None


def words(text: modes.Text) -> str:
    """Return a text in the language of the reader."""
    return modes.in_language(text, forms.language())


def reasons_shown(verdict: modes.Verdict) -> list[dict[str, Any]]:
    """Return the reasons of a verdict as a page shows them."""
    return [
        {
            "passed": reason.passed,
            "text": words(reason.text),
            "todo": words(reason.todo),
            "source": reason.source,
        }
        for reason in verdict.reasons
    ]


def kept_verdict(application: Application) -> modes.Verdict | None:
    """Return the verdict that is kept with an application."""
    if not application.verdict:
        return None
    kept = application.verdict
    reasons = tuple(modes.Reason(**reason) for reason in kept["reasons"])
    return modes.Verdict(kept["mode"], kept["version"], reasons)


def sections_shown(application: Application, *, is_editable: bool = False) -> list[dict[str, Any]]:
    """Return the answers in words, section by section."""
    answers = queries.answers_of(application)
    shown = []
    for section in queries.asked_sections(application):
        slug, given = section.slug, answers.get(section.slug, {})
        href = reverse("calls:section", args=[application.code, slug]) if is_editable else ""
        rows = [
            {
                "key": gettext(field.label),
                "value": answer_shown(field, given.get(field.name)),
                "href": href,
            }
            for field in section.fields
            if not (
                field.needed_where and given.get(field.needed_where[0]) != field.needed_where[1]
            )
        ]
        shown.append({"title": gettext(section.title), "rows": rows})
    return shown


def answer_shown(field: Field, value: Any) -> str:
    """Return one answer in words."""
    if value is None or value in ("", []):
        return ""
    match field.kind:
        case "yes_no" | "tick":
            return gettext("Yes") if value else gettext("No")
        case "terms":
            version = "" if value is True else str(value)
            return gettext("Accepted, version {version}").format(version=version).rstrip(", ")
        case "choice":
            return gettext(dict(field.choices).get(value, value))
        case "choices":
            words = dict(field.choices)
            return ", ".join(gettext(words.get(one, one)) for one in value)
        case "date":
            return date_format(date.fromisoformat(value), "DATE_FORMAT")
        case "country":
            names = queries.country_names(forms.language())
            return names.get(value, gettext("A country that is not in this list"))
        case "whole":
            return number_format(value, force_grouping=True)
        case "rows":
            rows = [
                ", ".join(
                    filter(
                        None,
                        (answer_shown(column, row.get(column.name)) for column in field.columns),
                    )
                )
                for row in value
            ]
            return "; ".join(rows)
        case _:
            return str(value)


def terms_shown(call: Call, reader: Person | None) -> dict[str, Any]:
    """Return the terms of reference of a call as a page shows them."""
    return {
        "clauses": queries.terms_of(call, forms.language()),
        "version": queries.terms_version(call),
        "is_to_be_checked": not queries.terms_file()["is_checked"]
        and reader is not None
        and reader.has_role(RoleKind.OPERATOR),
    }


def documents_shown(application: Application) -> list[dict[str, Any]]:
    """Return the documents that the mode asks for, with the files that are there."""
    if not application.call.mode.documents:
        return []
    by_slug = {one.slug: one for one in queries.attached(application)}
    return [
        {
            "slug": spec.slug,
            "title": words(spec.title),
            "is_required": spec.is_required,
            "kinds": ", ".join(gettext(documents.TITLES[kind]) for kind in spec.types),
            "accept": ",".join(documents.ENDINGS[kind] for kind in spec.types),
            "most_mib": spec.most_mib,
            "document": by_slug.get(spec.slug),
        }
        for spec in application.call.mode.documents
    ]
