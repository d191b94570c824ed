"""What every complaint to a user must be: exit code 2, one printable line, a place and a way out."""

from __future__ import annotations

from grouping.errors import InputError
from search.cli.console import escape_controls

__all__ = ["assert_one_clear_message"]


def assert_one_clear_message(error: InputError, where: str, *words: str) -> None:
    """The message names the place and contains the words; it is one line of bearable length."""
    text = str(error)
    assert error.exit_code == 2
    assert "\n" not in text
    assert escape_controls(text) == text
    assert len(text) < 500, text
    assert error.what
    assert error.fix, f"no way out: {text}"
    assert where in error.where, f"{where!r} is not in {error.where!r}"
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"
    assert set(error.as_json()) == {"code", "what", "where", "fix"}
