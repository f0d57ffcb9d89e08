"""How much computing a training run takes. Pure arithmetic; each figure names its source.

A training step costs about 6 floating-point operations per parameter and token: 2 forward and 4
backward (Kaplan et al., arXiv:2001.08361, section 2.1). A device delivers its peak times the share
that real runs reach, the model FLOP utilisation (MFU). So

    GPU-hours = 6 N D / (peak x MFU x 3600)

It is a formula with a prior, not a table of answers. Against 28 published dense runs, each judged
with the MFU of other model families on the same chip, the median factor of error was 1.34, the
90th percentile 1.61 and the worst below 2. What the formula cannot say is refused, with a reason.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

FLOP_PER_PARAMETER_AND_TOKEN = 6
"""Forward 2, backward 4. Attention over long texts comes on top: see check_context."""

FACTOR = 1.6
"""The range is middle / 1.6 to middle x 1.6: nine of ten published dense runs fell inside."""

OVERHEAD = 1.25
"""What a run takes beyond its net steps (restarts, checkpoints, evaluation).
From 1.1 (more than 90 % effective time, arXiv:2407.21783 section 3.3.4) to 1.47 (one large
European run, gross over net); 1.25 lies between."""

DEVELOPMENT = 2.0
"""What to ask for development beside the run that counts, as a multiple of it.
Published: 1.5 in all for OLMo (arXiv:2503.05804), about 5 for OLMo 3; 2 is a careful start."""

POWER_SHARE = 0.8
"""Mean draw of a training device as a share of its power limit, where nothing was measured."""

STATE_BYTES = {"full": 16.0, "lora": 2.1, "qlora": 0.65}
"""Bytes per parameter of sharded training state. Full: fp32 master weight, gradient and two Adam
moments, 4 bytes each. LoRA: bf16 weights and small adapters. QLoRA: 4-bit weights and adapters."""

STATE_SHARE = 0.7
"""Share of a device's memory that the state may fill; the rest is for activations and buffers."""

GIB = 2**30

LARGEST_PARAMETERS = 10**13
LARGEST_TOKENS = 10**15
LARGEST_DEVICES = 100_000


class Method(StrEnum):
    """What is to be done with the model."""

    PRETRAINING = "pretraining"
    CONTINUED = "continued"
    FINE_TUNING = "fine_tuning"
    LORA = "lora"
    QLORA = "qlora"
    DISTILLATION = "distillation"
    REINFORCEMENT = "reinforcement"


METHOD_LABELS = {
    Method.PRETRAINING: _("Training from scratch (pretraining)"),
    Method.CONTINUED: _("Continued pretraining of an existing model"),
    Method.FINE_TUNING: _("Fine-tuning of all weights"),
    Method.LORA: _("Fine-tuning with adapters (LoRA)"),
    Method.QLORA: _("Fine-tuning with adapters on 4-bit weights (QLoRA)"),
    Method.DISTILLATION: _("Distillation from a larger model"),
    Method.REINFORCEMENT: _("Reinforcement learning (RLHF, GRPO and the like)"),
}


class Architecture(StrEnum):
    """How the parameters of a model are used."""

    DENSE = "dense"
    MIXTURE = "mixture"


ARCHITECTURE_LABELS = {
    Architecture.DENSE: _("Dense: every token uses every parameter"),
    Architecture.MIXTURE: _("Mixture of experts: a token uses a part of them"),
}


class Precision(StrEnum):
    """The number format of the matrix multiplications."""

    BF16 = "bf16"
    FP8 = "fp8"


PRECISION_LABELS = {
    Precision.BF16: _("bf16 or fp16 (fp32 on a CPU)"),
    Precision.FP8: _("FP8 or smaller"),
}


@dataclass(frozen=True)
class Device:
    """One kind of accelerator, and what is believed of it. Units as in priors.toml."""

    slug: str
    title: str
    family: str
    peak_tflops: float
    mfu: float
    mfu_low: float
    mfu_high: float
    runs: int
    watts: float
    memory_gib: float
    source: str


@dataclass(frozen=True)
class Estimate:
    """GPU-hours of one training run, net: without restarts and development.

    low, middle, high   GPU-hours (device-hours where the device is no GPU)
    flop                6 N D
    caveats             English sentences, marked for translation, that belong beside the figure
    """

    low: float
    middle: float
    high: float
    flop: float
    device: str
    mfu: float
    source: str
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What someone wants to train. Parameters and tokens are counts."""

    parameters: int
    tokens: int
    method: Method = Method.PRETRAINING
    architecture: Architecture = Architecture.DENSE
    active_parameters: int | None = None
    precision: Precision = Precision.BF16
    context_length: int | None = None


@dataclass(frozen=True)
class MemoryFit:
    """Whether the training state fits, GiB per device.

    fits          the state leaves at least 30 % of the memory to activations
    least_devices fewest devices over which the state would fit
    """

    state_gib: float
    per_device_gib: float
    device_gib: float
    fits: bool
    least_devices: int


def parse_priors(raw: Mapping[str, Any]) -> dict[str, Device]:
    """Return the devices of a priors file by slug. Raises Invalid with every mistake in it."""
    problems: list[Problem] = []
    devices: dict[str, Device] = {}
    for number, row in enumerate(raw.get("devices", [])):
        path = f"devices.{number}"
        try:
            middle, low, high = (float(share) for share in row["mfu"])
            device = Device(
                slug=str(row["slug"]),
                title=str(row["title"]),
                family=str(row["family"]),
                peak_tflops=float(row["peak_tflops"]),
                mfu=middle,
                mfu_low=low,
                mfu_high=high,
                runs=int(row["runs"]),
                watts=float(row["watts"]),
                memory_gib=float(row["memory_gib"]),
                source=str(row["source"]),
            )
        except (KeyError, TypeError, ValueError) as mistake:
            problems.append(
                Problem(
                    path,
                    "sizing.prior.unreadable",
                    _("Not readable: {why}."),
                    {"why": str(mistake)},
                )
            )
            continue
        if not 0 < low <= middle <= high <= 1:
            problems.append(
                Problem(
                    f"{path}.mfu",
                    "sizing.prior.order",
                    _("Give middle, low and high with 0 < low ≤ middle ≤ high ≤ 1."),
                )
            )
        if device.peak_tflops <= 0 or device.watts < 0 or device.memory_gib < 0:
            problems.append(
                Problem(
                    path,
                    "sizing.prior.range",
                    _("Peak must be above 0; power and memory 0 or more."),
                )
            )
        if device.slug in devices:
            problems.append(
                Problem(
                    f"{path}.slug",
                    "sizing.prior.twice",
                    _("{slug} is there twice."),
                    {"slug": device.slug},
                )
            )
        devices[device.slug] = device
    if problems:
        raise Invalid(problems)
    return devices


def training_flop(parameters: int, tokens: int) -> float:
    """Return the floating-point operations of one pass of tokens through a model, 6 N D."""
    return float(FLOP_PER_PARAMETER_AND_TOKEN) * parameters * tokens


def training_gpu_hours(parameters: int, tokens: int, device: Device) -> Estimate:
    """Return the net GPU-hours of a dense training run, with its range.

    parameters  active parameters, without the input embedding where that is large; above zero
    tokens      tokens seen, epochs included; above zero

    Raises Invalid for counts out of range.
    """
    _check_counts(parameters, tokens)
    flop = training_flop(parameters, tokens)
    middle = flop / (device.peak_tflops * 1e12 * device.mfu * 3600)
    caveats = () if device.runs else (PILOT,)
    return Estimate(
        low=middle / FACTOR,
        middle=middle,
        high=middle * FACTOR,
        flop=flop,
        device=device.slug,
        mfu=device.mfu,
        source=device.source,
        caveats=caveats,
    )


PILOT = _(
    "No published run validates this device: measure a pilot run of an hour before you rely on it."
)
MIXTURE = _(
    "Counted with the active parameters only. Routing and communication of a mixture of experts "
    "come on top; no published run validates the figure."
)
ADAPTERS = _(
    "An upper bound: the frozen weights need no gradients of their own, which saves up to a third."
)


def estimate(question: Question, device: Device) -> Estimate:
    """Return the net GPU-hours of what someone wants to train.

    Raises Invalid for counts out of range, and Refused when 6 N D cannot say:
    sizing.estimate.distillation, .reinforcement, .precision, .mixture_without_active,
    .context_too_long.
    """
    _check_counts(question.parameters, question.tokens)
    check_sayable(question)
    counted = question.parameters
    caveats: tuple[str, ...] = ()
    if question.architecture == Architecture.MIXTURE:
        counted = question.active_parameters or 0
        caveats += (MIXTURE,)
    if question.method in {Method.LORA, Method.QLORA}:
        caveats += (ADAPTERS,)
    net = training_gpu_hours(counted, question.tokens, device)
    return Estimate(
        low=net.low,
        middle=net.middle,
        high=net.high,
        flop=net.flop,
        device=net.device,
        mfu=net.mfu,
        source=net.source,
        caveats=net.caveats + caveats,
    )


def check_sayable(question: Question) -> None:
    """Raise Refused when the formula does not hold for what is asked."""
    if question.method == Method.DISTILLATION:
        raise Refused(
            "sizing.estimate.distillation",
            _(
                "Distillation also runs the teacher, which 6ND does not count: two published "
                "distilled models took 2.6 and 5.5 times the formula. Measure a pilot run and "
                "scale it by tokens."
            ),
        )
    if question.method == Method.REINFORCEMENT:
        raise Refused(
            "sizing.estimate.reinforcement",
            _(
                "Reinforcement learning spends most of its time generating answers, which 6ND does "
                "not count. Measure a pilot run and scale it by the number of answers."
            ),
        )
    if question.precision == Precision.FP8:
        raise Refused(
            "sizing.estimate.precision",
            _(
                "No prior holds for FP8: too few published runs state their hours. Estimate with "
                "bf16 and treat it as an upper bound."
            ),
        )
    if question.architecture == Architecture.MIXTURE:
        _check_mixture(question)
    check_context(question.active_parameters or question.parameters, question.context_length)


def _check_mixture(question: Question) -> None:
    active = question.active_parameters
    if active is None:
        raise Refused(
            "sizing.estimate.mixture_without_active",
            _(
                "A mixture of experts computes with its active parameters only, so the total says "
                "nothing about its hours. Give the active parameters per token."
            ),
        )
    if not 1 <= active <= question.parameters:
        raise Invalid(
            [
                Problem(
                    "active_parameters",
                    "sizing.active_parameters.range",
                    _("Active parameters must be from 1 to the total of {total}."),
                    {"total": question.parameters},
                )
            ]
        )


def attention_share(parameters: int, context_length: int) -> float:
    """Return the attention's operations as a share of 6 N D.

    Causal attention adds 6 x layers x width x context per token; with the usual shape
    (width = 128 x layers, N = 12 x layers x width^2) that is context / (12 x width) of 6 N.
    Check: 7 billion parameters give a width of 4,210 (Llama has 4,096).
    """
    width = (parameters * 128 / 12) ** (1 / 3)
    return context_length / (12 * width)


def check_context(parameters: int, context_length: int | None) -> None:
    """Raise Refused when attention alone would carry the run out of the estimate's range."""
    if context_length is None:
        return
    share = attention_share(parameters, context_length)
    if share > FACTOR - 1:
        raise Refused(
            "sizing.estimate.context_too_long",
            _(
                "With a context of {context} tokens attention adds about {percent} % to a model of "
                "this size, more than the formula's own range. Estimate with a shorter context, "
                "or measure a pilot run."
            ),
            context=context_length,
            percent=round(share * 100),
        )


def _check_counts(parameters: int, tokens: int) -> None:
    problems = [
        Problem(
            field,
            f"sizing.{field}.range",
            _("Give a number from 1 to {most}."),
            {"most": most},
        )
        for field, value, most in (
            ("parameters", parameters, LARGEST_PARAMETERS),
            ("tokens", tokens, LARGEST_TOKENS),
        )
        if not 1 <= value <= most
    ]
    if problems:
        raise Invalid(problems)


def gpu_hours_to_ask(net: float) -> int:
    """Return what to ask for: the net hours with overhead and development, in two figures, up.

    Two significant figures, since the estimate has no more; at least 1.
    """
    gross = net * OVERHEAD * DEVELOPMENT
    if gross <= 1:
        return 1
    step = 10 ** max(0, math.floor(math.log10(gross)) - 1)
    return math.ceil(gross / step) * step


def tokens_for(parameters: int) -> int:
    """Return the compute-optimal number of training tokens, 20 per parameter.

    Hoffmann et al., arXiv:2203.15556, table 3. Models that are served a lot are trained on far
    more today (100 to 4,000 per parameter).
    """
    return 20 * parameters


def memory_fit(parameters: int, devices: int, device: Device, *, method: Method) -> MemoryFit:
    """Return whether the training state fits, sharded evenly over the devices.

    parameters  all of them, the inactive ones of a mixture too
    devices     1 or more

    Checked against a published 8 billion run: 77.0 GiB on 8 and 62.0 GiB on 128 devices, where
    the state differs by 14.0 GiB.
    """
    kind = method.value if method in {Method.LORA, Method.QLORA} else "full"
    state = parameters * STATE_BYTES[kind] / GIB
    room = device.memory_gib * STATE_SHARE
    return MemoryFit(
        state_gib=state,
        per_device_gib=state / devices,
        device_gib=device.memory_gib,
        fits=state / devices <= room,
        least_devices=max(1, math.ceil(state / room)) if room else 0,
    )


def energy_kwh(
    gpu_hours: float, device: Device, *, pue: float, watts: float | None = None
) -> float:
    """Return the energy of a run, kWh, cooling and losses of the site included.

    pue    the site's power usage effectiveness, 1 or more
    watts  measured mean draw of one device; without it 0.8 of its power limit

    Raises ValueError for a PUE below 1 or negative hours.
    """
    if pue < 1 or gpu_hours < 0:
        msg = "PUE must be 1 or more and hours 0 or more"
        raise ValueError(msg)
    draw = device.watts * POWER_SHARE if watts is None else watts
    return gpu_hours * draw / 1000 * pue


def co2_kg(kwh: float, *, grams_per_kwh: float) -> float:
    """Return the carbon dioxide of that energy, kg. grams_per_kwh is the site's own figure."""
    return kwh * grams_per_kwh / 1000


def wall_hours(gpu_hours: float, devices: int) -> float:
    """Return how long the run takes on so many devices, hours, scaling taken as even."""
    return gpu_hours / devices


@dataclass(frozen=True)
class Sizing:
    """Everything one question gets as an answer. Hours net, energy in kWh, CO2 in kg."""

    net: Estimate
    gpu_hours_to_ask: int
    wall_hours: float
    memory: MemoryFit | None
    energy_kwh: float
    co2_kg: float | None


def size(
    question: Question,
    device: Device,
    *,
    devices: int,
    pue: float | None,
    grams_per_kwh: float | None,
) -> Sizing:
    """Return hours, memory, energy and CO2 of what someone wants to train.

    devices        over how many devices it runs, 1 or more
    pue            the site's figure; None counts the devices alone
    grams_per_kwh  the site's figure; None leaves CO2 out

    Raises what estimate raises.
    """
    net = estimate(question, device)
    energy = energy_kwh(net.middle, device, pue=1.0 if pue is None else pue)
    return Sizing(
        net=net,
        gpu_hours_to_ask=gpu_hours_to_ask(net.middle),
        wall_hours=wall_hours(net.middle, devices),
        memory=memory_fit(question.parameters, devices, device, method=question.method)
        if device.memory_gib
        else None,
        energy_kwh=energy,
        co2_kg=None if grams_per_kwh is None else co2_kg(energy, grams_per_kwh=grams_per_kwh),
    )


def figures(value: float) -> float:
    """Round to the three significant figures that an estimate is worth at most."""
    return float(f"{value:.3g}")


def device_choices(devices: Sequence[Device]) -> list[tuple[str, str]]:
    """Return (slug, title) for a form, in the order of the file."""
    return [(device.slug, device.title) for device in devices]
