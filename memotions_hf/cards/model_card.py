"""The model card: README.md of a model folder, with every number taken from its metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib import resources
from string import Template
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .. import __version__
from ..errors import InputError
from ..modeling.artifact import (
    PLOT_FILES,
    TWIN_CODE_FILE,
    TWIN_WEIGHTS_FILE,
    WEIGHTS_FILE,
    ArtifactConfig,
)
from .energy import estimate_energy, read_assumptions
from .model_cost import energy_section, speed_section
from .model_results import calibration_section, evaluation_section, headline, own_scores
from .tables import folded, markdown_table, one_line

_TITLE = "Memotions BiLSTM: emotions in Indonesian text"
_FOLDER_PLACEHOLDER = "path/to/this/folder"
_EXAMPLE = "Hari ini aku gagal lagi"
_HUB_LICENSES = frozenset(
    ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
)
_CARD_METRICS = (("macro_f1", "f1", "Macro-F1"), ("accuracy", "accuracy", "Accuracy"))
_SPLITS = ("train", "validation", "test")
_CONFUSION_PLOT, _CURVE_PLOT, _CALIBRATION_PLOT = PLOT_FILES
_WIDE_AND_DEEP = (
    '[Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems"]'
    "(https://arxiv.org/abs/1606.07792)"
)
_SHARED_WEIGHTS = "[Bojanowski et al. 2017](https://arxiv.org/abs/1607.04606)"
_TEMPERATURE = "[Guo et al. 2017](https://arxiv.org/abs/1706.04599)"
_LINEAR_STEP = (
    "2. The linear path was learnt apart, as linear support vector machines (SVC), one for each "
    "class against the rest. Tokens and pairs share weights through the character n-grams in them, "
    "so that rare words learn from words that look like them (the idea of fastText, "
    f"{_SHARED_WEIGHTS}). Those weights are summed up in the end: the model reads tokens only."
)
_WEIGHING_STEP = (
    "3. Both parts were weighed on validation: the logits of each are multiplied by a factor, and "
    "these two factors make the true labels likeliest. That calibrates the probabilities as well, "
    f"as temperature scaling does for a single part ({_TEMPERATURE}). The weights hold the factors "
    "already; the BiLSTM's logits were divided by {:.3f}."
)
_KERAS = Template("""\
**With Keras and transformers**, without the Memotions package; no code of the repository is run:

```python
import keras
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("$name", trust_remote_code=False)
model = keras.saving.load_model("$keras_name")
ids = tokenizer(["$example"], return_tensors="np", padding=True)["input_ids"]
model.predict(ids)
```

A tokenizer needs no code of the repository; without `trust_remote_code=False` transformers may ask
whether to run it, and wait for an answer.""")
_WHOLE_FOLDER = (
    "`EmotionClassifier.save_pretrained` writes a folder that Keras and transformers load without "
    "this package."
)
_TRANSFORMERS = Template("""\
**With transformers**, on torch:

```python
from transformers import pipeline

classifier = pipeline("text-classification", model="$name", trust_remote_code=True)
classifier("$example", top_k=None, truncation=True)
```

`trust_remote_code=True` runs `$code` of this repository on your machine. It is short and imports
nothing but torch and transformers: read it, and name the commit that you have read
(`revision="..."`), so that nobody can change it under you.""")


def render_model_card(
    config: ArtifactConfig,
    metrics: Mapping[str, Any],
    *,
    files: Collection[str] = (),
    repo_id: str | None = None,
) -> str:
    """Return the model card as Markdown with a YAML header.

    Args:
        config: settings of the model.
        metrics: what ``metrics.json`` holds; every part may be missing, and its section then says
            so.
        files: what the folder holds; plots, and what other libraries load, are shown where they are
            there.
        repo_id: the repository that the card is for, named in the examples.

    Raises:
        InputError: ``metrics`` has another form than the evaluation writes.
    """
    try:
        metadata = _metadata(config, metrics)
        text = _fill_template(config, metrics, files, repo_id)
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
        widget=[{"text": _EXAMPLE}],
        co2_eq_emissions=_emissions(metrics.get("training") or {}),
        ignore_metadata_errors=False,
    )


def _emissions(training: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the Hub lists models by; only what was measured, not what it is at most."""
    estimate = estimate_energy(training)
    if estimate is None or not estimate.measured:
        return None
    return {
        "emissions": round(estimate.grams.value, 1),  # grams
        "source": "estimated from the processor time, see the card",
        "training_type": "pre-training",
        "geographical_location": f"not recorded; reckoned for {_grid_place()}",
        "hardware_used": f"{training['cpu_cores']} CPU cores",
    }


def _grid_place() -> str:
    return str(read_assumptions()["carbon_intensity"]["place"])


def _eval_results(evaluation: Mapping[str, Any]) -> Iterator[EvalResult]:
    for name, scores in own_scores(evaluation).items():
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
    files: Collection[str],
    repo_id: str | None,
) -> str:
    template = Template(resources.files(__package__).joinpath("model_card.md").read_text("utf-8"))
    corpus: Mapping[str, Any] = metrics.get("corpus") or {}
    evaluation: Mapping[str, Any] = metrics.get("evaluation") or {}
    training: Mapping[str, Any] = metrics.get("training") or {}
    speed: Mapping[str, Any] = metrics.get("speed") or {}
    name = repo_id or _FOLDER_PLACEHOLDER
    text = template.substitute(
        title=_TITLE,
        name=name,
        keras=_keras(name, repo_id) if WEIGHTS_FILE in files else "",
        transformers=_transformers(name) if TWIN_WEIGHTS_FILE in files else _WHOLE_FOLDER,
        summary=f"{_architecture(config)}\n\n{headline(evaluation)}",
        data=_data(corpus),
        procedure=_procedure(config, metrics, _CURVE_PLOT in files),
        evaluation=evaluation_section(evaluation, _chosen(_CONFUSION_PLOT, files)),
        calibration=calibration_section(evaluation, _chosen(_CALIBRATION_PLOT, files)),
        speed=speed_section(speed, metrics.get("sizes") or {}),
        energy=energy_section(training, speed),
        max_length=f"{config.max_length:,}",
        license=config.license,
        license_reason=_license_reason(config.license, corpus),
        version=config.versions.get("memotions-hf", __version__),
        citations=_citations(corpus),
    )
    return text.replace("\n\n\n\n", "\n\n")  # where a part is empty


def _chosen(plot: str, files: Collection[str]) -> str | None:
    return plot if plot in files else None


def _keras(name: str, repo_id: str | None) -> str:
    keras_name = f"hf://{repo_id}" if repo_id else name
    return _KERAS.substitute(name=name, keras_name=keras_name, example=_EXAMPLE)


def _transformers(name: str) -> str:
    return _TRANSFORMERS.substitute(name=name, example=_EXAMPLE, code=TWIN_CODE_FILE)


def _architecture(config: ArtifactConfig) -> str:
    model = config.model
    bilstm = replace(model, pair_buckets=0)
    layers = len(model.lstm_units)
    units = " and ".join(map(str, model.lstm_units))
    noun = "bidirectional LSTM layer" if layers == 1 else "bidirectional LSTM layers"
    text = (
        f"{layers} {noun} ({units} units a direction) over {model.vocab_size:,} subword "
        f"embeddings of width {model.embedding_dim}, pooled by attention and maximum: "
        f"{bilstm.count_parameters():,} parameters."
    )
    if not model.pair_buckets:
        return text
    return (
        f"Two parts read a text, and their logits are added (as in {_WIDE_AND_DEEP}): "
        f"{model.count_parameters():,} parameters.\n\n"
        f"- A BiLSTM: {text}\n"
        f"- A linear path: for every class, a weight for each of the {model.vocab_size:,} subword "
        f"tokens and of {model.pair_buckets:,} buckets, which pairs of neighbouring tokens share. "
        "Those of a text are summed and divided by the square root of how many they are: "
        f"{model.count_parameters() - bilstm.count_parameters():,} parameters."
    )


def _data(corpus: Mapping[str, Any]) -> str:
    sources: Mapping[str, Any] = corpus.get("sources") or {}
    if not sources:
        return "The metrics of this model do not say what it was trained on."
    rows = [
        [
            _source_title(name, source),
            *(f"{source.get(split, 0):,}" for split in _SPLITS),
            one_line(source.get("license")),
        ]
        for name, source in sources.items()
    ]
    splits = corpus.get("splits") or {}
    if splits:
        rows.append(["**all**", *(f"**{splits.get(split, 0):,}**" for split in _SPLITS), ""])
    parts = [
        markdown_table(["source", *_SPLITS, "licence"], rows),
        _terms(sources),
        _repeated_sources(corpus),
        "Sources were mapped to the five labels (love counts as happy, surprise is left out). "
        "Texts that are equal or near-equal after normalisation never stand in different splits, "
        "and a source's official test rows stay in the test split.",
    ]
    return "\n\n".join(part for part in parts if part)


def _source_title(name: str, source: Mapping[str, Any]) -> str:
    return one_line(source.get("title") or name)


def _terms(sources: Mapping[str, Any]) -> str:
    lines = [
        f"- {_source_title(name, source)}: {one_line(source['terms'])}"
        for name, source in sources.items()
        if source.get("terms")
    ]
    return "\n".join(["What the licences come to:", "", *lines]) if lines else ""


def _repeated_sources(corpus: Mapping[str, Any]) -> str:
    """Return why a source that is named adds no row."""
    merge: Mapping[str, Any] = corpus.get("merge") or {}
    read, duplicate = merge.get("read") or {}, merge.get("duplicate") or {}
    return "\n\n".join(
        f"{_source_title(name, source)} adds no row: {duplicate[name]:,} of its {read[name]:,} "
        "rows stand in another source already."
        for name, source in corpus["sources"].items()
        if not any(source.get(split) for split in _SPLITS) and duplicate.get(name)
    )


def _procedure(config: ArtifactConfig, metrics: Mapping[str, Any], with_curve: bool) -> str:
    recipe: Mapping[str, Any] = metrics.get("recipe") or {}
    training: Mapping[str, Any] = metrics.get("training") or {}
    steps = _steps_of_two_parts if config.model.pair_buckets else _steps_of_the_bilstm
    parts = steps(config, training)
    if with_curve:
        parts.append(f"![Learning curve]({_CURVE_PLOT})")
        if config.model.pair_buckets:
            parts.append("The curve is the BiLSTM's alone, before the linear path joined it.")
    settings = {key: recipe[key] for key in recipe if key not in ("name", "version", "sources")}
    if settings:
        rows = [[f"`{key}`", f"`{one_line(value)}`"] for key, value in settings.items()]
        parts.append(
            folded("All settings of the recipe", markdown_table(["setting", "value"], rows))
        )
    return "\n\n".join(parts)


def _steps_of_the_bilstm(config: ArtifactConfig, training: Mapping[str, Any]) -> list[str]:
    text = f"Recipe `{config.recipe}`, version {config.recipe_version}."
    if training:
        text += (
            f" {training['epochs']} epochs in {_minutes(training)}; the epoch with the best "
            f"macro-F1 on validation was {training['best_epoch']}. Seed {training['seed']}."
        )
    if config.temperature != 1:
        text += (
            f" Calibrated on validation with temperature {config.temperature:.3f}, which the "
            "weights hold already."
        )
    return [text + _made_with(config, training)]


def _steps_of_two_parts(config: ArtifactConfig, training: Mapping[str, Any]) -> list[str]:
    text = f"Recipe `{config.recipe}`, version {config.recipe_version}."
    bilstm = "1. The BiLSTM was trained on its own."
    if training:
        text += f" {_minutes(training)} for all of it. Seed {training['seed']}."
        bilstm += (
            f" Of its {training['epochs']} epochs, number {training['best_epoch']} had the best "
            "macro-F1 on validation, and its weights were kept."
        )
    steps = "\n".join([bilstm, _LINEAR_STEP, _WEIGHING_STEP.format(config.temperature)])
    return [text + _made_with(config, training), steps, *_gain(training)]


def _gain(training: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the linear path added on validation, where both figures are known."""
    if "best_val_macro_f1" in training and "val_macro_f1" in training:
        yield (
            f"Macro-F1 on validation was {training['best_val_macro_f1']:.3f} for the BiLSTM alone, "
            f"at its best epoch, and is {training['val_macro_f1']:.3f} for the finished model. The "
            "epoch and the factors were chosen on these very rows: go by the test sets below."
        )


def _minutes(training: Mapping[str, Any]) -> str:
    return f"{training['seconds'] / 60:.1f} minutes on {training['cpu_cores']} CPU cores"


def _made_with(config: ArtifactConfig, training: Mapping[str, Any]) -> str:
    versions = training.get("versions") or config.versions
    listed = ", ".join(f"{one_line(name)} {one_line(value)}" for name, value in versions.items())
    return f" Made with {listed}." if listed else ""


def _license_reason(license_id: str, corpus: Mapping[str, Any]) -> str:
    demanding = [
        _source_title(name, source)
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
        f"- {one_line(source['citation'])}"
        for source in (corpus.get("sources") or {}).values()
        if source.get("citation")
    ]
    return "\n".join(["Please cite the data as well:", "", *lines]) if lines else ""
