"""EmotionClassifier: the emotion of Indonesian text, from a model folder."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MissingExtraError, ModelLoadError
from ..labels import LABELS, parse_label
from ..modeling.artifact import (
    BUNDLED_FOLDER,
    INFERENCE_FILES,
    ONNX_FILE,
    ArtifactConfig,
    check_repo_name,
    check_subfolder,
    read_artifact_config,
    write_folder_atomically,
)
from ..text import PLACEHOLDERS
from ..tokenization import (
    TOKENIZER_FILE,
    RememberingEncoder,
    encode_batch,
    load_tokenizer,
)
from .explanation import WordContribution, group_words, read_words
from .journal import JournalAnalysis, SentenceEmotion, split_thoughts
from .runtime import TOKEN_BUDGET, OnnxModel

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo
    from tokenizers import Tokenizer

DEFAULT_BATCH_SIZE = 256

# No token stands for more characters than this in ordinary text, so that the rest of a very long
# text is cut off before it costs time.
_CHARACTERS_PER_TOKEN = 200
# Texts read ahead, so that batches of similar lengths can be formed.
_WINDOW_BATCHES = 8
_WINDOW_CHARACTERS = 1_000_000
# Pieces of a text that are explained however long it is.
_MIN_PIECES = 16

FloatArray = npt.NDArray[np.float32]
TopK = int | Literal["best"] | None


class EmotionScore(TypedDict):
    """One class of an answer."""

    label: str
    score: float


class NoEmotion(TypedDict):
    """The answer to a text of a batch in which there is nothing to read."""

    label: None
    score: None


Answer = EmotionScore | NoEmotion | list[EmotionScore]


class EmotionClassifier:
    """Tells sadness, happiness, neutrality, anger and fear in Indonesian text.

    >>> clf = EmotionClassifier.from_pretrained()
    >>> clf("Hari ini aku gagal lagi")
    [{'label': 'sad', 'score': ...}]

    Texts are read up to the model's ``config.max_length`` tokens. A text without a letter, a digit
    or an emoji (blank, punctuation only, only a link or a mention) has nothing to read: alone it is
    an InputError, in a list or a stream it gets an empty answer, so that answers stay aligned. A
    text in an unknown script is answered with the model's honest, usually flat probabilities.

    Runs on ONNX Runtime; nothing is read but the model folder, nothing in it is executed, and no
    text is logged or sent anywhere. One object may be used from several threads.
    """

    def __init__(self, folder: Path) -> None:
        """Open a model folder on this machine; most callers want :meth:`from_pretrained`.

        Raises:
            ModelLoadError: a file is missing, damaged, or does not fit the others.
        """
        self._folder = folder
        self._config = read_artifact_config(folder)
        self._tokenizer: Tokenizer = load_tokenizer(folder)
        self._encoder = RememberingEncoder(self._tokenizer)
        vocab_size = self._tokenizer.get_vocab_size()
        if vocab_size > self._config.model.vocab_size:
            raise ModelLoadError(
                f"{folder / TOKENIZER_FILE} has {vocab_size:,} entries, but the model knows "
                f"{self._config.model.vocab_size:,}; take both files from one model"
            )
        self._model = OnnxModel(folder / ONNX_FILE, vocab_size, len(LABELS))
        silent = (self._tokenizer.token_to_id(token) for token in (*PLACEHOLDERS, *"!?…"))
        self._silent_ids = frozenset(token_id for token_id in silent if token_id is not None)
        # From the Hub comes only what answers need; the rest is fetched when it is passed on.
        self._fetch_whole: Callable[[], Path] = lambda: folder

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        subfolder: str | None = None,
    ) -> EmotionClassifier:
        """Load a classifier.

        Args:
            name_or_path: a model folder, or a repo id on the Hugging Face Hub; None is the model
                that comes with the package, which needs no network.
            revision: branch, tag or commit of the repository.
            token: access token of the Hub, for private repositories.
            cache_dir: where downloads are kept.
            force_download: download again what is in the cache already.
            local_files_only: use the cache only.
            subfolder: folder inside the repository or the model folder.

        Raises:
            ModelLoadError: the model cannot be found, reached or read; the message says which.
        """
        if name_or_path is None:
            return cls(_bundled_folder())
        local = Path(name_or_path)
        if name_or_path and local.is_dir():  # an empty name would be the working directory
            return cls(local / check_subfolder(subfolder))
        check_repo_name(name_or_path)
        from ..modeling.hub import commit_of, fetch_model_folder

        fetch = functools.partial(
            fetch_model_folder,
            name_or_path,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            subfolder=subfolder,
        )
        folder = fetch(files=INFERENCE_FILES, revision=revision, force_download=force_download)
        classifier = cls(folder)
        classifier._fetch_whole = functools.partial(fetch, revision=commit_of(folder))
        return classifier

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of :meth:`predict_proba`'s columns."""
        return LABELS

    @property
    def config(self) -> ArtifactConfig:
        """The settings of the model folder."""
        return self._config

    def __repr__(self) -> str:
        return f"EmotionClassifier({str(self._folder)!r})"

    @overload
    def __call__(
        self,
        texts: str,
        *,
        top_k: TopK = ...,
        threshold: float | None = ...,
        batch_size: int = ...,
    ) -> list[EmotionScore]: ...

    @overload
    def __call__(
        self,
        texts: Sequence[str],
        *,
        top_k: TopK = ...,
        threshold: float | None = ...,
        batch_size: int = ...,
    ) -> list[Answer]: ...

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        top_k: TopK = "best",
        threshold: float | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> list[EmotionScore] | list[Answer]:
        """Classify texts, as transformers' text-classification pipeline does.

        Args:
            texts: one text or several.
            top_k: how many classes to answer with, the best first; None is all of them. The
                default is the best one, or with a threshold every class over it.
            threshold: leave out classes whose probability is not over it; none may be left.
            batch_size: texts that are run at once, at most.

        Returns:
            For one text, a list of ``{"label", "score"}``. For several, one such list for each;
            with neither ``top_k`` nor ``threshold`` given, one plain dict for each. A text with
            nothing to read gets an empty list, or ``{"label": None, "score": None}``.

        Raises:
            InputError: an argument is out of range, or a lone text has nothing to read.
        """
        check_choice(top_k, threshold)
        _check_batch_size(batch_size)
        if not isinstance(texts, str):
            texts = _as_texts(texts)
            return list(
                self.predict_stream(texts, top_k=top_k, threshold=threshold, batch_size=batch_size)
            )
        return select(self._scores_of_one(texts), top_k, threshold)

    def predict_proba(
        self, texts: str | Sequence[str], *, batch_size: int = DEFAULT_BATCH_SIZE
    ) -> FloatArray:
        """Return the probability of every class.

        A text with nothing to read gets the model's answer to it, which says only how common the
        classes are.

        Args:
            texts: one text or several; none is allowed.
            batch_size: texts that are run at once, at most.

        Returns:
            float32 (n, 5), columns in the order of :attr:`labels`; rows sum to 1.

        Raises:
            InputError: ``texts`` holds something else than strings.
        """
        _check_batch_size(batch_size)
        texts = [texts] if isinstance(texts, str) else _as_texts(texts)
        rows = [
            self._model.answer(self._encode(window), batch_size) for window in _windows(texts, 2048)
        ]
        return np.concatenate([np.empty((0, len(LABELS)), np.float32), *rows])

    def predict_stream(
        self,
        texts: Iterable[str],
        *,
        top_k: TopK = "best",
        threshold: float | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Iterator[Answer]:
        """Classify texts as they come, in bounded memory; a generator.

        Reads up to eight batches ahead, in order to batch texts of similar lengths; with
        ``batch_size=1`` every answer is given before the next text is read.

        Args:
            texts: any iterable of texts, endless ones included.
            top_k: as in :meth:`__call__`.
            threshold: as in :meth:`__call__`.
            batch_size: texts that are run at once, at most.

        Yields:
            For each text, in order, what :meth:`__call__` returns for a text of a list.

        Raises:
            InputError: an argument is out of range (at once), or a text is no string.
        """
        check_choice(top_k, threshold)
        _check_batch_size(batch_size)
        if isinstance(texts, str):
            raise InputError("predict_stream takes an iterable of texts and got one str; wrap it")
        return self._stream(texts, top_k, threshold, batch_size)

    def explain(self, text: str, *, label: str | int | None = None) -> list[WordContribution]:
        """Tell how much every word adds to the answer, by leaving each out in turn (occlusion).

        Args:
            text: one text.
            label: the class to explain; by default the one that the model answers with.

        Returns:
            ``(token, start, end, contribution)`` in text order, where ``token`` is
            ``text[start:end]``: words, emoji and end punctuation. The cost grows with the square
            of the length, so a text of more than about 180 tokens is explained in phrases of
            neighbouring words, as many as one batch holds; what lies beyond ``config.max_length``
            tokens is not read and thus left out.

        Raises:
            InputError: the text has nothing to read, or the label is unknown.
        """
        ids = self._readable_ids(text)
        words = read_words(self._tokenizer, self._cut(text), self._config.max_length)
        words = group_words(words, max(_MIN_PIECES, TOKEN_BUDGET // len(ids)))
        variants = [ids, *(ids[: word.first] + ids[word.last :] for word in words)]
        rows = self._model.answer(variants, DEFAULT_BATCH_SIZE)
        column = int(rows[0].argmax()) if label is None else LABELS.index(parse_label(label))
        contributions = rows[0, column] - rows[1:, column]
        return [
            WordContribution(text[word.start : word.end], word.start, word.end, float(value))
            for word, value in zip(words, contributions, strict=True)
        ]

    def analyze_journal(self, entry: str) -> JournalAnalysis:
        """Classify an entry as a whole and sentence by sentence.

        The overall answer is that to the entry as one text, which was right more often than any
        average over its sentences (benchmarks/results/explanation.json). An entry of more than
        ``config.max_length`` tokens, of which a call reads only the beginning, is read here in
        parts of equal length whose answers are averaged, so that its end counts as well.

        Args:
            entry: one text of any length.

        Returns:
            The overall answer, and every sentence's own. A long sentence written without any
            punctuation is taken apart where a new thought clearly begins.

        Raises:
            InputError: the entry has nothing to read.
        """
        overall = self._scores_of_entry(entry)
        spans = split_thoughts(entry)
        answers = self.predict_stream((entry[start:end] for start, end in spans), top_k=None)
        sentences = tuple(
            SentenceEmotion(entry[start:end], start, end, scores[0]["label"], _as_mapping(scores))
            for (start, end), scores in zip(spans, answers, strict=True)
            if isinstance(scores, list) and scores
        )
        return JournalAnalysis(overall[0]["label"], _as_mapping(overall), sentences)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the model into a folder, whole or not at all.

        The torch twin is made from the ONNX file, and so are the Keras files where the ``train``
        extra is installed; otherwise a warning says that they are left out. Of a model from the Hub
        the rest is downloaded first: its metrics, plots, training log and Keras weights.

        Returns:
            The folder.

        Raises:
            InputError: the folder cannot be written, or holds something else.
            ModelLoadError: the rest of the model cannot be downloaded.
        """
        target = Path(folder)
        with write_folder_atomically(target) as draft:
            self._write_files(draft)
        return target

    def push_to_hub(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        create_pr: bool = False,
        commit_message: str = "Upload a Memotions emotion classifier",
    ) -> CommitInfo:
        """Upload the model to the Hugging Face Hub in one commit, on the newest one there.

        The repository and the branch are created where needed. A file that has not changed is not
        sent again, and where none has there is no commit. If somebody else pushes meanwhile,
        nothing is uploaded.

        Args:
            repo_id: ``name/model``, or ``model`` for the token's owner.
            revision: branch to commit to.
            private: visibility of a new repository; True refuses one that is public.
            token: access token, True for the stored one.
            create_pr: open a pull request instead of committing to the branch.
            commit_message: first line of the commit's message.

        Returns:
            The commit, which is also its address as a string; the newest one where nothing is new.

        Raises:
            HubError: the Hub cannot be reached or refuses.
            InputError: an argument cannot be used.
            ModelLoadError: the rest of a model from the Hub cannot be downloaded.
        """
        import tempfile

        from ..modeling.hub import push_model_folder

        with tempfile.TemporaryDirectory() as name:
            self._write_files(Path(name))
            return push_model_folder(
                Path(name),
                repo_id,
                revision=revision,
                private=private,
                token=token,
                create_pr=create_pr,
                commit_message=commit_message,
            )

    def _write_files(self, folder: Path) -> None:
        from ..modeling.saving import add_keras_files, copy_files, write_card, write_twin

        copy_files(self._fetch_whole(), folder)
        try:
            add_keras_files(folder)
        except MissingExtraError as error:
            warnings.warn(
                f"Keras's files (model.weights.h5, metadata.json) were left out: {error}",
                stacklevel=3,
            )
        write_twin(folder)
        write_card(folder)

    def _stream(
        self, texts: Iterable[str], top_k: TopK, threshold: float | None, batch_size: int
    ) -> Iterator[Answer]:
        ahead = batch_size * _WINDOW_BATCHES if batch_size > 1 else 1
        flat = top_k == "best" and threshold is None
        for window in _windows(texts, ahead):
            ids = self._encode(window)
            rows = self._model.answer(ids, batch_size)
            readable = [self._is_readable(text_ids) for text_ids in ids]
            if flat:
                yield from _best_scores(rows, readable)
                continue
            for row, is_readable in zip(rows, readable, strict=True):
                yield select(_sorted_scores(row), top_k, threshold) if is_readable else []

    def _scores_of_one(self, text: str) -> list[EmotionScore]:
        return _sorted_scores(self._model.answer([self._readable_ids(text)], 1)[0])

    def _scores_of_entry(self, entry: str) -> list[EmotionScore]:
        parts = [self._readable_ids(entry)]
        if len(parts[0]) == self._config.max_length:
            ids = encode_batch(self._tokenizer, [entry], len(entry))[0]
            size = -(-len(ids) // -(-len(ids) // self._config.max_length))
            parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return _sorted_scores(self._model.answer(parts, DEFAULT_BATCH_SIZE).mean(axis=0))

    def _readable_ids(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise InputError(f"a text must be a str, got {type(text).__name__}")
        ids = self._encode([text])[0]
        if not self._is_readable(ids):
            raise InputError(
                "the text has nothing to read: no letter, digit or emoji; write at least one word"
            )
        return ids

    def _is_readable(self, ids: Sequence[int]) -> bool:
        return not self._silent_ids.issuperset(ids)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        texts = [self._cut(text) for text in texts]
        return self._encoder(texts, self._config.max_length)

    def _cut(self, text: str) -> str:
        return text[: self._config.max_length * _CHARACTERS_PER_TOKEN]


def select(
    scores: Sequence[EmotionScore], top_k: TopK = "best", threshold: float | None = None
) -> list[EmotionScore]:
    """Choose from a text's scores, best first, as ``EmotionClassifier.__call__`` does."""
    if top_k == "best":
        top_k = 1 if threshold is None else None
    over = [item for item in scores if threshold is None or item["score"] > threshold]
    return over[:top_k]


def check_choice(top_k: TopK, threshold: float | None) -> None:
    """Refuse values of ``top_k`` and ``threshold`` that mean nothing.

    Raises:
        InputError: one of them is out of range.
    """
    is_count = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k >= 1
    if not (is_count or top_k is None or top_k == "best"):
        raise InputError(f"top_k must be a whole number from 1, or None for all, got {top_k!r}")
    if threshold is None:
        return
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.floating):
        raise InputError(f"threshold must be a number from 0 to 1, got {threshold!r}")
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold must be a number from 0 to 1, got {threshold}")


def _sorted_scores(row: FloatArray) -> list[EmotionScore]:
    order = np.argsort(-row, kind="stable")
    return [EmotionScore(label=LABELS[index], score=float(row[index])) for index in order]


def _best_scores(rows: FloatArray, readable: Sequence[bool]) -> Iterator[EmotionScore | NoEmotion]:
    best = rows.argmax(axis=1)
    for label_id, score, is_readable in zip(
        best.tolist(), rows[np.arange(len(rows)), best].tolist(), readable, strict=True
    ):
        if is_readable:
            yield EmotionScore(label=LABELS[label_id], score=score)
        else:
            yield NoEmotion(label=None, score=None)


def _as_mapping(scores: Sequence[EmotionScore]) -> Mapping[str, float]:
    return {item["label"]: item["score"] for item in scores}


def _windows(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Gather texts until there are ``size`` of them, or very many characters."""
    window: list[str] = []
    characters = 0
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(
                f"texts must be strings; the one at position {number} is {_kind(text)}"
            )
        window.append(text)
        characters += len(text)
        if len(window) >= size or characters >= _WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _as_texts(texts: Any) -> Sequence[str]:
    if isinstance(texts, Iterable) and not isinstance(texts, bytes | Mapping | AbstractSet):
        return list(texts)
    raise InputError(f"texts must be a str or a list of str, got {_kind(texts)}")


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _check_batch_size(batch_size: int) -> None:
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise InputError(f"batch_size must be a whole number from 1, got {batch_size!r}")


def _bundled_folder() -> Path:
    if not (BUNDLED_FOLDER / ONNX_FILE).is_file():
        raise ModelLoadError(
            "this installation has no bundled model; name a model folder or a repository, "
            "or train one: memotions train --recipe memotions-bilstm"
        )
    return BUNDLED_FOLDER
