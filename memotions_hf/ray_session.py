"""Ray, for the parts of the package that can spread their work over a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import require

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


@contextmanager
def open_ray(num_cpus: int) -> Iterator[Any]:
    """Use the Ray that runs already, the cluster of RAY_ADDRESS, or a small one of our own.

    Args:
        num_cpus: what a Ray of our own may use.

    Raises:
        MissingExtraError: the ``ray`` extra is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    require("ray.data", "ray")
    ray = require("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": num_cpus}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()
