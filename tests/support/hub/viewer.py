"""What the data set viewer of the Hub tells about a data set: its Parquet files and their columns.

The real viewer converts other formats to Parquet. This one knows the files that are Parquet
already, and has nothing to say about a data set that has others.
"""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any

from .store import Commit, HubError, Store

_SPLIT = re.compile(r"(?:^|[/._-])(train|test|validation|valid|dev)(?=[/._-])")
Splits = dict[str, list[str]]


def parquet_splits(commit: Commit, card: dict[str, Any]) -> dict[str, Splits]:
    """Return the Parquet files of each split of each configuration.

    Args:
        commit: The state of the repository.
        card: The metadata of its README.

    Raises:
        HubError: There are no Parquet files, or a configuration has others too.
    """
    paths = [path for path in commit.files if path.endswith(".parquet")]
    configs = card.get("configs") or []
    if configs and all("data_files" in config for config in configs):
        found = {
            str(config.get("config_name", "default")): _declared(config["data_files"], commit)
            for config in configs
        }
    else:
        found = {"default": _by_name(paths)}
    named = [path for splits in found.values() for files in splits.values() for path in files]
    if not named or not set(named) <= set(paths):
        raise HubError(404, "ResponseNotFound", "The data set has no Parquet export.")
    return found


def _declared(data_files: Any, commit: Commit) -> Splits:
    if isinstance(data_files, str):
        data_files = [data_files]
    entries = [
        entry if isinstance(entry, dict) else {"split": "train", "path": entry}
        for entry in data_files
    ]
    splits: Splits = {}
    for entry in entries:
        patterns = [entry["path"]] if isinstance(entry["path"], str) else entry["path"]
        splits.setdefault(entry["split"], []).extend(
            path
            for path in commit.files
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
        )
    return splits


def _by_name(paths: list[str]) -> Splits:
    splits: Splits = {}
    for path in paths:
        match = _SPLIT.search(path)
        name = match[1] if match else "train"
        name = "validation" if name in ("valid", "dev") else name
        splits.setdefault(name, []).append(path)
    return splits


def describe_config(
    store: Store, commit: Commit, dataset: str, config: str, splits: Splits
) -> dict[str, Any]:
    """Return a configuration's columns and sizes, read from its Parquet files."""
    from pyarrow.parquet import ParquetFile

    features: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for name, paths in splits.items():
        files = [ParquetFile(_content(store, commit, path)) for path in paths]
        features = features or _features(files[0].schema_arrow.metadata or {})
        groups = [
            file.metadata.row_group(number)
            for file in files
            for number in range(file.num_row_groups)
        ]
        described[name] = {
            "name": name,
            "num_bytes": sum(group.total_byte_size for group in groups),
            "num_examples": sum(file.metadata.num_rows for file in files),
            "dataset_name": dataset,
        }
    info = {"builder_name": "parquet", "dataset_name": dataset, "config_name": config}
    sizes = [commit.files[path].size for paths in splits.values() for path in paths]
    return info | {
        **({"features": features} if features else {}),
        "splits": described,
        "download_size": sum(sizes),
        "dataset_size": sum(split["num_bytes"] for split in described.values()),
    }


def _content(store: Store, commit: Commit, path: str) -> str:
    return str(store.object_path(commit.files[path].sha256))


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    # The library ``datasets`` leaves its own description of the columns in the files it writes.
    written = json.loads(metadata.get(b"huggingface", b"{}"))
    features: dict[str, Any] = written.get("info", {}).get("features", {})
    return features
