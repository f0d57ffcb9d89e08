"""What the record says, in words: the text of each field that needs nobody to state it. Pure."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from uzina.core.text import _
from uzina.training.rules import figures
from uzina.training.rules.record import (
    Record,
    Say,
    flop_of,
    number,
    prepared,
    sources,
    training_run,
    training_s,
    words,
)

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


def _date_updated(record: Record, _say: Say) -> str:
    moments = [record["model"]["created_at"], record["model"]["released_at"]]
    moments += [one["at"] for one in record["answers"].values()]
    moments += [one["made_at"] for one in record["evaluations"]]
    return max(one for one in moments if one)[:10]


def _document_version(record: Record, _say: Say) -> str:
    return str(1 + sum(one["revision"] for one in record["answers"].values()))


def provider(record: Record, _say: Say) -> str:
    """Name the provider and its country."""
    known = record["model"]["provider"]
    return f"{known['name']} ({known['country']})"


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


def architecture(record: Record, say: Say) -> str:
    """Say the shape of the network; "" when not known."""
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
            one: figures.significant(number(shape, one) or 0, 12)
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
            one: figures.significant(number(shape, one) or 0, 12)
            for one in ("hidden", "context", "vocabulary")
        },
    )


def _text(_record: Record, say: Say) -> str:
    return say(_("Text"))


def context(record: Record, say: Say) -> str:
    """Say how many tokens the model takes in and gives; "" when not known."""
    tokens = number(record["facts"], "architecture", "context")
    if tokens is None:
        return ""
    return say(_("{context} tokens, input and output together")).format(
        context=figures.significant(tokens, 12)
    )


def size(record: Record, say: Say) -> str:
    """Say how many parameters the model has; "" when not counted."""
    parameters = number(record["facts"], "parameters")
    if parameters is None:
        return ""
    return say(_("{short} parameters ({count} exactly)")).format(
        short=figures.significant(parameters), count=f"{parameters:,.0f}"
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
    ).format(size=figures.significant(weights / 1e6))


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


def training_design(record: Record, say: Say) -> str:
    """Say how the model was trained; "" when no run is known."""
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


def points(record: Record, say: Say) -> str:
    """Count the data the model was trained on; "" when nothing was prepared."""
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
            return say(_("{order} tokens")).format(order=figures.order(tokens))
    return ""


def _scope(record: Record, say: Say) -> str:
    found = sources(record)
    if not found:
        return ""
    languages = dict.fromkeys(code for one in found for code in one["languages"])
    parts = [
        say(_("Text in {languages}; {bytes} bytes as received.")).format(
            languages=", ".join(languages), bytes=f"{sum(one['bytes'] for one in found):,}"
        )
    ]
    return "\n".join([*parts, *(line for one in prepared(record) for line in _content(one, say))])


def _content(one: Mapping[str, Any], say: Say) -> list[str]:
    """Say what prepared data consists of, as its preparation reckoned it."""
    content = one["facts"].get("content")
    if not isinstance(content, Mapping):
        return []
    labels = (
        ("languages", _("{reference} by language: {shares}.")),
        ("licences", _("{reference} by licence: {shares}.")),
        ("sources", _("{reference} by source: {shares}.")),
        ("domains", _("{reference} by the largest of {count} crawled domains: {shares}.")),
    )
    parts = [
        say(label).format(
            reference=one["reference"],
            count=content.get("domain_count", 0),
            shares=", ".join(f"{title} {100 * share:.1f} %" for title, share in content[name]),
        )
        for name, label in labels
        if content.get(name)
    ]
    if content.get("collected_from"):
        parts.append(
            say(_("{reference} was collected from {first} to {last}.")).format(
                reference=one["reference"],
                first=content["collected_from"],
                last=content["collected_until"],
            )
        )
    return parts


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


def unsuitable(record: Record, say: Say) -> str:
    """Count what each rule left out of the data; "" when nothing was."""
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


def training_time(record: Record, say: Say) -> str:
    """Say how long the training took, as measured; "" when it was not."""
    clock, devices = training_s(record)
    if clock is None or devices is None:
        return ""
    return say(
        _(
            "{clock} days by the clock ({seconds} s), {devices} device-days, measured by the scheduler"
        )
    ).format(
        clock=figures.significant(clock / S_PER_DAY),
        seconds=f"{clock:,.0f}",
        devices=figures.significant(devices / S_PER_DAY),
    )


def _compute_order(record: Record, _say: Say) -> str:
    flop = flop_of(record["facts"])
    return "" if flop is None else f"{figures.order(flop)} FLOP"


def computation(record: Record, _say: Say) -> str:
    """Say how many operations the training took; "" when not counted."""
    flop = flop_of(record["facts"])
    return "" if flop is None else f"{figures.significant(flop)} FLOP"


def computation_method(record: Record, _say: Say) -> str:
    """Say how the operations were counted; "" when not known."""
    return words(record["facts"], "flop", "method")


def energy(record: Record, say: Say) -> str:
    """Say what energy the training took; "" when not known."""
    kwh = number(record["facts"], "energy", "kwh")
    if kwh is None:
        return ""
    text = f"{figures.significant(kwh / 1000)} MWh"
    low, high = (number(record["facts"], "energy", name) for name in ("kwh_low", "kwh_high"))
    if record["facts"]["energy"].get("is_estimate") and low is not None and high is not None:
        text += say(_(" (estimated, {low} to {high} MWh)")).format(
            low=figures.significant(low / 1000), high=figures.significant(high / 1000)
        )
    return text


def energy_method(record: Record, say: Say) -> str:
    """Say how the energy was found, and what it covers; "" when not known."""
    method = words(record["facts"], "energy", "method")
    boundary = words(record["facts"], "energy", "boundary")
    if not method:
        return ""
    return method + (say(_(" Boundary: {boundary}.")).format(boundary=boundary) if boundary else "")


def _inference(record: Record, say: Say) -> str:
    counted = number(record["facts"], "parameters_without_input_embedding")
    if counted is None:
        return ""
    return say(_("{flop} FLOP, calculated")).format(
        flop=figures.significant(2 * counted * BENCHMARK_TOKENS)
    )


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
    "provider_name": provider,
    "model_name": _name,
    "model_authenticity": _authenticity,
    "release_date": _release,
    "model_dependencies": _dependencies,
    "architecture": architecture,
    "design_specifications": _design,
    "input_modalities": _text,
    "input_size": context,
    "output_modalities": _text,
    "output_size": context,
    "total_size": size,
    "size_range": _size_range,
    "channels_authorities": _channels,
    "channels_downstream": _channels,
    "technical_means": _technical,
    "required_hardware": _hardware,
    "required_software": _software,
    "training_design": training_design,
    "data_type": _text,
    "data_provenance": _provenance,
    "data_obtained": _obtained,
    "data_points_order": _points_order,
    "data_points": points,
    "data_scope": _scope,
    "data_curation": _curation,
    "unsuitable_sources": unsuitable,
    "training_time_range": _time_range,
    "training_time": training_time,
    "compute_order": _compute_order,
    "compute_amount": computation,
    "compute_method": computation_method,
    "energy_amount": energy,
    "energy_method": energy_method,
    "inference_amount": _inference,
    "inference_method": _inference_method,
}
"""Fields the record can answer; the others are for people."""
