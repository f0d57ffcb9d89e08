"""Documents of a model, made from its record and never typed twice. Pure.

A record is what `queries.record` returns: plain JSON values. Every document carries the digest of
the record it was made from. `say` translates a marked sentence; templates take {facts}.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uzina.core.text import _
from uzina.training.rules.runs import ModelState

Say = Callable[[str], str]
Record = Mapping[str, Any]

MS_PER_HOUR = 3_600_000
S_PER_DAY = 86_400
SIZE_BANDS = (
    (5e8, "1–500M"),
    (5e9, "500M–5B"),
    (1.5e10, "5–15B"),
    (5e10, "15–50B"),
    (1e11, "50–100B"),
    (5e11, "100–500B"),
    (1e12, "500B–1T"),
    (math.inf, ">1T"),
)
MONTH_BANDS = ((30, _("under 1 month")), (91, _("1–3 months")), (182, _("3–6 months")))
BENCHMARK_TOKENS = 100_000
BASELINES = {
    "model": _("This model"),
    "unigram_token": _("Unigram over tokens"),
    "unigram_byte": _("Unigram over bytes"),
    "xz": _("xz after the training text"),
    "xz_alone": _("xz by itself"),
}


def digest(record: Record) -> str:
    """Return the SHA-256 of a record's canonical JSON, as `sha256:…`."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def figures(value: float, count: int = 2) -> str:
    """Write a number with significant figures, as 7.3×10¹⁰ when it is large or small."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 6:
        return f"{float(f'{value:.{count}g}'):,.10g}"
    head, tail = f"{value:.{count - 1}e}".split("e")
    return f"{head}×10{_raised(int(tail))}"


def order(value: float) -> str:
    """Write the order of magnitude of a number above zero: 10²³."""
    return f"10{_raised(math.floor(math.log10(value)))}" if value > 0 else "0"


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


# --- reading the record -------------------------------------------------------------------------


def number(table: Any, *names: str) -> float | None:
    """Return a finite number at the end of a path of keys; None when it is not there."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    is_number = isinstance(table, int | float) and not isinstance(table, bool)
    return float(table) if is_number and math.isfinite(table) else None


def words(table: Any, *names: str) -> str:
    """Return a text at the end of a path of keys; "" when it is not there."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table if isinstance(table, str) else ""


def flop_of(facts: Record) -> float | None:
    """Return the operations a training run counted; None when it did not."""
    value = number(facts, "flop", "value")
    return value if value is not None and value > 0 else None


def training_run(record: Record) -> Record:
    """Return the run that made the model."""
    wanted = record["model"]["run"]
    return next((one for one in record["runs"] if one["code"] == wanted), {})


def training_s(record: Record) -> tuple[float | None, float | None]:
    """Return the seconds the training jobs took by the clock, and device-seconds; None unmeasured."""
    jobs = training_run(record).get("jobs", ())
    measured = [one for one in jobs if one["elapsed_s"] is not None]
    if not measured:
        return None, None
    clock = float(sum(one["elapsed_s"] for one in measured))
    devices = sum(one["elapsed_s"] * (one["gpus"] or one["cpus"]) for one in measured)
    return clock, float(devices)


def prepared(record: Record) -> list[Record]:
    """Return the data versions that a run of ours made."""
    return [one for one in record["data"] if one["made_by_job"]]


def sources(record: Record) -> list[Record]:
    """Return the data versions that nobody here made: where the data came from."""
    return [one for one in record["data"] if not one["made_by_job"]]


def scores(record: Record) -> dict[str, float]:
    """Return bits per byte of the newest evaluation: the model's and each baseline's."""
    if not record["evaluations"]:
        return {}
    table = record["evaluations"][-1]["bits_per_byte"]
    found = {name: number(row, "total") for name, row in table.items()}
    return {name: found[name] for name in BASELINES if found.get(name) is not None}  # type: ignore[misc]


# --- the documentation form ---------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One field of the Model Documentation Form."""

    slug: str
    section: str
    section_title: Mapping[str, str]
    title: Mapping[str, str]
    hint: Mapping[str, str]
    audience: tuple[str, ...]
    is_read: bool


@dataclass(frozen=True)
class Filled:
    """A field with its answer. source: record, person, both, or missing."""

    field: Field
    value: str
    stated: str
    source: str
    by: str = ""
    at: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether nobody has answered."""
        return self.source == "missing"


@dataclass(frozen=True)
class Form:
    """The form, filled as far as it can be."""

    record_digest: str
    rows: tuple[Filled, ...]

    @property
    def missing(self) -> int:
        """How many fields nobody has answered."""
        return sum(one.is_missing for one in self.rows)

    @property
    def filled(self) -> int:
        """How many fields have an answer."""
        return len(self.rows) - self.missing


def parse_form(raw: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the fields of `documentation_form.toml`, in order."""
    return tuple(
        Field(
            slug=one["slug"],
            section=section["slug"],
            section_title={"en": section["title_en"], "ro": section["title_ro"]},
            title={"en": one["title_en"], "ro": one["title_ro"]},
            hint={"en": one.get("hint_en", ""), "ro": one.get("hint_ro", "")},
            audience=tuple(one["for"]),
            is_read=one["read"],
        )
        for section in raw["section"]
        for one in section["field"]
    )


def form(record: Record, fields: Sequence[Field], say: Say) -> Form:
    """Fill the form: from the record, from what people stated, or not at all."""
    rows = []
    for one in fields:
        fill = FILLERS.get(one.slug)
        value = fill(record, say) if fill else ""
        stated = record["answers"].get(one.slug, {})
        text = stated.get("text", "")
        source = {
            (True, True): "both",
            (True, False): "record",
            (False, True): "person",
            (False, False): "missing",
        }[bool(value), bool(text)]
        rows.append(Filled(one, value, text, source, stated.get("by", ""), stated.get("at", "")))
    return Form(digest(record), tuple(rows))


def _date_updated(record: Record, _say: Say) -> str:
    moments = [record["model"]["created_at"], record["model"]["released_at"]]
    moments += [one["at"] for one in record["answers"].values()]
    moments += [one["made_at"] for one in record["evaluations"]]
    return max(one for one in moments if one)[:10]


def _document_version(record: Record, _say: Say) -> str:
    return str(1 + sum(one["revision"] for one in record["answers"].values()))


def _provider(record: Record, _say: Say) -> str:
    provider = record["model"]["provider"]
    return f"{provider['name']} ({provider['country']})"


def _name(record: Record, say: Say) -> str:
    model = record["model"]
    return say(_("{title}, version {number} ({reference})")).format(
        title=model["title"], number=model["number"], reference=model["reference"]
    )


def _authenticity(record: Record, say: Say) -> str:
    return say(_("{digest}, the digest of the manifest of its {count} files")).format(
        digest=record["model"]["digest"], count=len(record["model"]["files"])
    )


def _release(record: Record, _say: Say) -> str:
    return (record["model"]["released_at"] or "")[:10]


def _dependencies(record: Record, _say: Say) -> str:
    base = record["base_model"]
    return f"{base['reference']} ({base['digest']})" if base else "N/A"


def _architecture(record: Record, say: Say) -> str:
    shape = record["facts"].get("architecture", {})
    if not number(shape, "layers"):
        return ""
    return say(
        _(
            "Decoder-only transformer of the {family} family: {layers} layers, width {width}, "
            "{heads} attention heads, {kv_heads} for keys and values."
        )
    ).format(
        family=words(shape, "family") or "?",
        **{
            one: figures(number(shape, one) or 0, 12)
            for one in ("layers", "width", "heads", "kv_heads")
        },
    )


def _design(record: Record, say: Say) -> str:
    shape = record["facts"].get("architecture", {})
    if not number(shape, "layers"):
        return ""
    return say(
        _(
            "Feed-forward width {hidden}, context {context} tokens, vocabulary {vocabulary}, "
            "positions: {positions}, activation: {activation}, normalisation: {normalisation}."
        )
    ).format(
        positions=words(shape, "positions"),
        activation=words(shape, "activation"),
        normalisation=words(shape, "normalisation"),
        **{
            one: figures(number(shape, one) or 0, 12) for one in ("hidden", "context", "vocabulary")
        },
    )


def _text(_record: Record, say: Say) -> str:
    return say(_("Text"))


def _context(record: Record, say: Say) -> str:
    context = number(record["facts"], "architecture", "context")
    if context is None:
        return ""
    return say(_("{context} tokens, input and output together")).format(
        context=figures(context, 12)
    )


def _size(record: Record, say: Say) -> str:
    parameters = number(record["facts"], "parameters")
    if parameters is None:
        return ""
    return say(_("{short} parameters ({count} exactly)")).format(
        short=figures(parameters), count=f"{parameters:,.0f}"
    )


def _size_range(record: Record, _say: Say) -> str:
    parameters = number(record["facts"], "parameters")
    if parameters is None:
        return ""
    return next(label for limit, label in SIZE_BANDS if parameters <= limit)


def _channels(record: Record, say: Say) -> str:
    if record["model"]["state"] != "released":
        return ""
    return say(_("Weights for download from the factory's portal, open to everybody."))


def _technical(_record: Record, say: Say) -> str:
    return say(
        _(
            "Files in the Hugging Face format (safetensors, tokenizer.json), loaded with "
            "AutoModelForCausalLM of the library transformers."
        )
    )


def _hardware(record: Record, say: Say) -> str:
    weights = sum(
        one["bytes"] for one in record["model"]["files"] if one["path"].endswith(".safetensors")
    )
    if not weights:
        return ""
    return say(
        _("No accelerator is needed to load it; the weights take {size} MB of memory.")
    ).format(size=figures(weights / 1e6))


def _software(record: Record, say: Say) -> str:
    packages = (training_run(record).get("environment") or {}).get("packages", {})
    known = [
        f"{name} {packages[name]}" for name in sorted(packages) if isinstance(packages[name], str)
    ]
    if not known:
        return ""
    return say(_("Trained with {packages}; any library that reads the format will do.")).format(
        packages=", ".join(known)
    )


def _training_design(record: Record, say: Say) -> str:
    run = training_run(record)
    if not run:
        return ""
    facts = record["facts"]
    settings = ", ".join(f"{name} {value}" for name, value in sorted(run["params"].items()))
    steps, tokens = number(facts, "steps"), number(facts, "tokens_seen")
    text = say(_("Recipe {recipe} {version}: next-token prediction (cross-entropy).")).format(
        recipe=run["recipe"]["slug"], version=run["recipe"]["version"]
    )
    if steps is not None and tokens is not None:
        text += " " + say(_("{steps} steps over {tokens} tokens.")).format(
            steps=f"{steps:,.0f}", tokens=f"{tokens:,.0f}"
        )
    return text + " " + say(_("Settings: {settings}.")).format(settings=settings)


def _provenance(record: Record, say: Say) -> str:
    found = sources(record)
    if not found or any(one["licence"]["slug"] == "restricted" for one in found):
        return ""
    listed = "; ".join(
        f"{one['title']} ({one['reference']}, {one['licence']['spdx'] or one['licence']['slug']})"
        for one in found
    )
    return say(_("Datasets under the licences named: {listed}")).format(listed=listed)


def _obtained(record: Record, say: Say) -> str:
    return "\n\n".join(
        say(_("{reference}, as its holder describes it: {text}")).format(
            reference=one["reference"], text=one["description"]
        )
        for one in sources(record)
        if one["description"]
    )


def _points(record: Record, say: Say) -> str:
    for one in prepared(record):
        documents, tokens = (
            number(one["facts"], f"train_{name}") for name in ("documents", "tokens")
        )
        if documents is not None and tokens is not None:
            return say(
                _("{documents} documents with {tokens} tokens; the model saw {seen} tokens")
            ).format(
                documents=f"{documents:,.0f}",
                tokens=f"{tokens:,.0f}",
                seen=f"{number(record['facts'], 'tokens_seen') or 0:,.0f}",
            )
    return ""


def _points_order(record: Record, say: Say) -> str:
    for one in prepared(record):
        tokens = number(one["facts"], "train_tokens")
        if tokens:
            return say(_("{order} tokens")).format(order=order(tokens))
    return ""


def _scope(record: Record, say: Say) -> str:
    found = sources(record)
    if not found:
        return ""
    languages = dict.fromkeys(code for one in found for code in one["languages"])
    return say(_("Text in {languages}; {bytes} bytes as received.")).format(
        languages=", ".join(languages), bytes=f"{sum(one['bytes'] for one in found):,}"
    )


def _curation(record: Record, say: Say) -> str:
    parts = []
    for run in record["runs"]:
        if run["recipe"]["slug"] == "prepare":
            settings = ", ".join(f"{name} {value}" for name, value in sorted(run["params"].items()))
            parts.append(
                say(_("Recipe {recipe} {version} in {run}: {settings}.")).format(
                    recipe=run["recipe"]["slug"],
                    version=run["recipe"]["version"],
                    run=run["code"],
                    settings=settings,
                )
            )
    return "\n".join(parts)


def _unsuitable(record: Record, say: Say) -> str:
    parts = []
    for one in prepared(record):
        excluded = one["facts"].get("excluded", {})
        if isinstance(excluded, Mapping) and excluded:
            counts = ", ".join(
                f"{rule.replace('_', ' ')} {count}" for rule, count in sorted(excluded.items())
            )
            parts.append(
                say(_("Documents left out of {reference}, by rule: {counts}.")).format(
                    reference=one["reference"], counts=counts
                )
            )
    return "\n".join(parts)


def _time_range(record: Record, say: Say) -> str:
    clock, _devices = training_s(record)
    if clock is None:
        return ""
    days = clock / S_PER_DAY
    return say(next((label for limit, label in MONTH_BANDS if days < limit), _("over 6 months")))


def _time(record: Record, say: Say) -> str:
    clock, devices = training_s(record)
    if clock is None or devices is None:
        return ""
    return say(
        _(
            "{clock} days by the clock ({seconds} s), {devices} device-days, measured by the scheduler"
        )
    ).format(
        clock=figures(clock / S_PER_DAY),
        seconds=f"{clock:,.0f}",
        devices=figures(devices / S_PER_DAY),
    )


def _compute_order(record: Record, _say: Say) -> str:
    flop = flop_of(record["facts"])
    return "" if flop is None else f"{order(flop)} FLOP"


def _compute(record: Record, _say: Say) -> str:
    flop = flop_of(record["facts"])
    return "" if flop is None else f"{figures(flop)} FLOP"


def _compute_method(record: Record, _say: Say) -> str:
    return words(record["facts"], "flop", "method")


def _energy(record: Record, say: Say) -> str:
    kwh = number(record["facts"], "energy", "kwh")
    if kwh is None:
        return ""
    text = f"{figures(kwh / 1000)} MWh"
    low, high = (number(record["facts"], "energy", name) for name in ("kwh_low", "kwh_high"))
    if record["facts"]["energy"].get("is_estimate") and low is not None and high is not None:
        text += say(_(" (estimated, {low} to {high} MWh)")).format(
            low=figures(low / 1000), high=figures(high / 1000)
        )
    return text


def _energy_method(record: Record, say: Say) -> str:
    method = words(record["facts"], "energy", "method")
    boundary = words(record["facts"], "energy", "boundary")
    if not method:
        return ""
    return method + (say(_(" Boundary: {boundary}.")).format(boundary=boundary) if boundary else "")


def _inference(record: Record, say: Say) -> str:
    counted = number(record["facts"], "parameters_without_input_embedding")
    if counted is None:
        return ""
    return say(_("{flop} FLOP, calculated")).format(flop=figures(2 * counted * BENCHMARK_TOKENS))


def _inference_method(record: Record, say: Say) -> str:
    if not _inference(record, say):
        return ""
    return say(
        _(
            "Generating {tokens} tokens: 2 N per token, N parameters without the input embedding; "
            "calculated from the model, not measured on hardware."
        )
    ).format(tokens=f"{BENCHMARK_TOKENS:,}")


FILLERS: Mapping[str, Callable[[Record, Say], str]] = {
    "date_updated": _date_updated,
    "document_version": _document_version,
    "provider_name": _provider,
    "model_name": _name,
    "model_authenticity": _authenticity,
    "release_date": _release,
    "model_dependencies": _dependencies,
    "architecture": _architecture,
    "design_specifications": _design,
    "input_modalities": _text,
    "input_size": _context,
    "output_modalities": _text,
    "output_size": _context,
    "total_size": _size,
    "size_range": _size_range,
    "channels_authorities": _channels,
    "channels_downstream": _channels,
    "technical_means": _technical,
    "required_hardware": _hardware,
    "required_software": _software,
    "training_design": _training_design,
    "data_type": _text,
    "data_provenance": _provenance,
    "data_obtained": _obtained,
    "data_points_order": _points_order,
    "data_points": _points,
    "data_scope": _scope,
    "data_curation": _curation,
    "unsuitable_sources": _unsuitable,
    "training_time_range": _time_range,
    "training_time": _time,
    "compute_order": _compute_order,
    "compute_amount": _compute,
    "compute_method": _compute_method,
    "energy_amount": _energy,
    "energy_method": _energy_method,
    "inference_amount": _inference,
    "inference_method": _inference_method,
}
"""Fields the record can answer; the others are for people."""


# --- lineage ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One link of the chain from public money to the model."""

    kind: str
    label: str
    title: str
    code: str = ""
    href: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    is_missing: bool = False


@dataclass(frozen=True)
class Lineage:
    """The chain, in the order things happened."""

    record_digest: str
    nodes: tuple[Node, ...] = field(default=())

    @property
    def missing(self) -> int:
        """How many links are not known."""
        return sum(one.is_missing for one in self.nodes)


def lineage(record: Record, say: Say, language: str) -> Lineage:
    """Draw the chain: call, application, award, hours, data, runs with jobs, evaluations, model."""
    nodes = _money_nodes(record, say, language)
    nodes += [_source_node(one, say, language) for one in sources(record)]
    if not sources(record):
        nodes.append(_gap("data", say(_("Source data")), say))
    for run in record["runs"]:
        nodes.append(_run_node(run, say))
        nodes += [
            _source_node(one, say, language)
            for one in prepared(record)
            if one["reference"] == run["output"]
        ]
    nodes.append(_model_node(record, say))
    nodes += [_evaluation_node(one, say) for one in record["evaluations"]]
    if not record["evaluations"]:
        nodes.append(_gap("evaluation", say(_("Evaluation")), say))
    return Lineage(digest(record), tuple(nodes))


def _gap(kind: str, label: str, say: Say) -> Node:
    return Node(kind, label, say(_("Missing")), is_missing=True)


def _money_nodes(record: Record, say: Say, language: str) -> list[Node]:
    labels = {
        "call": say(_("Call")),
        "application": say(_("Application")),
        "award": say(_("Award")),
        "allocation": say(_("Allocation")),
    }
    award = record["award"]
    if not award or "call" not in award:
        nodes = [_gap(kind, label, say) for kind, label in list(labels.items())[:3]]
    else:
        call, application = award["call"], award["application"]
        hours = say(_("{hours} GPU-hours")).format(hours=figures(award["gpu_ms"] / MS_PER_HOUR, 6))
        nodes = [
            Node("call", labels["call"], call["title"].get(language) or call["title"]["en"],
                 call["code"], f"/calls/{call['slug']}/"),
            Node("application", labels["application"], application["title"], application["code"],
                 f"/applications/{application['code']}/",
                 ((say(_("Submitted")), application["submitted_at"] or "–"),)),
            Node("award", labels["award"], hours, award["code"], f"/awards/{award['code']}/",
                 ((say(_("From")), award["starts_at"] or "–"), (say(_("Until")), award["ends_at"] or "–"))),
        ]  # fmt: skip
    used = {
        code: sum(
            job["gpu_ms"] or 0
            for run in record["runs"]
            for job in run["jobs"]
            if job["allocation"] == code
        )
        for code in record["allocations"]
    }
    nodes += [
        Node(
            "allocation",
            labels["allocation"],
            say(_("{hours} GPU-hours spent on this model")).format(
                hours=figures(spent / MS_PER_HOUR, 4)
            ),
            code,
            f"/allocations/{code}/",
        )
        for code, spent in used.items()
    ]
    return nodes


def _source_node(one: Record, say: Say, language: str) -> Node:
    slug = one["reference"].partition("@")[0]
    facts = [
        (say(_("Digest")), one["digest"]),
        (say(_("Licence")), one["licence"]["title"].get(language) or one["licence"]["slug"]),
        (say(_("Size")), f"{one['bytes']:,} B"),
    ]
    label = say(_("Prepared data")) if one["made_by_job"] else say(_("Source data"))
    return Node("data", label, one["title"], one["reference"], f"/datasets/{slug}/", tuple(facts))


def _run_node(run: Record, say: Say) -> Node:
    facts = [
        (
            say(_("Job {code}")).format(code=job["code"]),
            say(
                _("{seconds} s measured on {gpus} GPUs and {cpus} cores, {hours} GPU-hours")
            ).format(
                seconds="–" if job["elapsed_s"] is None else f"{job['elapsed_s']:,}",
                gpus=job["gpus"],
                cpus=job["cpus"],
                hours=figures((job["gpu_ms"] or 0) / MS_PER_HOUR, 4),
            ),
        )
        for job in run["jobs"]
    ]
    code = run["code_version"]
    missing = say(_("Missing"))
    facts.append(
        (
            say(_("Code")),
            f"{words(code, 'package')}, sha256:{words(code, 'sha256')}" if code else missing,
        )
    )
    facts.append((say(_("Environment")), environment(run) or missing))
    if run["seed"] is not None:
        facts.append((say(_("Seed")), str(run["seed"])))
    title = f"{run['recipe']['slug']} {run['recipe']['version']}"
    return Node("run", say(_("Run")), title, run["code"], f"/runs/{run['code']}/", tuple(facts))


def environment(run: Record) -> str:
    """Return the environment of a run in one line; "" when it is not known."""
    known = run.get("environment") or {}
    packages = known.get("packages", {}) if isinstance(known, Mapping) else {}
    parts = [f"Python {known['python']}"] if words(known, "python") else []
    parts += [f"{name} {version}" for name, version in sorted(packages.items())]
    if words(known, "system"):
        parts.append(words(known, "system"))
    return ", ".join(parts)


def _model_node(record: Record, say: Say) -> Node:
    model = record["model"]
    facts = [(say(_("Digest")), model["digest"])]
    if energy := _energy(record, say):
        facts.append((say(_("Energy of training")), energy))
        facts.append((say(_("Method")), _energy_method(record, say)))
    else:
        facts.append((say(_("Energy of training")), say(_("Missing"))))
    href = f"/models/{model['slug']}/{model['number']}/"
    return Node("model", say(_("Model")), model["title"], model["reference"], href, tuple(facts))


def _evaluation_node(one: Record, say: Say) -> Node:
    bits = number(one["bits_per_byte"], "model", "total")
    title = (
        say(_("{bits} bits per byte on held-out text")).format(bits=f"{bits:.3f}")
        if bits is not None
        else say(_("Results"))
    )
    return Node("evaluation", say(_("Evaluation")), title, one["run"], f"/runs/{one['run']}/",
                ((say(_("Data")), ", ".join(one["data"])),))  # fmt: skip


# --- the card -----------------------------------------------------------------------------------


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


def card(record: Record, say: Say) -> Card:
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
        (say(_("Provider")), _provider(record, say)),
        (say(_("State")), say(ModelState(model["state"]).label)),
        (say(_("Digest")), model["digest"]),
        (say(_("Size")), _size(record, say) or missing),
        (say(_("Architecture")), _architecture(record, say) or missing),
        (say(_("Context")), _context(record, say) or missing),
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
    notes = tuple(one for one in (_points(record, say), _unsuitable(record, say)) if one)
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
        (say(_("Training time")), _time(record, say) or missing),
        (say(_("Computation")), _compute(record, say) or missing),
        (say(_("Counted as")), _compute_method(record, say) or missing),
    )
    return Section(
        say(_("How it was trained")), paragraphs=(_training_design(record, say),), facts=facts
    )


def _footprint(record: Record, say: Say) -> Section:
    missing = say(_("missing"))
    return Section(
        say(_("Energy")),
        facts=(
            (say(_("Energy of training")), _energy(record, say) or missing),
            (say(_("Method")), _energy_method(record, say) or missing),
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
