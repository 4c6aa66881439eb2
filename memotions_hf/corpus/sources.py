"""The upstream sources: files, checksums, licences, citations and readers, one entry each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..labels import GO_EMOTIONS
from . import readers

Permission = Literal["yes", "no", "unknown"]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class SourceFile:
    """One upstream file: its path in the mirror, its checksum and the split it stands for.

    ``sha256`` is None for a file whose checksum its publisher does not state; ``other_sha256`` are
    those of copies that differ in nothing that is read. ``part`` names the file in row ids.
    """

    path: str
    sha256: str | None
    part: str
    url: str | None = None
    split: Split | None = None
    other_sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One upstream data set.

    ``redistribute`` and ``train_weights`` say whether its licence lets us publish derived rows and
    weights trained on them; ``terms`` gives the reason in a sentence. ``language`` is the one that
    the rows were first written in, and ``translated`` whether they are in Indonesian nevertheless;
    ``translation_of`` names the source whose row ids a translation shares, ``part_of`` a larger one
    that holds the same texts. ``label_names`` maps
    its own names for labels, where they are not the usual ones. ``bundled`` files come with this
    package; ``fixed_splits`` keeps each row in the split that its file states.
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
    bibtex: str
    homepage: str
    language: str = "id"
    translated: bool = False
    translation_of: str | None = None
    part_of: str | None = None
    label_names: Mapping[str, str | None] | None = None
    bundled: bool = False
    fixed_splits: bool = False
    kaggle: str | None = None
    """The data set's handle on Kaggle, where it is fetched through ``kagglehub``."""

    @property
    def text_language(self) -> str:
        """The language of the text that its files hold."""
        return "id" if self.translated else self.language

    @property
    def citation_key(self) -> str:
        """The key of its BibTeX entry."""
        return self.bibtex.split("{", 1)[1].split(",", 1)[0]


_INDONLU = "https://raw.githubusercontent.com/IndoNLP/indonlu/master/dataset/emot_emotion-twitter/"
_SAPUTRI = (
    "https://raw.githubusercontent.com/meisaputri21/Indonesian-Twitter-Emotion-Dataset/master/"
)
_PRDECT = (
    "https://raw.githubusercontent.com/rhiosutoyo/"
    "PRDECT-ID-Indonesian-Product-Reviews-Dataset/main/Dataset/"
)
_OPINION = "https://github.com/Ricco48/Emotion-Dataset-from-Indonesian-Public-Opinion"

_OPINION_FILES = (
    "https://raw.githubusercontent.com/Ricco48/Emotion-Dataset-from-Indonesian-Public-Opinion/"
    "d446a23f6a91c2722e99214067f35cbc30382f86/Emotion%20Dataset%20from%20Indonesian%20Public%20Opinion/"
)
_GO_EMOTIONS = (
    "https://raw.githubusercontent.com/google-research/google-research/master/goemotions/data/"
)
_GO_EMOTIONS_FILES: tuple[tuple[str, Split, str], ...] = (
    ("train", "train", "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5"),
    ("dev", "validation", "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62"),
    ("test", "test", "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4"),
)
_DAIR_TERMS = (
    "Its authors offer it for research and education, without a licence text. Decided here: rows "
    "are not redistributed, since nothing permits it, and weights trained on it are for "
    "non-commercial use."
)

_WORLDS = (
    *("family", "inner", "school", "street", "turns", "work", "young"),
    *("far", "near", "plain", "teen", "adult"),  # written later, and not tested on
)

_MEMOTIONS_BIBTEX = """@misc{memotions,
  author = {{The Memotions team}},
  title = {memotions-hf: an Indonesian emotion corpus and classifier},
  year = {2026},
  note = {Journal entries, everyday texts and suggestions written for the project, CC BY 4.0},
}"""
_INDONLU_BIBTEX = """@inproceedings{wilie-etal-2020-indonlu,
  author = {Wilie, Bryan and Vincentio, Karissa and Winata, Genta Indra and Cahyawijaya, Samuel
            and Li, Xiaohong and Lim, Zhi Yuan and Soleman, Sidik and Mahendra, Rahmad
            and Fung, Pascale and Bahar, Syafri and Purwarianti, Ayu},
  title = {{IndoNLU}: Benchmark and Resources for Evaluating {Indonesian} Natural Language
           Understanding},
  booktitle = {Proceedings of AACL-IJCNLP 2020},
  year = {2020},
}"""
_SAPUTRI_BIBTEX = """@inproceedings{saputri-etal-2018-emotion,
  author = {Saputri, Mei Silviana and Mahendra, Rahmad and Adriani, Mirna},
  title = {Emotion Classification on {Indonesian} {Twitter} Dataset},
  booktitle = {International Conference on Asian Language Processing (IALP)},
  year = {2018},
}"""
_PRDECT_BIBTEX = """@article{sutoyo-etal-2022-prdect,
  author = {Sutoyo, Rhio and others},
  title = {{PRDECT-ID}: {Indonesian} product reviews dataset for emotions classification tasks},
  journal = {Data in Brief},
  year = {2022},
  doi = {10.1016/j.dib.2022.108554},
}"""
_DAIR_BIBTEX = """@inproceedings{saravia-etal-2018-carer,
  author = {Saravia, Elvis and Liu, Hsien-Chi Toby and Huang, Yen-Hao and Wu, Junlin
            and Chen, Yi-Shin},
  title = {{CARER}: Contextualized Affect Representations for Emotion Recognition},
  booktitle = {Proceedings of EMNLP 2018},
  year = {2018},
  doi = {10.18653/v1/D18-1404},
}"""
_KAGGLE_BIBTEX = """@misc{nelgiriyewithana-emotions,
  author = {Nelgiriyewithana, Nidula},
  title = {Emotions},
  howpublished = {Kaggle, nelgiriyewithana/emotions},
  note = {The full set from which dair-ai/emotion was drawn},
}"""
_GO_EMOTIONS_BIBTEX = """@inproceedings{demszky-etal-2020-goemotions,
  author = {Demszky, Dorottya and Movshovitz-Attias, Dana and Ko, Jeongwoo and Cowen, Alan
            and Nemade, Gaurav and Ravi, Sujith},
  title = {{GoEmotions}: A Dataset of Fine-Grained Emotions},
  booktitle = {Proceedings of ACL 2020},
  year = {2020},
}"""
_ISEAR_BIBTEX = """@article{scherer-wallbott-1994-isear,
  author = {Scherer, Klaus R. and Wallbott, Harald G.},
  title = {Evidence for universality and cultural variation of differential emotion response
           patterning},
  journal = {Journal of Personality and Social Psychology},
  volume = {66},
  number = {2},
  year = {1994},
}"""
_OPINION_BIBTEX = """@article{riccosan-etal-2022-opinion,
  author = {Riccosan and others},
  title = {Emotion dataset from {Indonesian} public opinion},
  journal = {Data in Brief},
  year = {2022},
  doi = {10.1016/j.dib.2022.108465},
}"""

_ALL_SOURCES = (
    Source(
        name="journal",
        title="Memotions journal entries",
        files=tuple(SourceFile(f"journal/{world}.tsv", None, part=world) for world in _WORLDS),
        reader=readers.read_split_rows,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="Written for this project, and part of this package.",
        citation="The Memotions journal entries, memotions-hf, CC BY 4.0.",
        bibtex=_MEMOTIONS_BIBTEX,
        homepage="",
        bundled=True,
        fixed_splits=True,
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
        bibtex=_INDONLU_BIBTEX,
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
        bibtex=_SAPUTRI_BIBTEX,
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
        bibtex=_PRDECT_BIBTEX,
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
        terms=_DAIR_TERMS,
        citation=(
            "Saravia et al. (2018), CARER: Contextualized Affect Representations for Emotion "
            "Recognition, EMNLP; translated into Indonesian for this project."
        ),
        bibtex=_DAIR_BIBTEX,
        homepage="https://huggingface.co/datasets/dair-ai/emotion",
        language="en",
        translated=True,
        translation_of="dair-emotion",
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
        reader=readers.read_split_rows,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="CC BY 4.0, the translation too.",
        citation=(
            "Demszky et al. (2020), GoEmotions: A Dataset of Fine-Grained Emotions, ACL; a sample "
            "of its neutral rows, translated into Indonesian for this project."
        ),
        bibtex=_GO_EMOTIONS_BIBTEX,
        homepage="https://github.com/google-research/google-research/tree/master/goemotions",
        language="en",
        translated=True,
        translation_of="go-emotions",
    ),
    Source(
        name="go-emotions-id",
        title="GoEmotions, rows with a feeling in Indonesian",
        files=(SourceFile("go_emotions/emotions.tsv", None, part="emotions"),),
        reader=readers.read_split_rows,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="CC BY 4.0, the translation too.",
        citation=(
            "Demszky et al. (2020), GoEmotions: A Dataset of Fine-Grained Emotions, ACL; a sample "
            "of its rows with one label, translated into Indonesian for this project."
        ),
        bibtex=_GO_EMOTIONS_BIBTEX,
        homepage="https://github.com/google-research/google-research/tree/master/goemotions",
        language="en",
        translated=True,
        translation_of="go-emotions",
        # The Ekman groups of the GoEmotions paper: fear and nervousness are fear; sadness, grief,
        # disappointment and remorse are sad; joy, love and excitement happy; anger and annoyance
        # anger.
        label_names=GO_EMOTIONS,
        bundled=True,
        fixed_splits=True,
    ),
    Source(
        name="isear-id",
        title="ISEAR situations in Indonesian",
        files=(
            SourceFile(
                "isear-id/situations.tsv",
                "461f1aa173b6265c1383f5b7a0860c196600f4b614c9c9b3c7da750563c0bcb8",
                part="situations",
            ),
        ),
        reader=readers.read_translation,
        license="other-isear-research",
        redistribute="unknown",
        train_weights="yes",
        terms=(
            "Offered for research; its publisher is said to state CC BY-NC-SA 3.0, which could not "
            "be checked. Decided here: rows are not redistributed until it has been, and weights "
            "trained on it are for non-commercial use."
        ),
        citation=(
            "Scherer and Wallbott (1994), Evidence for universality and cultural variation of "
            "differential emotion response patterning, Journal of Personality and Social "
            "Psychology 66(2); half of the participants, translated into Indonesian for this "
            "project."
        ),
        bibtex=_ISEAR_BIBTEX,
        homepage="https://www.unige.ch/cisa/research/materials-and-online-research/",
        language="en",
        translated=True,
    ),
    Source(
        name="everyday",
        title="Memotions everyday texts",
        files=tuple(
            SourceFile(f"everyday/{kind}.tsv", None, part=kind)
            for kind in ("comments", "reactions", "situations", "feelings")
        ),
        reader=readers.read_split_rows,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="Written for this project, and part of this package.",
        citation="The Memotions everyday texts, memotions-hf, CC BY 4.0.",
        bibtex=_MEMOTIONS_BIBTEX,
        homepage="",
        bundled=True,
        fixed_splits=True,
    ),
    Source(
        name="opinion",
        title="Emotion dataset from Indonesian public opinion",
        files=tuple(
            SourceFile(
                f"opinion/{part}Data.csv",
                sha256,
                part=part.lower(),
                url=f"{_OPINION_FILES}{part}Data.csv",
                split="test",
            )
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
        bibtex=_OPINION_BIBTEX,
        homepage=_OPINION,
    ),
    Source(
        name="dair-emotion",
        title="dair-ai/emotion (English)",
        files=(
            SourceFile(
                "dair-emotion/train.txt",
                "3ab03d945a6cb783d818ccd06dafd52d2ed8b4f62f0f85a09d7d11870865b190",
                part="train",
                url="https://www.dropbox.com/s/1pzkadrvffbqw6o/train.txt?dl=1",
                split="train",
            ),
            SourceFile(
                "dair-emotion/val.txt",
                "34faaa31962fe63cdf5dbf6c132ef8ab166c640254ab991af78f3aea375e79ef",
                part="val",
                url="https://www.dropbox.com/s/2mzialpsgf9k5l3/val.txt?dl=1",
                split="validation",
                # The same lines after an empty one.
                other_sha256=("7fa30d571b1125accbc2b55ca6cd28ea05f3cfdd885c8ebe525323dc84dd64d3",),
            ),
            SourceFile(
                "dair-emotion/test.txt",
                "60f531690d20127339e7f054edc299a82c627b5ec0dd5d552d53d544e0cfcc17",
                part="test",
                url="https://www.dropbox.com/s/ikkqxfdbdec3fuj/test.txt?dl=1",
                split="test",
            ),
        ),
        reader=readers.read_dair_lines,
        license="other-dair-emotion-research",
        redistribute="unknown",
        train_weights="yes",
        terms=_DAIR_TERMS,
        citation=(
            "Saravia et al. (2018), CARER: Contextualized Affect Representations for Emotion "
            "Recognition, EMNLP."
        ),
        bibtex=_DAIR_BIBTEX,
        homepage="https://huggingface.co/datasets/dair-ai/emotion",
        language="en",
        part_of="kaggle-emotions",
    ),
    Source(
        name="kaggle-emotions",
        title="Emotions, 416,809 rows (English)",
        files=(SourceFile("kaggle-emotions/text.csv", None, part="all"),),
        reader=readers.read_kaggle_emotions,
        license="other-dair-emotion-research",
        redistribute="unknown",
        train_weights="yes",
        terms=_DAIR_TERMS,
        citation=(
            "Nelgiriyewithana, Emotions, Kaggle; the full set from which dair-ai/emotion (Saravia "
            "et al. 2018) was drawn."
        ),
        bibtex=_KAGGLE_BIBTEX,
        homepage="https://www.kaggle.com/datasets/nelgiriyewithana/emotions",
        language="en",
        kaggle="nelgiriyewithana/emotions",
    ),
    Source(
        name="go-emotions",
        title="GoEmotions, simplified (English)",
        files=tuple(
            SourceFile(
                f"go-emotions/{part}.tsv",
                sha256,
                part,
                url=f"{_GO_EMOTIONS}{part}.tsv",
                split=split,
            )
            for part, split, sha256 in _GO_EMOTIONS_FILES
        ),
        reader=readers.read_go_emotions,
        license="CC-BY-4.0",
        redistribute="yes",
        train_weights="yes",
        terms="CC BY 4.0.",
        citation=("Demszky et al. (2020), GoEmotions: A Dataset of Fine-Grained Emotions, ACL."),
        bibtex=_GO_EMOTIONS_BIBTEX,
        homepage="https://github.com/google-research/google-research/tree/master/goemotions",
        language="en",
        label_names=GO_EMOTIONS,
    ),
)

SOURCES: Mapping[str, Source] = {source.name: source for source in _ALL_SOURCES}
EVALUATION_SOURCES: tuple[str, ...] = tuple(
    source.name for source in _ALL_SOURCES if source.train_weights == "no"
)
ENGLISH_SOURCES: tuple[str, ...] = tuple(
    source.name for source in _ALL_SOURCES if source.text_language == "en"
)
"""Sources of English text, which a merge takes only with translations of it."""
MERGED_SOURCES: tuple[str, ...] = tuple(
    name for name in SOURCES if name not in (*EVALUATION_SOURCES, *ENGLISH_SOURCES)
)


_KIN: tuple[tuple[str, ...], ...] = (
    ("emot", "saputri"),
    ("journal", "everyday"),
    ("go-emotions-neutral-id", "go-emotions-id", "go-emotions"),
    ("dair-emotion-id", "dair-emotion", "kaggle-emotions"),
)


def get_source(name: str) -> Source:
    """Return a source by name.

    Raises:
        InputError: there is no source of that name.
    """
    if name not in SOURCES:
        raise InputError(f"unknown source {name!r}; expected one of: {', '.join(SOURCES)}")
    return SOURCES[name]


def kin(name: str) -> tuple[str, ...]:
    """Return the sources that must be left out together with one, itself among them.

    Whoever tests on a source that a model has not seen must keep its kin from the model as well,
    or the score says how well it knows that origin or that hand: EmoT and the Saputri set are the
    same tweets; the journal and the everyday texts were written for this project by the same
    authors; and a translation, its original, a sample of it and its other translations are all
    of one set. Every other source is alone.

    Args:
        name: a key of :data:`SOURCES`.

    Raises:
        InputError: there is no source of that name.
    """
    get_source(name)
    return next((family for family in _KIN if name in family), (name,))


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
