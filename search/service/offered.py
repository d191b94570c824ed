"""Tables of the operator's that everybody may use: a name for each, and the one folder that they may be in.

A spec of a run names them by ``${TASKGROUP_DATA}``, which stands for that folder in every process of the service; where
it is, is nobody's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grouping.errors import InputError
from search.data.registry import is_registered
from search.data.tables import FORMATS
from search.errors import DataError
from search.store.run_ids import looks_like_id

__all__ = ["DATA_VARIABLE", "Offered"]

DATA_VARIABLE = "TASKGROUP_DATA"

_START = f"${{{DATA_VARIABLE}}}/"
_UPLOADS = "data-"


class Offered:
    """The operator's tables.

    Args:
        root: The folder; None: there are none.
        files: Name -> path within the folder.

    Raises:
        InputError: a name that stands for something else, or a file that is not there, or not in the folder.
    """

    def __init__(self, root: Path | None, files: Mapping[str, str]) -> None:
        if files and root is None:
            fix = "Name the folder that they are in: data_root: /srv/tables"
            raise InputError("data sets are offered, and no folder that they are in", where="data_sets", fix=fix)
        self._root = (root or Path()).resolve()
        self._files = dict(files)
        for name in files:
            if not looks_like_id(name) or name.startswith(_UPLOADS) or is_registered(name):
                fix = "Use lower-case letters, digits and '-', no name that is taken, none that begins with 'data-'"
                raise InputError(f"{name[:80]!r} cannot be the name of a data set", where="data_sets", fix=fix)
            try:
                self.file(name)
            except DataError as error:
                raise InputError(error.what, where=f"data_sets.{name}", fix=error.fix) from None

    @property
    def names(self) -> tuple[str, ...]:
        """What the tables are called."""
        return tuple(self._files)

    @property
    def environment(self) -> dict[str, str]:
        """What processes need to find them."""
        return {DATA_VARIABLE: str(self._root)} if self._files else {}

    def file(self, name: str) -> Path:
        """Where the table is: a file in the folder, links followed.

        Raises:
            DataError: it is not there, or leads out of the folder; says nothing of where.
        """
        try:
            path = (self._root / self._files[name]).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            path = Path()
        if not path.is_relative_to(self._root) or not path.is_file() or path.suffix.lower() not in FORMATS:
            fix = f"The operator lists files in data_root that end in {', '.join(FORMATS)}"
            raise DataError(f"the table of the data set '{name}' is not there", where="data.source", fix=fix)
        return path

    def source(self, name: str) -> str:
        """What the spec of a run says in place of the name.

        Raises:
            DataError: as ``file``.
        """
        return _START + self.file(name).relative_to(self._root).as_posix()

    def name_of(self, source: str) -> str | None:
        """The name that a spec's source, or the source of an earlier run, stands for; None if it is none of these."""
        if source in self._files:
            return source
        if not source.startswith(_START):
            return None
        asked = (self._root / source.removeprefix(_START)).as_posix()
        return next((name for name in self._files if self._is(name, asked)), None)

    def stamp(self, source: str) -> tuple[int, int] | None:
        """What changes with the file that a source names: nanoseconds and bytes; None where it is not the operator's.

        Raises:
            DataError: as ``file``.
        """
        name = self.name_of(source)
        if name is None:
            return None
        found = self.file(name).stat()
        return found.st_mtime_ns, found.st_size

    def _is(self, name: str, asked: str) -> bool:
        try:
            return self.file(name).as_posix() == asked
        except DataError:
            return False
