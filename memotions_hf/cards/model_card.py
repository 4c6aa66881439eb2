"""The model card: README.md of a model folder, with every number taken from its metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from string import Template
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .. import __version__
from ..errors import InputError
from ..modeling.artifact import PLOT_FILES, ArtifactConfig
from .tables import detail_table, format_class_f1, macro_f1_table, markdown_table

SYSTEM = "memotions-bilstm"
MAIN_SET = "merged/test"
KEYWORD_SYSTEM = "keyword-rule"
OPINION_SET = "opinion"

_TITLE = "Memotions BiLSTM: emotions in Indonesian text"
_FOLDER_PLACEHOLDER = "path/to/this/folder"
_HUB_LICENSES = frozenset(
    ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
)
_CARD_METRICS = (("macro_f1", "f1", "Macro-F1"), ("accuracy", "accuracy", "Accuracy"))
_PLOT_CAPTIONS = ("Confusion matrix on the merged test split", "Learning curve")


def render_model_card(
    config: ArtifactConfig,
    metrics: Mapping[str, Any],
    *,
    plots: Collection[str] = (),
    repo_id: str | None = None,
) -> str:
    """Return the model card as Markdown with a YAML header.

    Args:
        config: settings of the model.
        metrics: what ``metrics.json`` holds; every part may be missing, and its section then says
            so.
        plots: which of ``plots/confusion_matrix.png`` and ``plots/learning_curve.png`` the folder
            holds.
        repo_id: the repository that the card is for, named in the examples.

    Raises:
        InputError: ``metrics`` has another form than the evaluation writes.
    """
    try:
        metadata = _metadata(config, metrics)
        text = _fill_template(config, metrics, plots, repo_id)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            "the metrics have another form than memotions evaluate writes "
            f"({type(error).__name__}: {error}); evaluate the model again"
        ) from None
    return str(ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{text.strip()}\n"))


def _metadata(config: ArtifactConfig, metrics: Mapping[str, Any]) -> ModelCardData:
    license_id = config.license.lower()
    known = license_id in _HUB_LICENSES
    results = list(_eval_results(metrics.get("evaluation") or {}))
    return ModelCardData(
        language="id",
        license=license_id if known else "other",
        license_name=None if known else license_id,
        library_name="keras",
        pipeline_tag="text-classification",
        tags=["memotions", "emotion", "indonesian", "bilstm", "onnx"],
        metrics=["f1", "accuracy"],
        model_name=_TITLE if results else None,
        eval_results=results or None,
        ignore_metadata_errors=False,
    )


def _eval_results(evaluation: Mapping[str, Any]) -> Iterator[EvalResult]:
    for name, entry in (evaluation.get("sets") or {}).items():
        scores = entry["systems"].get(SYSTEM)
        if scores is None:
            continue
        dataset, _, split = name.partition("/")
        for key, metric, title in _CARD_METRICS:
            yield EvalResult(
                task_type="text-classification",
                task_name="Emotion classification",
                dataset_type=dataset,
                dataset_name=f"Memotions evaluation set {name}",
                dataset_split=split or "test",
                metric_type=metric,
                metric_name=title,
                metric_value=round(float(scores[key]["value"]), 4),
                metric_args={"average": "macro"} if metric == "f1" else None,
            )


def _fill_template(
    config: ArtifactConfig,
    metrics: Mapping[str, Any],
    plots: Collection[str],
    repo_id: str | None,
) -> str:
    template = Template(resources.files(__package__).joinpath("model_card.md").read_text("utf-8"))
    corpus: Mapping[str, Any] = metrics.get("corpus") or {}
    return template.substitute(
        title=_TITLE,
        name=repo_id or _FOLDER_PLACEHOLDER,
        keras_name=f"hf://{repo_id}" if repo_id else _FOLDER_PLACEHOLDER,
        architecture=_architecture(config, metrics),
        data=_data(corpus),
        procedure=_procedure(config, metrics, plots),
        evaluation=_evaluation(metrics.get("evaluation") or {}, plots),
        max_length=f"{config.max_length:,}",
        license=config.license,
        license_reason=_license_reason(config.license, corpus),
        version=config.versions.get("memotions-hf", __version__),
        citations=_citations(corpus),
    )


def _architecture(config: ArtifactConfig, metrics: Mapping[str, Any]) -> str:
    model = config.model
    layers = len(model.lstm_units)
    units = " and ".join(map(str, model.lstm_units))
    noun = "bidirectional LSTM layer" if layers == 1 else "bidirectional LSTM layers"
    text = (
        f"{layers} {noun} ({units} units a direction) over {model.vocab_size:,} subword "
        f"embeddings of width {model.embedding_dim}, pooled by attention and maximum; "
        f"{model.count_parameters():,} parameters."
    )
    sizes = metrics.get("sizes") or {}
    if sizes:
        listed = ", ".join(f"`{name}` {_size(size)}" for name, size in sizes.items())
        text += f" Sizes: {listed}."
    return text


def _size(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"


def _data(corpus: Mapping[str, Any]) -> str:
    sources: Mapping[str, Any] = corpus.get("sources") or {}
    if not sources:
        return "The metrics of this model do not say what it was trained on."
    rows = [
        [
            _cell(source.get("title") or name),
            *(f"{source.get(split, 0):,}" for split in ("train", "validation", "test")),
            _cell(source.get("license")),
            _cell(source.get("terms")),
        ]
        for name, source in sources.items()
    ]
    splits = corpus.get("splits") or {}
    if splits:
        counts = [f"**{splits.get(split, 0):,}**" for split in ("train", "validation", "test")]
        rows.append(["**all**", *counts, "", ""])
    table = markdown_table(["source", "train", "validation", "test", "licence", "terms"], rows)
    return (
        f"{table}\n\nSources were mapped to the five labels (love counts as happy, surprise is "
        "left out). Texts that are equal or near-equal after normalisation never stand in "
        "different splits, and a source's official test rows stay in the test split."
    )


def _procedure(config: ArtifactConfig, metrics: Mapping[str, Any], plots: Collection[str]) -> str:
    recipe: Mapping[str, Any] = metrics.get("recipe") or {}
    training: Mapping[str, Any] = metrics.get("training") or {}
    parts = [f"Recipe `{config.recipe}`, version {config.recipe_version}."]
    if training:
        parts[0] += (
            f" {training['epochs']} epochs in {training['seconds'] / 60:.1f} minutes on "
            f"{training['cpu_cores']} CPU cores; the epoch with the best macro-F1 on validation "
            f"was {training['best_epoch']}. Seed {training['seed']}."
        )
    if config.temperature != 1:
        parts[0] += (
            f" Calibrated on validation with temperature {config.temperature:.3f}, which the "
            "weights hold already."
        )
    settings = {key: recipe[key] for key in recipe if key not in ("name", "version", "sources")}
    if settings:
        rows = [[f"`{key}`", f"`{_cell(value)}`"] for key, value in settings.items()]
        parts.append(markdown_table(["setting", "value"], rows))
    versions = training.get("versions") or config.versions
    if versions:
        listed = ", ".join(f"{_cell(name)} {_cell(value)}" for name, value in versions.items())
        parts.append(f"Made with {listed}.")
    if PLOT_FILES[1] in plots:
        parts.append(f"![{_PLOT_CAPTIONS[1]}]({PLOT_FILES[1]})")
    return "\n\n".join(parts)


def _evaluation(evaluation: Mapping[str, Any], plots: Collection[str]) -> str:
    sets: Mapping[str, Any] = evaluation.get("sets") or {}
    if not sets:
        return "This model has not been evaluated; do not rely on it before it is."
    bootstrap = evaluation["bootstrap"]
    names = list(dict.fromkeys(name for entry in sets.values() for name in entry["systems"]))
    # A system that was not run on a set shows as a dash.
    filled = {
        key: {
            **entry,
            "systems": {name: entry["systems"].get(name, {"macro_f1": None}) for name in names},
        }
        for key, entry in sets.items()
    }
    parts = [
        f"Macro-F1 with {bootstrap['confidence']:.0%} intervals from {bootstrap['samples']:,} "
        "bootstrap samples. The systems beside the model were given the same training rows.",
        macro_f1_table({**evaluation, "sets": filled}),
        _set_descriptions(sets),
    ]
    ours = {key: entry for key, entry in sets.items() if SYSTEM in entry["systems"]}
    if ours:
        parts.append("The model itself, with its calibration error (ECE) and F1 of each class:")
        parts.append(detail_table({**evaluation, "sets": ours}, SYSTEM))
    if MAIN_SET in ours:
        parts.append(f"Each class on `{MAIN_SET}`:")
        parts.append(_class_table(evaluation["labels"], ours[MAIN_SET]["systems"][SYSTEM]))
    if PLOT_FILES[0] in plots:
        parts.append(f"![{_PLOT_CAPTIONS[0]}]({PLOT_FILES[0]})")
    parts.append(_opinion_note(sets))
    return "\n\n".join(part for part in parts if part)


def _set_descriptions(sets: Mapping[str, Any]) -> str:
    return "\n".join(
        f"- `{name}`: {_cell(entry['description'])}"
        for name, entry in sets.items()
        if entry.get("description")
    )


def _class_table(labels: Collection[str], scores: Mapping[str, Any]) -> str:
    rows = []
    for label in labels:
        values = scores["per_class"][label]
        numbers = [f"{values[key]:.3f}" for key in ("precision", "recall")]
        rows.append([label, *numbers, format_class_f1(values), f"{values['support']:,}"])
    return markdown_table(["class", "precision", "recall", "F1", "rows"], rows)


def _opinion_note(sets: Mapping[str, Any]) -> str:
    rule = (sets.get(OPINION_SET) or {"systems": {}})["systems"].get(KEYWORD_SYSTEM)
    if rule is None:
        return ""
    return (
        f"The `{OPINION_SET}` tweets were never trained on, but they were gathered by emotion "
        f"words: a rule that only looks for such words scores {rule['macro_f1']['value']:.3f} on "
        "them. Read every figure on this set beside that one."
    )


def _license_reason(license_id: str, corpus: Mapping[str, Any]) -> str:
    demanding = [
        _cell(source.get("title") or name)
        for name, source in (corpus.get("sources") or {}).items()
        if source.get("license") == license_id and "NC" in license_id
    ]
    if not demanding:
        return ""
    return (
        f"That is what the licence of some of the training data asks for: {', '.join(demanding)}."
    )


def _citations(corpus: Mapping[str, Any]) -> str:
    lines = [
        f"- {_cell(source['citation'])}"
        for source in (corpus.get("sources") or {}).values()
        if source.get("citation")
    ]
    return "\n".join(["Please cite the data as well:", "", *lines]) if lines else ""


def _cell(value: object) -> str:
    """Return a value as one line that breaks no table."""
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|")
