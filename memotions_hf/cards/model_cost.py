"""The parts of a model card about what a model costs: time, memory, files and electricity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .energy import EnergyEstimate, Range, estimate_energy, read_assumptions
from .tables import markdown_table, one_line

Facts = Mapping[str, Any]

_HOW_TO_MEASURE = "`python benchmarks/model_facts.py --model FOLDER` of the source code measures it"


def format_size(size: float) -> str:
    """Return a number of bytes as ``4.4 MB``, ``38 kB`` or ``292 bytes``."""
    if size >= 1e6:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e3:.0f} kB" if size >= 1e3 else f"{size:.0f} bytes"


def speed_section(speed: Facts, sizes: Facts) -> str:
    """Return how fast the model answers, and how large its files are.

    Args:
        speed: the part of ``metrics.json`` of that name; may be empty.
        sizes: the part of ``metrics.json`` of that name; may be empty.
    """
    parts = [_speed(speed) if speed else f"Its speed has not been recorded; {_HOW_TO_MEASURE}."]
    if sizes:
        rows = [[f"`{name}`", format_size(size)] for name, size in sizes.items()]
        rows.append(["together", format_size(sum(sizes.values()))])
        parts += ["What inference needs of the files:", markdown_table(["file", "size"], rows)]
    return "\n\n".join(parts)


def _speed(speed: Facts) -> str:
    machine, texts = speed["machine"], speed["texts"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    compared = (
        ("texts_per_second", f"texts a second, in batches of {speed['batch_size']}", ",.0f"),
        ("cpu_milliseconds_a_text", "processor time a text in them, milliseconds", ".2f"),
        ("milliseconds_for_one", "one text alone, milliseconds", ".1f"),
    )
    rows = [
        [what, *(_range(speed[figure][key], form) for key in ("onnx", "keras"))]
        for figure, what, form in compared
    ]
    rows += [
        ["import, opening and first answer, seconds", _range(speed["first_answer"], ".2f"), ""],
        [f"peak memory over {texts['count']:,} texts", format_size(speed["peak_memory"]), ""],
    ]
    table = markdown_table(
        ["", "`EmotionClassifier` (ONNX Runtime)", "Keras, the same weights"], rows
    )
    return (
        f"Median of {speed['repeats']} repetitions, with the lowest and the highest, on "
        f"{machine['cores']} {one_line(machine['architecture'])} cores, "
        f"{one_line(machine['system'])}, Python {one_line(machine['python'])}, "
        f"{one_line(libraries)}; {texts['count']:,} texts of {texts['mean_characters']:.0f} "
        f"characters on average ({one_line(texts['source'])}).{_disturbance(machine)}\n\n{table}"
    )


def _disturbance(machine: Facts) -> str:
    if machine["load"] < 1:
        return ""
    return (
        f" The machine was busy with other work (a load of {machine['load']:.1f} before it began): "
        "only the processor time and the memory are what they would be without it."
    )


def _range(value: Facts, form: str) -> str:
    return f"{value['median']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


def energy_section(training: Facts, speed: Facts) -> str:
    """Return what training and use cost in electricity, and what that was reckoned from.

    Args:
        training: the part of ``metrics.json`` of that name; may be empty.
        speed: the part of ``metrics.json`` of that name; may be empty.
    """
    estimate = estimate_energy(training)
    if estimate is None:
        return "How long training took was not recorded, so that no estimate can be made."
    assumptions = read_assumptions()
    power, grid = assumptions["core_power"], assumptions["carbon_intensity"]
    at_most = "" if estimate.measured else "at most "
    return (
        f"{_processor_time(training, estimate)} That makes {at_most}"
        f"{_figures(estimate.watt_hours, 'Wh')} of electricity and {at_most}"
        f"{_figures(estimate.grams, 'g')} of CO2 equivalent; the ranges come from what a core may "
        f"be taken to draw.{_energy_in_use(speed)}\n\n"
        f"- A core is taken to draw {power['value']:g} W ({power['low']:g} to "
        f"{power['high']:g} W), the {power['meaning']} ({power['source']}).\n"
        f"- A kilowatt-hour is taken to cause {grid['value']:.0f} g, as in {grid['place']} in "
        f"{grid['date']} ({grid['source']}); where the model was really trained is not recorded.\n"
        "- Memory, cooling, the making of the machine, and runs before this one are not counted."
    )


def _energy_in_use(speed: Facts) -> str:
    if not speed:
        return ""
    seconds = speed["cpu_milliseconds_a_text"]["onnx"]["median"]  # of a thousand texts
    estimate = estimate_energy({"cpu_seconds": seconds})
    assert estimate is not None
    milliwatt_hours = estimate.watt_hours.times(1000)
    return (
        f" To read a thousand texts in batches takes {seconds:.2f} s of processor time, about "
        f"{_figures(milliwatt_hours, 'mWh')}."
    )


def _processor_time(training: Facts, estimate: EnergyEstimate) -> str:
    hours = f"{estimate.cpu_seconds / 3600:.2f} core-hours"
    if estimate.measured:
        return f"This run took {hours} of processor time, as measured."
    return (
        "The processor time of this run was not recorded. It ran for "
        f"{training['seconds']:,.0f} s on {training['cpu_cores']} cores, so that it cannot have "
        f"taken more than {hours}."
    )


def _figures(value: Range, unit: str) -> str:
    return f"**{value.value:.1f} {unit}** ({value.low:.1f} to {value.high:.1f})"
