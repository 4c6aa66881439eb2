"""Engines that translate English to Indonesian: Google's web page, or a Marian model right here.

The texts themselves never appear in an error message.
"""

from __future__ import annotations

import functools
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any, Protocol

from .. import __version__
from ..errors import InputError, MemotionsError, ModelLoadError, require

MARIAN_MODEL = "Helsinki-NLP/opus-mt-en-id"
TRANSLATORS = ("google", "marian")

_ERROR_PAGE = re.compile(r"Error \d{3} \(|That[’']s (?:an error|all we know)\.|<html", re.I)


def is_error_page(answer: str) -> bool:
    """Return whether an answer is a page that reports an error, instead of a translation."""
    return _ERROR_PAGE.search(answer) is not None


class TranslationError(MemotionsError, RuntimeError):
    """A call to a translator failed as a whole; asking again may help.

    ``retry_after`` is the number of seconds that the service wants to be left alone.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitedError(TranslationError):
    """The service takes no more requests for a while; no worker should send any."""


class Translator(Protocol):
    """Translates English to Indonesian; ``name`` is the engine and model, part of the cache key."""

    @property
    def name(self) -> str:
        """What the answers depend on: the same name promises the same kind of answers."""

    def translate(self, texts: Sequence[str]) -> Iterable[str | None]:
        """Translate texts, in their order; None where one cannot be translated.

        May be called by several threads at once. Answers that are yielded one by one are kept when
        a later one fails.

        Raises:
            TranslationError: the call failed and may be repeated.
        """


class GoogleTranslator:
    """Google Translate's page for mobile browsers, through deep-translator; one request a text."""

    name = "google"

    def __init__(self, timeout: float = 30.0) -> None:
        """Prepare; nothing is sent.

        Args:
            timeout: seconds to wait for a connection, and for each part of an answer.
        """
        self._timeout = timeout

    def translate(self, texts: Sequence[str]) -> Iterator[str | None]:
        """Translate texts, one request each; None for one of 5,000 characters or more.

        Raises:
            RateLimitedError: the service answers with status 429 or 503.
            TranslationError: there is no connection, or no translation in the answer.
            MissingExtraError: the ``translate`` extra is not installed.
        """
        requests = require("requests", "translate")
        with requests.Session() as session:
            session.headers["User-Agent"] = f"memotions-hf/{__version__}"
            # A client keeps the text of its request in itself, so threads must not share one.
            client = _google_client(functools.partial(self._get, session))
            for text in texts:
                yield self._ask(client, text)

    def _ask(self, client: Any, text: str) -> str | None:
        errors = require("deep_translator.exceptions", "translate")
        try:
            answer: str | None = client.translate(text)
        except errors.NotValidLength:
            return None
        except MemotionsError:
            raise
        # "from None": the messages of all other errors hold the text, some within an address.
        except errors.TranslationNotFound:
            raise TranslationError("google answers with a page without a translation") from None
        except Exception as error:  # no network, or a page that no parser takes
            raise TranslationError(f"no answer from google ({type(error).__name__})") from None
        # A blocked client gets this as a translation, with status 200; the next request may work.
        if answer is not None and is_error_page(answer):
            raise TranslationError("google answers with an error page")
        return answer

    def _get(self, session: Any, url: str, **options: Any) -> Any:
        response = session.get(url, params=options["params"], timeout=self._timeout)
        message = f"google answers with status {response.status_code}"
        if response.status_code in (429, 503):
            pause = _seconds(response.headers.get("Retry-After"))
            raise RateLimitedError(message, retry_after=pause)
        if not response.ok:
            raise TranslationError(message)
        return response


def _google_client(get: Callable[..., Any]) -> Any:
    """Return a deep_translator client whose requests go through ``get``.

    Its ``translate`` calls ``requests.get`` without a time limit, connects anew for every text and
    hides Retry-After. A copy of that function that sees another ``requests`` mends all three and
    leaves the library as it is for everybody else.
    """
    google = require("deep_translator.google", "translate")
    original = google.GoogleTranslator.translate
    namespace = vars(google) | {"requests": SimpleNamespace(get=get)}
    translate = FunctionType(original.__code__, namespace, "translate", original.__defaults__)
    return type("Client", (google.GoogleTranslator,), {"translate": translate})("en", "id")


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header: seconds or a date; None for anything else."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdecimal():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


class MarianTranslator:
    """A Marian model on this machine, loaded at the first call. One call runs at a time."""

    def __init__(self, model: str | Path = MARIAN_MODEL, revision: str | None = None) -> None:
        """Prepare; nothing is loaded.

        Args:
            model: a model folder, or a repository of the Hugging Face Hub.
            revision: branch, tag or commit of the repository.
        """
        self._model_name, self._revision = str(model), revision
        self.name = f"marian:{model}" + (f"@{revision}" if revision else "")
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """Translate texts in one batch; None for one that does not fit into the model.

        Raises:
            TranslationError: the computation failed, for want of memory for example.
            ModelLoadError: the model is missing, not a translation model, or has no safetensors.
            MissingExtraError: the ``transformers`` extra is not installed.
        """
        with self._lock:
            self._loaded = self._loaded or self._load()
            tokenizer, model = self._loaded
            limit = min(tokenizer.model_max_length, model.config.max_position_embeddings)
            encoded = [tokenizer(text, verbose=False)["input_ids"] for text in texts]
            # Never cut: a label belongs to the whole text, not to the beginning of it.
            fitting = [index for index, ids in enumerate(encoded) if len(ids) <= limit]
            answers: list[str | None] = [None] * len(texts)
            if fitting:
                try:
                    results = _generate(tokenizer, model, [encoded[i] for i in fitting], limit)
                except RuntimeError as error:
                    raise TranslationError(f"{self.name}: {type(error).__name__}") from error
                for index, answer in zip(fitting, results, strict=True):
                    answers[index] = answer
            return answers

    def _load(self) -> tuple[Any, Any]:
        transformers = require("transformers", "transformers")
        torch = require("torch", "transformers")
        require("sentencepiece", "transformers")
        where: dict[str, Any] = {"revision": self._revision or "main", "trust_remote_code": False}
        try:
            with warnings.catch_warnings():
                # The tokenizer asks for sacremoses, and then never uses it.
                warnings.filterwarnings("ignore", message=".*sacremoses")
                tokenizer = transformers.AutoTokenizer.from_pretrained(self._model_name, **where)
            model, loading = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                self._model_name, use_safetensors=True, output_loading_info=True, **where
            )
        except Exception as error:  # each damage makes another library raise an error of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelLoadError(
                f"{self._model_name} cannot be loaded as a translation model: {reason}"
            ) from error
        if loading["missing_keys"]:
            raise ModelLoadError(f"{self._model_name} lacks some of its model's weights")
        return tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _generate(
    tokenizer: Any, model: Any, encoded: Sequence[Sequence[int]], limit: int
) -> list[str | None]:
    torch = require("torch", "transformers")
    inputs = tokenizer.pad({"input_ids": encoded}, return_tensors="pt").to(model.device)
    # A translation is about as long as its source; what goes on and on repeats itself.
    max_length = min(limit, 2 * inputs["input_ids"].shape[1] + 32)
    with torch.inference_mode():
        output = model.generate(**inputs, max_length=max_length).tolist()
    # Marian forces an end at the last position, where a translation was cut off.
    return [
        tokenizer.decode(ids, skip_special_tokens=True)
        if tokenizer.eos_token_id in ids[1 : max_length - 1]
        else None
        for ids in output
    ]


def make_translator(
    name: str, model: str | Path | None = None, revision: str | None = None
) -> Translator:
    """Return a translator by name; nothing is loaded or sent yet.

    Args:
        name: ``google`` or ``marian``.
        model: folder or Hub repository of the Marian model (Helsinki-NLP/opus-mt-en-id).
        revision: branch, tag or commit of that repository.

    Raises:
        InputError: there is no translator of that name, or it takes no model.
    """
    if name not in TRANSLATORS:
        known = ", ".join(TRANSLATORS)
        raise InputError(f"unknown translator {name!r}; expected one of: {known}")
    if name == "marian":
        return MarianTranslator(model or MARIAN_MODEL, revision)
    if model is not None or revision is not None:
        raise InputError(f"{name} takes neither a model nor a revision; marian does")
    return GoogleTranslator()
