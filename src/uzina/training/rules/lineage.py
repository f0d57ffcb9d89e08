"""The lineage of a version: the chain from public money to the model. Pure."""

from dataclasses import dataclass, field

from uzina.core.text import _
from uzina.training.rules import entries, figures
from uzina.training.rules.record import (
    Record,
    Say,
    digest,
    environment,
    number,
    prepared,
    sources,
    words,
)

MS_PER_HOUR = 3_600_000


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


def trace(record: Record, say: Say, language: str) -> Lineage:
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
        hours = say(_("{hours} GPU-hours")).format(
            hours=figures.significant(award["gpu_ms"] / MS_PER_HOUR, 6)
        )
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
                hours=figures.significant(spent / MS_PER_HOUR, 4)
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
                hours=figures.significant((job["gpu_ms"] or 0) / MS_PER_HOUR, 4),
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


def _model_node(record: Record, say: Say) -> Node:
    model = record["model"]
    facts = [(say(_("Digest")), model["digest"])]
    if energy := entries.energy(record, say):
        facts.append((say(_("Energy of training")), energy))
        facts.append((say(_("Method")), entries.energy_method(record, say)))
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
