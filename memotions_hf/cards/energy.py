"""What training a model cost in electricity, estimated from the processor time that it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

_SECONDS_AN_HOUR = 3600
_WATTS_A_KILOWATT = 1000


class Range(NamedTuple):
    """A figure as it is assumed, and with the lowest and the highest assumption."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Range:
        """Return all three multiplied by a factor."""
        return Range(*(figure * factor for figure in self))


class EnergyEstimate(NamedTuple):
    """Processor time of a run, all cores together, and the electricity and emissions from it."""

    cpu_seconds: float
    measured: bool
    """Whether the processor time was; otherwise it is the most that it can have been."""
    watt_hours: Range
    grams: Range


def read_assumptions() -> dict[str, Any]:
    """Return the power of a core and the carbon intensity of a grid, with their sources."""
    text = resources.files("memotions_hf").joinpath("data", "energy.json").read_text("utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def estimate_energy(training: Mapping[str, Any]) -> EnergyEstimate | None:
    """Estimate what a training run cost.

    ``watt_hours = cpu_seconds / 3600 * watts a core`` and
    ``grams = watt_hours / 1000 * grams a kWh``.

    A run from before processor time was recorded has ``seconds`` and ``cpu_cores`` only: its cores
    cannot have worked for longer than ``seconds * cpu_cores`` together.

    Args:
        training: the part of ``metrics.json`` of that name.

    Returns:
        The estimate, or None where nothing is known of the run's time.
    """
    measured = training.get("cpu_seconds") is not None
    if measured:
        cpu_seconds = float(training["cpu_seconds"])
    elif training.get("seconds") and training.get("cpu_cores"):
        cpu_seconds = float(training["seconds"]) * int(training["cpu_cores"])
    else:
        return None
    assumptions = read_assumptions()
    power = assumptions["core_power"]
    watts = Range(power["value"], power["low"], power["high"])
    watt_hours = watts.times(cpu_seconds / _SECONDS_AN_HOUR)
    grams = watt_hours.times(assumptions["carbon_intensity"]["value"] / _WATTS_A_KILOWATT)
    return EnergyEstimate(cpu_seconds, measured, watt_hours, grams)
