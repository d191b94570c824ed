"""The server's log: one JSON object a line on stderr; no name in it can forge a line, no secret gets into it."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback

__all__ = ["JsonLines", "configure_logging", "redacted"]

_TOKEN = re.compile(r"tg_([0-9a-f]{12})_[A-Za-z0-9_-]+")
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*(@)")
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")


def redacted(text: str) -> str:
    """The text without tokens and passwords of addresses."""
    return _BEARER.sub(r"\1***", _PASSWORD.sub(r"\1***\2", _TOKEN.sub(r"tg_\1_***", text)))


class JsonLines(logging.Formatter):
    """Records as JSON: control characters are escaped, so a record is one line whatever it tells."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "source": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["traceback"] = redacted("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(entry)


def configure_logging(level: int = logging.INFO) -> None:
    """Send every log of the process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("alembic").setLevel(logging.WARNING)
