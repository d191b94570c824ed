"""The budget in a resolved spec: only that section is read, because a list shows many specs."""

from __future__ import annotations

from functools import lru_cache

from pydantic import ValidationError

from grouping.errors import InputError
from search.documents.parsing import parse_yaml
from search.service.answers import BudgetAnswer
from search.spec import BudgetSpec

__all__ = ["budget_of"]

_SECTION = "budget:"
_LONGEST = 10_000


def budget_of(spec: str) -> BudgetAnswer | None:
    """What serving may cost; None where a spec is of another version, or of a kind of run that has no budget.

    Args:
        spec: YAML, as ``dump_spec`` writes it.
    """
    start = 0 if spec.startswith(_SECTION) else spec.find(f"\n{_SECTION}") + 1
    if not start and not spec.startswith(_SECTION):
        return None
    lines = spec[start : start + _LONGEST].splitlines()
    ends = (i for i, line in enumerate(lines[1:], 1) if line[:1] not in (" ", "}", ""))
    return _read("\n".join(lines[: next(ends, len(lines))]))


@lru_cache(maxsize=4096)
def _read(section: str) -> BudgetAnswer | None:
    try:
        data = parse_yaml(section, "").data
        budget = BudgetSpec.model_validate(data["budget"])
    except (InputError, ValidationError):
        return None
    return BudgetAnswer(limit=budget.inference, unit=budget.unit, max_networks=budget.max_networks)
