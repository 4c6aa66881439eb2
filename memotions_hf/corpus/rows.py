"""The rows of a source, with its own labels, as the merge takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import CorpusError, InputError
from ..labels import map_source_label
from .download import locate, verify
from .sources import Source, SourceFile, Split, get_source

_SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row with the source's own label; ``split`` is the official one, if any.

    ``original`` is the English text that ``text`` is a translation of, where it is known.
    """

    id: str
    text: str
    source: str
    source_label: str
    split: Split | None
    original: str | None = None


def read_source(name: str, *, verified: bool = True) -> Iterator[Row]:
    """Yield every row of a source, in file order, with the source's own labels.

    Args:
        name: a key of :data:`memotions_hf.corpus.SOURCES`.
        verified: compare each file with its recorded sha256 first.

    Raises:
        InputError: there is no source of that name.
        CorpusError: a file is missing, damaged, not in the expected format, or holds a label that
            the source does not have.
    """
    source = get_source(name)
    for file in source.files:
        path = locate(source, file)
        if verified:
            verify(path, source, file)
        row = None
        known: set[str] = set()
        for index, raw in enumerate(source.reader(path)):
            row = Row(
                id=raw.id or f"{name}-{file.part}-{index:05d}",
                text=raw.text,
                source=name,
                source_label=raw.label.lower(),
                split=_split(file, raw.split, raw.id),
            )
            if row.source_label not in known:
                _check_label(source, file, row)
                known.add(row.source_label)
            yield row
        if row is None:
            raise CorpusError(f"{file.path} holds no row; get it again")


def _check_label(source: Source, file: SourceFile, row: Row) -> None:
    try:
        map_source_label(row.source_label, names=source.label_names)
    except InputError as error:
        raise CorpusError(f"{file.path}, row {row.id}: {error}") from None


def _split(file: SourceFile, upstream: str | None, row_id: str | None) -> Split | None:
    if upstream is None:
        return file.split
    if upstream not in _SPLIT_NAMES:
        raise CorpusError(
            f"{file.path}, row {row_id}: unknown split {upstream!r:.60}; "
            f"expected one of: {', '.join(_SPLIT_NAMES)}"
        )
    return _SPLIT_NAMES[upstream]


def originals(name: str) -> dict[str, str]:
    """Return the English text of every row of a translated source, by row id.

    Empty for a source that is no translation of another one here.

    Raises:
        InputError: there is no source of that name.
        CorpusError: a file of the original is missing or damaged.
    """
    original = get_source(name).translation_of
    return {} if original is None else {row.id: row.text for row in read_source(original)}
