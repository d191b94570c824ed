"""What the store needs of a database, whichever it is: a file (``sqlite``) or a server (``postgres``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from grouping.errors import GroupingError
from search.store.clock import Moment

__all__ = ["Database"]


@dataclass(frozen=True)
class Database:
    """An open database with the present schema.

    Args:
        engine: Gives connections.
        place: Where it is, for messages: a path, or an address without its password.
        reading: The engine for transactions that see one consistent moment.
        durable: The engine for transactions that survive a power cut.
        quick: The engine for transactions that may be lost to one, whole.
        one_writer: Whether it takes one writing transaction at a time.
        translate: What an error of the database is in our words.
        moment: Now, on the clock that leases run on.
    """

    engine: Engine
    place: str
    reading: Engine
    durable: Engine
    quick: Engine
    one_writer: bool
    translate: Callable[[BaseException | None], GroupingError]
    moment: Callable[[Session], Moment]

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the database says into an error that names the place and the way out."""
        try:
            yield
        except DBAPIError as error:
            raise self.translate(error.orig) from error
        except (sqlite3.Error, PoolTimeoutError) as error:  # raw connections speak without SQLAlchemy
            raise self.translate(error) from error
