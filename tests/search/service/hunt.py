"""Schemathesis on a service that runs: every operation by itself, then sequences of them by the document's links."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok

__all__ = ["hunt", "hunt_in_sequences"]

# What a schema cannot say (that there is such a data set, that a budget holds a network) is refused with 422, or 409.
_MAY_BE = ["2xx", "401", "403", "404", "409", "413", "422", "429"]
_CONFIG = {"checks": {"positive_data_acceptance": {"expected-statuses": _MAY_BE}}}
_ENDLESS = "/events"
"""A stream has no end while its run has none."""


def _schema(document: dict[str, Any], url: str, *, endless: bool) -> Any:
    config = schemathesis.Config.from_dict(_CONFIG)
    paths = {path: found for path, found in document["paths"].items() if endless or not path.endswith(_ENDLESS)}
    schema = schemathesis.openapi.from_dict({**document, "paths": paths}, config=config)
    schema.config.base_url = url
    return schema


def hunt(document: dict[str, Any], url: str, token: str, *, ended: str, examples: int, number: int) -> list[str]:
    """Try every operation; returns what was found, one text each.

    Args:
        document: OpenAPI.
        url: Of the service.
        token: To be shown.
        ended: A run of the token's that has ended: the one whose events are asked for.
        examples: Requests for each operation.
        number: Seed.
    """
    found = []
    for result in _schema(document, url, endless=True).get_all_operations():
        assert isinstance(result, Ok)
        operation: Any = result.ok()

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            if case.operation.path.endswith(_ENDLESS):
                case.path_parameters["run"] = ended
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"})

        try:
            check()
        except BaseExceptionGroup as group:
            found.append(f"{operation.method.upper()} {operation.path}: {group}")
    return found


def hunt_in_sequences(document: dict[str, Any], url: str, token: str, *, examples: int, steps: int) -> None:
    """Try sequences: what one answer names is what the next asks for.

    Raises:
        BaseExceptionGroup: what was found.
    """

    class Sequences(_schema(document, url, endless=False).as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {token}"}}

    Sequences.run(
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
    )
