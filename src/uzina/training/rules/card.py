"""The card of a version: what a model is, and how to use it, on one page. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uzina.core.text import _
from uzina.training.rules import entries
from uzina.training.rules.record import (
    Record,
    Say,
    digest,
    environment,
    number,
    sources,
    training_run,
    words,
)
from uzina.training.rules.runs import ModelState

BASELINES = {
    "model": _("This model"),
    "unigram_token": _("Unigram over tokens"),
    "unigram_byte": _("Unigram over bytes"),
    "xz": _("xz after the training text"),
    "xz_alone": _("xz by itself"),
}


@dataclass(frozen=True)
class Section:
    """A section of the card: paragraphs, then facts, then a table."""

    title: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Card:
    """A model card: what it is, how to use it, what it was made of, how good it is."""

    title: str
    record_digest: str
    metadata: Mapping[str, Any]
    sections: tuple[Section, ...]


def write(record: Record, say: Say) -> Card:
    """Return the card of a model version."""
    model = record["model"]
    sections = [_about(record, say), _how_to(record, say), _uses(record, say)]
    sections += [_results(record, say), _made_of(record, say), _made_how(record, say)]
    sections.append(_footprint(record, say))
    return Card(
        title=f"{model['title']} {model['number']}",
        record_digest=digest(record),
        metadata=_metadata(record),
        sections=tuple(sections),
    )


def _metadata(record: Record) -> dict[str, Any]:
    """Return the head of the card that model hubs read."""
    data = {
        "language": record["model"]["languages"],
        "license": "other",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "datasets": [one["reference"] for one in sources(record)],
    }
    if record["base_model"]:
        data["base_model"] = record["base_model"]["reference"]
    return data


def _about(record: Record, say: Say) -> Section:
    model = record["model"]
    missing = say(_("missing"))
    facts = (
        (say(_("Version")), model["reference"]),
        (say(_("Provider")), entries.provider(record, say)),
        (say(_("State")), say(ModelState(model["state"]).label)),
        (say(_("Digest")), model["digest"]),
        (say(_("Size")), entries.size(record, say) or missing),
        (say(_("Architecture")), entries.architecture(record, say) or missing),
        (say(_("Context")), entries.context(record, say) or missing),
        (say(_("Languages")), ", ".join(model["languages"])),
        (say(_("Licence")), words(record["answers"], "licence_link", "text") or missing),
    )
    return Section(say(_("The model")), facts=facts)


def _how_to(record: Record, say: Say) -> Section:
    return Section(
        say(_("How to load it")),
        paragraphs=(say(_("Download the files, then load them with the library transformers:")),),
        code=load_code(record["model"]["slug"]),
    )


def load_code(folder: str) -> str:
    """Return three lines of Python that load a downloaded model."""
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{folder}")\n'
        f'model = AutoModelForCausalLM.from_pretrained("{folder}")'
    )


def _uses(record: Record, say: Say) -> Section:
    missing = say(_("Nobody has stated this yet."))
    answers = record["answers"]
    return Section(
        say(_("Uses and limits")),
        facts=(
            (
                say(_("Intended or restricted uses")),
                words(answers, "intended_uses", "text") or missing,
            ),
            (say(_("Acceptable use policy")), words(answers, "acceptable_use", "text") or missing),
            (say(_("Known biases")), words(answers, "identifiable_biases", "text") or missing),
        ),
    )


def _results(record: Record, say: Say) -> Section:
    title = say(_("Evaluation"))
    if not record["evaluations"]:
        return Section(title, paragraphs=(say(_("This version was not evaluated.")),))
    newest = record["evaluations"][-1]
    table = newest["bits_per_byte"]
    languages = sorted(name for name in table.get("model", {}) if name != "total")
    rows = []
    for name, label in BASELINES.items():
        values = [number(table, name, column) for column in ("total", *languages)]
        if any(one is not None for one in values):
            shown = ("–" if one is None else f"{one:.3f}" for one in values)
            rows.append((say(label), *shown))
    head = (say(_("Bits per byte, lower is better")), say(_("All")), *languages)
    methods = [
        f"{say(label)}: {text}"
        for name, label in BASELINES.items()
        if (text := words(newest["methods"], name))
    ]
    count = number(newest["held_out"], "documents")
    lead = say(_("On held-out text of {data}, in {run}.")).format(
        data=", ".join(newest["data"]), run=newest["run"]
    )
    if count is not None:
        lead += " " + say(_("{count} documents that were not trained on.")).format(
            count=f"{count:,.0f}"
        )
    return Section(title, paragraphs=(lead, *methods), head=head, rows=tuple(rows))


def _made_of(record: Record, say: Say) -> Section:
    rows = tuple(
        (
            one["reference"],
            one["title"],
            one["licence"]["spdx"] or one["licence"]["slug"],
            ", ".join(one["languages"]),
            one["digest"],
        )
        for one in record["data"]
    )
    head = (
        say(_("Data")),
        say(_("Title")),
        say(_("Licence")),
        say(_("Languages")),
        say(_("Digest")),
    )
    notes = tuple(
        one for one in (entries.points(record, say), entries.unsuitable(record, say)) if one
    )
    return Section(say(_("Training data")), paragraphs=notes, head=head, rows=rows)


def _made_how(record: Record, say: Say) -> Section:
    run, missing = training_run(record), say(_("missing"))
    award = record["award"] or {}
    facts = (
        (say(_("Award")), words(award, "code") or missing),
        (say(_("Run")), words(run, "code") or missing),
        (say(_("Jobs")), ", ".join(one["code"] for one in run.get("jobs", ())) or missing),
        (say(_("Code")), words(run, "code_version", "sha256") or missing),
        (say(_("Environment")), environment(run) or missing),
        (say(_("Training time")), entries.training_time(record, say) or missing),
        (say(_("Computation")), entries.computation(record, say) or missing),
        (say(_("Counted as")), entries.computation_method(record, say) or missing),
    )
    return Section(
        say(_("How it was trained")),
        paragraphs=(entries.training_design(record, say),),
        facts=facts,
    )


def _footprint(record: Record, say: Say) -> Section:
    missing = say(_("missing"))
    return Section(
        say(_("Energy")),
        facts=(
            (say(_("Energy of training")), entries.energy(record, say) or missing),
            (say(_("Method")), entries.energy_method(record, say) or missing),
        ),
    )


def plain(text: str) -> str:
    """Return a text so that Markdown shows it as it is: nothing in it is markup, a link or HTML."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]#|~!$])", r"\\\1", escaped)
    escaped = re.sub(r"^(\s*)([-+=])", r"\1\\\2", escaped, flags=re.MULTILINE)
    escaped = re.sub(r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2", escaped, flags=re.MULTILINE)
    return re.sub(r"(https?|ftp|www)(:|\.)", lambda found: f"{found[1]}&#{ord(found[2])};", escaped)


def _cell(text: str) -> str:
    return plain(" ".join(text.split()))


def markdown(shown: Card, say: Say) -> str:
    """Write a card as Markdown with the head that model hubs read."""
    head = json.dumps(dict(shown.metadata), ensure_ascii=False, indent=2)
    parts = ["---", head, "---", "", f"# {_cell(shown.title)}", ""]
    for section in shown.sections:
        parts += [f"## {_cell(section.title)}", ""]
        for text in section.paragraphs:
            parts += [plain(text), ""]
        if section.facts:
            parts += [f"- **{_cell(key)}**: {_cell(value)}" for key, value in section.facts]
            parts.append("")
        if section.rows:
            parts.append("| " + " | ".join(_cell(one) for one in section.head) + " |")
            parts.append("|" + " --- |" * len(section.head))
            parts += ["| " + " | ".join(_cell(one) for one in row) + " |" for row in section.rows]
            parts.append("")
        if section.code:
            parts += ["```python", section.code, "```", ""]
    made = say(_("Made from the factory's record {digest}.")).format(digest=shown.record_digest)
    parts += ["---", "", made, ""]
    return "\n".join(parts)
