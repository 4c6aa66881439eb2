"""The upstream sources: files, checksums, licences, citations and readers, one entry each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import CorpusError, InputError
from . import readers

Permission = Literal["yes", "no", "unknown"]
Split = Literal["train", "validation", "test"]

_SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class SourceFile:
    """One upstream file: its path in the mirror, its checksum and the split it stands for."""

    path: str
    sha256: str
    part: str
    url: str | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Source:
    """One upstream data set.

    ``redistribute`` and ``train_weights`` say whether its licence lets us publish derived rows and
    weights trained on them; ``terms`` gives the reason in a sentence.
    """

    name: str
    title: str
    files: tuple[SourceFile, ...]
    reader: readers.Reader
    license: str
    redistribute: Permission
    train_weights: Permission
    terms: str
    citation: str
    homepage: str
    language: str = "id"
    translated: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the corpus with the source's own label; ``split`` is the official one, if any."""

    id: str
    text: str
    source: str
    source_label: str
    split: Split | None


_INDONLU = "https://raw.githubusercontent.com/IndoNLP/indonlu/master/dataset/emot_emotion-twitter/"
_SAPUTRI = (
    "https://raw.githubusercontent.com/meisaputri21/Indonesian-Twitter-Emotion-Dataset/master/"
)
_PRDECT = (
    "https://raw.githubusercontent.com/rhiosutoyo/"
    "PRDECT-ID-Indonesian-Product-Reviews-Dataset/main/Dataset/"
)
_OPINION = "https://github.com/Ricco48/Emotion-Dataset-from-Indonesian-Public-Opinion"

_ALL_SOURCES = (
    Source(
        name="journal",
        title="Memotions journal entries",
        files=tuple(
            SourceFile(f"journal/{world}.tsv", sha256, part=world)
            for world, sha256 in (
                ("family", "7dfb13203893b46e3f29f1b42ee1116004a3c6e9e47946e04c6d35f00a92ddc1"),
                ("inner", "e36f8d5abd8f704d14c0de5540312b085850efd7d34ccd66ac9dbcd23eec54a7"),
                ("school", "efed015f186c46bd87b71d7294ad3a97cf2d93039eb7b8f2c1990fba46fff084"),
                ("street", "81528842fbae689114487d1bfa0b775c92fd4b8ebad83b68af00b61357bd1fad"),
                ("turns", "34ae3341acfade4991e6c41060cca6333a01a76a711a301f0dad9f401dce5c8e"),
                ("work", "dd3642ddc0dfd7ad7ca99d956fa34159a81301b614402e2064074435cdfd9c34"),
                ("young", "f5b8ad31224c0a766b67946b6bc77d8937018b0fc3e8eff8a77cf06e1a30c60c"),
            )
        ),
        reader=readers.read_journal,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="Written for this project.",
        citation="Memotions journal entries, memotions-hf, CC BY 4.0.",
        homepage="",
    ),
    Source(
        name="emot",
        title="IndoNLU EmoT (emot_emotion-twitter)",
        files=(
            SourceFile(
                "emot/train_preprocess.csv",
                "51bb4e77d989004d0ca49c158f404d7eda956015a18b805401f7dee9b4d85fc1",
                part="train",
                url=_INDONLU + "train_preprocess.csv",
                split="train",
            ),
            SourceFile(
                "emot/valid_preprocess.csv",
                "3cba3d7b2cc3afa5cdd452a13df2498ff8a32b420f59ed10a48e41a452c98f50",
                part="valid",
                url=_INDONLU + "valid_preprocess.csv",
                split="validation",
            ),
            SourceFile(
                "emot/test_preprocess.csv",
                "e983b8e4b079a3b76f299cc801305f1098e35281f5b95636432981a2f2a1b461",
                part="test",
                url=_INDONLU + "test_preprocess.csv",
                split="test",
            ),
        ),
        reader=readers.read_tweets,
        license="CC-BY-NC-SA-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="Non-commercial, share alike: what is derived from it carries the same licence.",
        citation=(
            "Wilie et al. (2020), IndoNLU: Benchmark and Resources for Evaluating Indonesian "
            "Natural Language Understanding, AACL; tweets of Saputri, Mahendra and Adriani (2018)."
        ),
        homepage="https://github.com/IndoNLP/indonlu",
    ),
    Source(
        name="saputri",
        title="Indonesian Twitter Emotion Dataset",
        files=(
            SourceFile(
                "saputri/Twitter_Emotion_Dataset.csv",
                "248e320b17a8607869a602892d722fadce604ee5e928c2b7614103c9e9a45dfc",
                part="all",
                url=_SAPUTRI + "Twitter_Emotion_Dataset.csv",
            ),
        ),
        reader=readers.read_tweets,
        license="CC-BY-NC-SA-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="Non-commercial, share alike: what is derived from it carries the same licence.",
        citation=(
            "Saputri, Mahendra and Adriani (2018), Emotion Classification on Indonesian Twitter "
            "Dataset, International Conference on Asian Language Processing."
        ),
        homepage="https://github.com/meisaputri21/Indonesian-Twitter-Emotion-Dataset",
    ),
    Source(
        name="prdect",
        title="PRDECT-ID product reviews",
        files=(
            SourceFile(
                "prdect/PRDECT-ID Dataset.csv",
                "73d0d5b11beb312ed286a30f5e972d574606227cc98b41a0324140bba5c7e348",
                part="all",
                url=_PRDECT + "PRDECT-ID%20Dataset.csv",
            ),
        ),
        reader=readers.read_reviews,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="CC BY 4.0 on Mendeley Data, MIT in its repository.",
        citation=(
            "Sutoyo et al. (2022), PRDECT-ID: Indonesian product reviews dataset for emotions "
            "classification tasks, Data in Brief, doi 10.1016/j.dib.2022.108554."
        ),
        homepage="https://github.com/rhiosutoyo/PRDECT-ID-Indonesian-Product-Reviews-Dataset",
    ),
    Source(
        name="dair-emotion-id",
        title="dair-ai/emotion in Indonesian",
        files=(
            SourceFile(
                "dair-emotion-id/train.tsv",
                "69db09ecbe4b376ce31cf5e8d9ae76131eb1e78e00bacd5520eb2c8d044c4748",
                part="train",
                split="train",
            ),
            SourceFile(
                "dair-emotion-id/val.tsv",
                "3abe6446fd8ad45fdb4695a9671733e0c48191c53b11a3ddd2f8a64a0cd805a1",
                part="val",
                split="validation",
            ),
        ),
        reader=readers.read_translation,
        license="other-dair-emotion-research",
        redistribute="unknown",
        train_weights="yes",
        terms=(
            "Its authors offer it for research and education, without a licence text: rows are not "
            "redistributed here, and weights trained on it are for non-commercial use."
        ),
        citation=(
            "Saravia et al. (2018), CARER: Contextualized Affect Representations for Emotion "
            "Recognition, EMNLP; translated into Indonesian for this project."
        ),
        homepage="https://huggingface.co/datasets/dair-ai/emotion",
        language="en",
        translated=True,
    ),
    Source(
        name="go-emotions-neutral-id",
        title="GoEmotions, neutral rows in Indonesian",
        files=(
            SourceFile(
                "go-emotions-neutral-id/neutral.tsv",
                "898f830f4ba062a9d4e7160655489b845bd41552e3426640650d8cacbe5c34df",
                part="neutral",
            ),
        ),
        reader=readers.read_split_translation,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="CC BY 4.0, the translation too.",
        citation=(
            "Demszky et al. (2020), GoEmotions: A Dataset of Fine-Grained Emotions, ACL; a sample "
            "of its neutral rows, translated into Indonesian for this project."
        ),
        homepage="https://github.com/google-research/google-research/tree/master/goemotions",
        language="en",
        translated=True,
    ),
    Source(
        name="opinion",
        title="Emotion dataset from Indonesian public opinion",
        files=tuple(
            SourceFile(f"opinion/{part}Data.csv", sha256, part=part.lower(), split="test")
            for part, sha256 in (
                ("Anger", "fb2a36a02664c53cd6bfed2066dcde68403ed8734350e0219089c5389599c557"),
                ("Fear", "e1c360c5b53136ec654f166779a86d4c3bffe774359ea4a5fd1e35c17285bce1"),
                ("Joy", "df269e070e22c2ed2b4b750e1f6437f8b5980a06a220a71dce4082a569cf17ea"),
                ("Love", "ae4eeb0499e3edb15d36a166b7fd9e550650dfb4d7c081ed87102341c9fdf2bd"),
                ("Neutral", "6ee6f5b302c1bd7957020cc4d6677f537ba62c2c664dbb321f689aa0a9220b64"),
                ("Sad", "01e73481c0cd047d452faf9c164c23bd1a62b98d35e8bbae192c69a823c88b51"),
            )
        ),
        reader=readers.read_opinion,
        license="CC-BY-NC-ND-4.0",
        redistribute="no",
        train_weights="no",
        terms="No derivatives: used to evaluate, never trained on, never redistributed.",
        citation=(
            "Riccosan et al. (2022), Emotion dataset from Indonesian public opinion, "
            "Data in Brief, doi 10.1016/j.dib.2022.108465."
        ),
        homepage=_OPINION,
    ),
)

SOURCES: Mapping[str, Source] = {source.name: source for source in _ALL_SOURCES}
EVALUATION_SOURCES: tuple[str, ...] = tuple(
    source.name for source in _ALL_SOURCES if source.train_weights == "no"
)
MERGED_SOURCES: tuple[str, ...] = tuple(name for name in SOURCES if name not in EVALUATION_SOURCES)


def get_source(name: str) -> Source:
    """Return a source by name.

    Raises:
        InputError: there is no source of that name.
    """
    if name not in SOURCES:
        raise InputError(f"unknown source {name!r}; expected one of: {', '.join(SOURCES)}")
    return SOURCES[name]


def weights_license(sources: Iterable[str]) -> str:
    """Return the licence of weights trained on the given sources.

    Share-alike and non-commercial terms pass on to what is derived, so the strictest one decides.

    Raises:
        InputError: a source is unknown, or forbids training.
    """
    strictest = "CC-BY-4.0"
    for name in sources:
        source = get_source(name)
        if source.train_weights != "yes":
            raise InputError(f"no weights may be trained on {name!r}: {source.terms}")
        if source.license != "CC-BY-4.0":
            strictest = "CC-BY-NC-SA-4.0"
    return strictest


def _locate(source: Source, file: SourceFile) -> Path:
    origin = file.url or source.homepage or "the project's own data"
    mirror = os.environ.get("MEMOTIONS_MIRROR")
    if not mirror:
        raise CorpusError(
            f"{file.path} ({source.license}, from {origin}) is needed: set MEMOTIONS_MIRROR to a "
            "folder that holds the corpus files"
        )
    path = Path(mirror) / file.path
    if not path.is_file():
        raise CorpusError(
            f"{file.path} ({source.license}, from {origin}) is not in MEMOTIONS_MIRROR={mirror}"
        )
    return path


def _verify(path: Path, file: SourceFile) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != file.sha256:
        raise CorpusError(
            f"{file.path}: sha256 is {digest[:12]}..., expected {file.sha256[:12]}...; "
            "the file is truncated or was changed: get it again"
        )


def read_source(name: str, *, verify: bool = True) -> Iterator[Row]:
    """Yield every row of a source, in file order, with the source's own labels.

    Args:
        name: a key of :data:`SOURCES`.
        verify: compare each file with its recorded sha256 first.

    Raises:
        InputError: there is no source of that name.
        CorpusError: a file is missing, damaged, or not in the expected format.
    """
    source = get_source(name)
    for file in source.files:
        path = _locate(source, file)
        if verify:
            _verify(path, file)
        index = -1
        for index, raw in enumerate(source.reader(path)):
            row_id = raw.id or f"{name}-{file.part}-{index:05d}"
            if raw.split is not None and raw.split not in _SPLIT_NAMES:
                raise CorpusError(
                    f"{file.path}, row {row_id}: unknown split {raw.split!r}; "
                    f"expected one of: {', '.join(_SPLIT_NAMES)}"
                )
            yield Row(
                id=row_id,
                text=raw.text,
                source=name,
                source_label=raw.label.lower(),
                split=file.split if raw.split is None else _SPLIT_NAMES[raw.split],
            )
        if index < 0:
            raise CorpusError(f"{file.path} holds no row; get it again")
