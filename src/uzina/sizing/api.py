"""The estimator for programs. No login: it reads nothing of anybody's."""

from typing import Annotated

from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Field, Router, Schema

from uzina.sizing import queries, rules

router = Router(tags=["sizing"])

Slug = Annotated[str, Field(max_length=40)]


class EstimateIn(Schema):
    """What someone wants to train."""

    parameters: int = Field(
        ge=1, le=rules.LARGEST_PARAMETERS, description="All parameters, a count."
    )
    tokens: int = Field(
        ge=1, le=rules.LARGEST_TOKENS, description="Training tokens, epochs included."
    )
    device: Slug = "h100"
    devices: int = Field(default=1, ge=1, le=rules.LARGEST_DEVICES)
    method: rules.Method = rules.Method.PRETRAINING
    architecture: rules.Architecture = rules.Architecture.DENSE
    active_parameters: int | None = Field(default=None, ge=1, le=rules.LARGEST_PARAMETERS)
    precision: rules.Precision = rules.Precision.BF16
    context_length: int | None = Field(default=None, ge=1, le=10_000_000)
    pue: float | None = Field(
        default=None, ge=1, le=5, allow_inf_nan=False, description="The site's own figure."
    )
    grams_per_kwh: float | None = Field(
        default=None,
        ge=0,
        le=5000,
        allow_inf_nan=False,
        description="CO2 of the site's electricity.",
    )


class GpuHoursOut(Schema):
    """GPU-hours of the run itself, net."""

    low: float
    middle: float
    high: float


class MemoryOut(Schema):
    """Memory of the training state, GiB."""

    state_gib: float
    per_device_gib: float
    device_gib: float
    fits: bool
    least_devices: int


class EstimateOut(Schema):
    """What the run takes, with the range, the source and what to ask for."""

    gpu_hours: GpuHoursOut
    gpu_hours_to_ask: int
    wall_hours: float
    flop: float
    mfu: float
    memory: MemoryOut | None
    energy_kwh: float
    co2_kg: float | None
    caveats: list[str]
    source: str
    checked_on: str


class DeviceOut(Schema):
    """A device the estimator knows."""

    slug: str
    title: str
    peak_tflops: float
    mfu: float
    memory_gib: float
    watts: float
    source: str


def told(sizing: rules.Sizing) -> EstimateOut:
    """Round the figures to what they are worth and put the caveats in the reader's language."""
    figures, fit, net = rules.figures, sizing.memory, sizing.net
    return EstimateOut(
        gpu_hours=GpuHoursOut(
            low=figures(net.low), middle=figures(net.middle), high=figures(net.high)
        ),
        gpu_hours_to_ask=sizing.gpu_hours_to_ask,
        wall_hours=figures(sizing.wall_hours),
        flop=net.flop,
        mfu=net.mfu,
        memory=None
        if fit is None
        else MemoryOut(
            state_gib=figures(fit.state_gib),
            per_device_gib=figures(fit.per_device_gib),
            device_gib=fit.device_gib,
            fits=fit.fits,
            least_devices=fit.least_devices,
        ),
        energy_kwh=figures(sizing.energy_kwh),
        co2_kg=None if sizing.co2_kg is None else figures(sizing.co2_kg),
        caveats=[gettext(caveat) for caveat in net.caveats],
        source=net.source,
        checked_on=queries.checked_on().isoformat(),
    )


@router.post("/estimate", response=EstimateOut, auth=None)
def estimate(request: HttpRequest, question: EstimateIn) -> EstimateOut:
    """Estimate the GPU-hours, memory and energy of a training run."""
    asked = rules.Question(
        parameters=question.parameters,
        tokens=question.tokens,
        method=question.method,
        architecture=question.architecture,
        active_parameters=question.active_parameters,
        precision=question.precision,
        context_length=question.context_length,
    )
    return told(
        rules.size(
            asked,
            queries.device(question.device),
            devices=question.devices,
            pue=question.pue,
            grams_per_kwh=question.grams_per_kwh,
        )
    )


@router.get("/devices", response=list[DeviceOut], auth=None)
def devices(request: HttpRequest) -> list[rules.Device]:
    """List the devices the estimator knows, with the source of each figure."""
    return list(queries.devices().values())
