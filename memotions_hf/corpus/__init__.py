"""The merged Indonesian emotion corpus: sources, near-duplicate groups, leak-free splits."""

from .merge import MergedCorpus, MergeOptions, MergeReport, load_corpus, merge
from .sources import EVALUATION_SOURCES, MERGED_SOURCES, SOURCES, Row, Source, read_source

__all__ = [
    "EVALUATION_SOURCES",
    "MERGED_SOURCES",
    "SOURCES",
    "MergeOptions",
    "MergeReport",
    "MergedCorpus",
    "Row",
    "Source",
    "load_corpus",
    "merge",
    "read_source",
]
