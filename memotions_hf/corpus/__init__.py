"""The merged Indonesian emotion corpus: sources, near-duplicate groups, leak-free splits."""

from .configs import CONFIGS, config_corpus, load_corpus
from .merge import MergedCorpus, MergeOptions, MergeReport, merge, source_corpus
from .rows import Row, read_source
from .sources import ENGLISH_SOURCES, EVALUATION_SOURCES, MERGED_SOURCES, SOURCES, Source, kin

__all__ = [
    "CONFIGS",
    "ENGLISH_SOURCES",
    "EVALUATION_SOURCES",
    "MERGED_SOURCES",
    "SOURCES",
    "MergeOptions",
    "MergeReport",
    "MergedCorpus",
    "Row",
    "Source",
    "config_corpus",
    "kin",
    "load_corpus",
    "merge",
    "read_source",
    "source_corpus",
]
