"""How many GPU-hours a model takes."""

from typing import Annotated

import typer

from uzina_client.cli.shell import USAGE, Shell, Stopped, command

SCALES = {"k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}


def register(app: typer.Typer) -> None:
    """Add estimate."""
    command(app, "estimate")(estimate)


def estimate(
    shell: Shell,
    parameters: Annotated[str, typer.Option(help="All parameters: 7b, 350m, 1000000.")],
    tokens: Annotated[str, typer.Option(help="Training tokens, epochs included: 20b.")],
    device: Annotated[str, typer.Option(help="The GPU: h100, a100, …")] = "h100",
    devices: Annotated[int, typer.Option(help="How many GPUs.", min=1)] = 1,
) -> None:
    """Estimate the GPU-hours, memory and energy of a training run. Needs no sign-in."""
    found = shell.anyone.sizing.estimate(
        {
            "parameters": count(parameters, "--parameters"),
            "tokens": count(tokens, "--tokens"),
            "device": device,
            "devices": devices,
        }
    )
    hours = found["gpu_hours"]
    shell.show(
        found,
        [
            ("GPU-hours", f"{hours['middle']:,} ({hours['low']:,} to {hours['high']:,})"),
            ("Ask for", f"{found['gpu_hours_to_ask']:,} GPU-hours"),
            ("Wall hours", found["wall_hours"]),
            ("Energy", f"{found['energy_kwh']:,} kWh"),
            ("Note", "\n".join(found["caveats"])),
            ("Source", found["source"]),
        ],
    )


def count(text: str, option: str) -> int:
    """Return a whole number written plainly or with k, m, b or t."""
    number, scale = (
        (text[:-1], SCALES[text[-1].lower()]) if text[-1:].lower() in SCALES else (text, 1)
    )
    try:
        value = float(number.replace("_", ""))
        return round(value * scale)
    except (ValueError, OverflowError) as wrong:
        raise Stopped(
            f"{option}: write a number such as 7b, 350m or 1000000.", code=USAGE
        ) from wrong
