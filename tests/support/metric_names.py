"""Every metric that the code makes, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.tree import ROOT, parsed, python_files

MAKERS = {"counter", "gauge", "histogram"}
CLASSES = {"Counter", "Gauge", "Histogram", "GaugeMetricFamily", "_ByStream"}


class Metric(NamedTuple):
    """A metric's full name, and where it is made."""

    name: str
    place: str


def metrics() -> list[Metric]:
    """All metrics, in the order of the files."""
    return [metric for path in python_files(of_tests=False) for metric in _in_file(path)]


def exposed_names() -> set[str]:
    """The names of time series: histograms have three."""
    names = {metric.name for metric in metrics()}
    return names | {
        name + end for name in names for end in ("_bucket", "_sum", "_count") if "_seconds" in name
    }


def _in_file(path: Path) -> Iterator[Metric]:
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        place = f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        if called in CLASSES:
            yield Metric(first.value, place)
        elif called in MAKERS and (service := _service_of(path)):
            yield Metric(f"pm_{service}_{first.value}", place)


def _service_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "services" else ""
