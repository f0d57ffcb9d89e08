"""The estimator's page."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from uzina.core.errors import Refused
from uzina.sizing import forms, queries, rules

STARTING = {
    "method": "pretraining",
    "device": "h100",
    "devices": 1,
    "architecture": "dense",
    "precision": "bf16",
}
"""What the form shows at first."""


@require_GET
def estimate(request: HttpRequest) -> HttpResponse:
    """Estimate GPU-hours, memory and energy; the question is in the address, so it can be shared."""
    form = forms.EstimateForm(request.GET or None, initial=STARTING)
    rows: list[tuple[str, str]] = []
    sizing: rules.Sizing | None = None
    if request.GET and form.is_valid():
        typed = form.cleaned_data
        device = queries.device(typed["device"])
        try:
            sizing = rules.size(
                form.question(),
                device,
                devices=typed["devices"],
                pue=None if typed["pue"] is None else float(typed["pue"]),
                grams_per_kwh=None
                if typed["grams_per_kwh"] is None
                else float(typed["grams_per_kwh"]),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            rows = _rows(sizing, device, has_site=typed["pue"] is not None)
    return render(
        request,
        "sizing/estimate.html",
        {
            "form": form,
            "rows": rows,
            "sizing": sizing,
            "caveats": sizing.net.caveats if sizing else (),
            "source": sizing.net.source if sizing else "",
            "checked_on": queries.checked_on(),
        },
        status=422 if request.GET and form.errors else 200,
    )


def _rows(sizing: rules.Sizing, device: rules.Device, *, has_site: bool) -> list[tuple[str, str]]:
    net = sizing.net
    rows = [
        (
            gettext("The run itself"),
            gettext("{middle} GPU-hours, from {low} to {high}").format(
                middle=_number(net.middle), low=_number(net.low), high=_number(net.high)
            ),
        ),
        (
            gettext("What to ask for"),
            gettext("{hours} GPU-hours, with restarts and development").format(
                hours=_number(sizing.gpu_hours_to_ask)
            ),
        ),
        (gettext("Time"), gettext("{hours} hours").format(hours=_number(sizing.wall_hours))),
    ]
    if sizing.memory:
        fit = sizing.memory
        words = (
            gettext("Fits: {state} GiB of {device} GiB on each device")
            if fit.fits
            else gettext(
                "Does not fit: {state} GiB of {device} GiB on each device; use {n} or more"
            )
        )
        rows.append(
            (
                gettext("Memory of the training state"),
                words.format(
                    state=_number(fit.per_device_gib),
                    device=_number(fit.device_gib),
                    n=_number(fit.least_devices),
                ),
            )
        )
    energy = (
        gettext("{kwh} kWh, with the site") if has_site else gettext("{kwh} kWh, devices alone")
    )
    rows.append((gettext("Energy"), energy.format(kwh=_number(sizing.energy_kwh))))
    if sizing.co2_kg is not None:
        rows.append((gettext("CO2"), gettext("{kg} kg").format(kg=_number(sizing.co2_kg))))
    rows.append(
        (
            gettext("Counted with"),
            gettext("{percent} % of the peak of {device}").format(
                percent=_number(net.mfu * 100), device=device.title
            ),
        )
    )
    return rows


def _number(value: float) -> str:
    rounded: Any = rules.figures(value)
    return number_format(int(rounded) if rounded >= 100 else rounded, force_grouping=True)
