"""Names of runs: short, sortable by time, safe as a folder name whatever the user called the run."""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import UTC, datetime

__all__ = ["LATEST", "is_run_id", "looks_like_id", "new_run_id", "shown_id", "slug"]

LATEST = "latest"
"""The word that stands for the newest run wherever an id is asked for."""

_LONGEST_SLUG = 24
_LONGEST_SHOWN = 80
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]+-[0-9a-f]{4}", re.ASCII)
_ID_TEXT = re.compile(r"[a-z0-9-]{1,60}", re.ASCII)


def new_run_id(name: str, now: datetime | None = None) -> str:
    """A fresh id such as ``20261122-103512-nyc-weather-a1b2``: UTC time, the name made harmless, four random digits."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{slug(name)}-{secrets.token_hex(2)}"


def slug(name: str) -> str:
    """The name in lower-case ASCII letters, digits and hyphens, at most 24 of them; ``run`` if none is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-") or "run"


def is_run_id(text: str) -> bool:
    """Whether ``new_run_id`` could have made the text: what tells runs' folders from others beside them."""
    return _RUN_ID.fullmatch(text) is not None


def looks_like_id(text: str) -> bool:
    """Whether the text can be an id or the beginning of one; anything else never reaches the database."""
    return _ID_TEXT.fullmatch(text) is not None


def shown_id(text: str) -> str:
    """What a user gave as an id, as a message repeats it: whatever it was, not longer than a line."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
