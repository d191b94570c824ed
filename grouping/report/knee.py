"""Which points of loss against cost deserve a look: those that nothing beats, and among them the knee."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["dominated", "knee"]


def knee(points: Sequence[tuple[float, float]]) -> int:
    """The point farthest below the line from the cheapest to the dearest, both axes scaled to one; the first of equals.

    Args:
        points: (cost, loss), ascending in cost.
    """
    (first_cost, first_loss), (last_cost, last_loss) = points[0], points[-1]
    width, height = last_cost - first_cost, first_loss - last_loss
    if width <= 0 or height <= 0:
        return 0
    gained = [(first_loss - loss) / height - (cost - first_cost) / width for cost, loss in points]
    return max(range(len(points)), key=lambda i: (round(gained[i], 12), -i))


def dominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Of each (cost, loss), in any order, whether another costs no more and loses no more, and one of both is less."""
    best: dict[tuple[float, float], bool] = {}
    least = float("inf")
    for point in sorted(set(points)):  # of equal costs the lowest loss comes first
        best[point] = point[1] >= least
        least = min(least, point[1])
    return [best[point] for point in points]
