"""From probabilities to one policy: draws that keep a path for every task and obey a cap, chosen by validation losses.

Axes: ``L`` units, ``T`` tasks, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from grouping.errors import InfeasibleError
from grouping.policy import Mode, Policy

__all__ = ["capped", "drawn_policies", "guarded", "likeliest"]


def drawn_policies(
    probability_LTM: Tensor,
    modes: Sequence[Mode],
    count: int,
    generator: torch.Generator,
    *,
    prefix: bool = False,
    cost: Callable[[Policy], float] | None = None,
    cap: float = float("inf"),
) -> list[Policy]:
    """The likeliest policy and random ones, each once; all with a path for every task, none above the cap.

    Args:
        probability_LTM: Of the modes; of branching before what is own stays own.
        modes: What M stands for.
        count: Random policies that are drawn.
        generator: Where they come from.
        prefix: What is own stays own.
        cost: Of a network, in the cap's unit.
        cap: What a network may cost at most.

    Raises:
        InfeasibleError: no policy costs so little.
    """
    flat = probability_LTM.flatten(0, 1)
    indices = [torch.multinomial(flat, 1, generator=generator).view(probability_LTM.shape[:2]) for _ in range(count)]
    policies = [_policy(index_LT, modes, prefix=prefix) for index_LT in [probability_LTM.argmax(dim=2), *indices]]
    policies = [guarded(policy, probability_LTM, modes) for policy in policies]
    if cost is not None:
        policies = [capped(policy, probability_LTM, modes, cost, cap, prefix=prefix) for policy in policies]
    return list(dict.fromkeys(policies))


def likeliest(probability_LTM: Tensor, modes: Sequence[Mode], *, prefix: bool = False) -> Policy:
    """Every task's likeliest mode in every unit."""
    return _policy(probability_LTM.argmax(dim=2), modes, prefix=prefix)


def _policy(index_LT: Tensor, modes: Sequence[Mode], *, prefix: bool) -> Policy:
    found: list[tuple[Mode, ...]] = []
    for task in index_LT.T.tolist():
        own = [modes[index] for index in task]
        if prefix and "own" in own:
            own[own.index("own") :] = ["own"] * (len(own) - own.index("own"))
        found.append(tuple(own))
    return Policy(tuple(found))


def guarded(policy: Policy, probability_LTM: Tensor, modes: Sequence[Mode]) -> Policy:
    """The policy with at least one unit that could be skipped and is not, for every task: else no path is left to it.

    Where a task would skip them all, it gets the one that it skips with the least probability, in its likeliest mode.
    """
    if "skip" not in modes:
        return policy
    skip = modes.index("skip")
    can_skip = [level for level in range(policy.n_units) if bool((probability_LTM[level, :, skip] > 0).any())]
    for task in range(policy.n_tasks):
        if can_skip and all(policy.modes_TL[task][level] == "skip" for level in can_skip):
            level = min(can_skip, key=lambda level: float(probability_LTM[level, task, skip]))
            others = [m for m in range(len(modes)) if m != skip]
            best = max(others, key=lambda m: float(probability_LTM[level, task, m]))
            policy = policy.with_mode(task, level, modes[best])
    return policy


def capped(
    policy: Policy,
    probability_LTM: Tensor,
    modes: Sequence[Mode],
    cost: Callable[[Policy], float],
    cap: float,
    *,
    prefix: bool = False,
) -> Policy:
    """The policy, changed where it costs too much: unit by unit, the likeliest change that makes it cheaper.

    Raises:
        InfeasibleError: no policy costs so little.
    """
    while (now := cost(policy)) > cap:
        changes = [
            (likely, cost(changed), changed)
            for likely, changed in _changes(policy, probability_LTM, modes)
            if not (prefix and _breaks(changed)) and guarded(changed, probability_LTM, modes) == changed
        ]
        cheaper = [change for change in changes if change[1] < now]
        if not cheaper:
            return _alike(probability_LTM, modes, cost, cap)
        policy = max(cheaper, key=lambda change: (change[0], -change[1]))[2]
    return policy


def _alike(probability_LTM: Tensor, modes: Sequence[Mode], cost: Callable[[Policy], float], cap: float) -> Policy:
    """Where no single change is cheaper: all tasks alike, skipping one unit after the other, the likeliest first."""
    hard = Policy.all_shared(probability_LTM.shape[1], len(probability_LTM))
    tried = [hard]
    if "skip" in modes:
        skip_L = probability_LTM[:, :, modes.index("skip")].mean(dim=1).tolist()
        can_skip = sorted((level for level, p in enumerate(skip_L) if p > 0), key=lambda level: -skip_L[level])
        for level in can_skip[:-1]:
            tried.append(_skipping(tried[-1], [level]))
        tried += [_skipping(hard, [level for level in can_skip if level != kept]) for kept in can_skip]
    found = next((policy for policy in tried if cost(policy) <= cap), None)
    if found is None:
        least = min(map(cost, tried))
        raise InfeasibleError(
            f"no policy costs {cap:g} or less; the cheapest costs {least:g}",
            where="architectures",
            fix=f"Raise the cap to {least:g}",
            minimum_budget=least,
        )
    return found


def _skipping(policy: Policy, levels: Sequence[int]) -> Policy:
    for level in levels:
        for task in range(policy.n_tasks):
            policy = policy.with_mode(task, level, "skip")
    return policy


def _changes(policy: Policy, probability_LTM: Tensor, modes: Sequence[Mode]) -> Iterator[tuple[float, Policy]]:
    """Another mode for a task in a unit, or for all tasks there (one alone may leave a path that others keep)."""
    for level in range(policy.n_units):
        for m, mode in enumerate(modes):
            likely_T = probability_LTM[level, :, m].tolist()
            changed = policy
            for task, likely in enumerate(likely_T):
                if likely > 0 and mode != policy.modes_TL[task][level]:
                    yield likely, policy.with_mode(task, level, mode)
                    changed = changed.with_mode(task, level, mode)
            if min(likely_T) > 0 and changed != policy:
                yield sum(likely_T) / len(likely_T), changed


def _breaks(policy: Policy) -> bool:
    """Whether some task shares a unit after one of its own."""
    return any("shared" in modes_L[modes_L.index("own") :] for modes_L in policy.modes_TL if "own" in modes_L)
