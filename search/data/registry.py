"""Data sets by name: the built-in ones, and those other installed packages offer by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from grouping.errors import GroupingError
from grouping.tasks import nearest_name
from search.data.builtin.nyc_weather import load_nyc_weather
from search.data.builtin.synthetic import load_synthetic
from search.data.builtin.synthetic_faces import load_synthetic_faces
from search.data.layout import Source, SourceLoader
from search.errors import DataError

__all__ = ["DATASETS", "ENTRY_POINTS", "is_registered", "load_registered", "registered_names"]

DATASETS: Mapping[str, SourceLoader] = {
    "nyc-weather": load_nyc_weather,
    "synthetic": load_synthetic,
    "synthetic-faces": load_synthetic_faces,
}
"""Built-in data sets: name -> function without arguments that returns a ``Source``."""

ENTRY_POINTS = "taskgrouping.datasets"
"""Group of entry points under which other packages offer further ones; built-in names cannot be taken."""

_ASK = f"Ask its author; docs: entry points '{ENTRY_POINTS}'"
_LONGEST_REASON = 200


def registered_names() -> list[str]:
    """Every name that may stand in ``data.source`` instead of a path."""
    return list(dict.fromkeys([*DATASETS, *(point.name for point in entry_points(group=ENTRY_POINTS))]))


def is_registered(name: str) -> bool:
    """Whether a data set has that name."""
    return name in DATASETS or name in registered_names()


def load_registered(name: str) -> Source:
    """The data set of that name.

    Raises:
        DataError: no such data set; or an entry point that cannot be loaded, fails, or gives no ``Source``.
    """
    if name in DATASETS:
        return DATASETS[name]()
    points = list(entry_points(group=ENTRY_POINTS, name=name))
    if not points:
        raise DataError(f"no data set is called '{name}'", where="data.source", fix=nearest_name(name, DATASETS))
    try:
        source = points[0].load()()
    except GroupingError:
        raise
    except Exception as error:  # other people's code: anything may come out of it
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        what = f"the data set '{name}' of {points[0].value} failed: {reason}"
        raise DataError(what, where="data.source", fix=_ASK) from error
    if not isinstance(source, Source):
        what = f"the data set '{name}' of {points[0].value} gave a {type(source).__name__}, not a search.data Source"
        raise DataError(what, where="data.source", fix=_ASK)
    return source
