"""What a report says of a trainer that is not ours: whose losses they are, what intervals are over, what is missing."""

from __future__ import annotations

from grouping.recommendation import ForeignTrainer, Recommendation

__all__ = ["paired_over", "same", "snt_text", "trainer_text"]


def paired_over(recommendation: Recommendation) -> str:
    """What intervals are over."""
    trainer = recommendation.trainer
    return "fresh seeds and test rows" if trainer is None or trainer.by_rows else "fresh seeds"


def same(recommendation: Recommendation) -> str:
    """What all alternatives have in common."""
    return f"same {paired_over(recommendation).replace(' and ', ', same ')}"


def trainer_text(trainer: ForeignTrainer) -> str:
    """Whose losses these are, and what cannot be said because of that."""
    parts = [f"Networks were trained by {trainer.name}; losses are as it reported them."]
    if trainer.confirmed_on == "validation":
        parts.append(
            "It reports no test losses: the confirmation has fresh seeds, but the validation rows that the choice was "
            "made on, so what looks best here is somewhat too good to be true."
        )
    if not trainer.by_rows:
        parts.append(
            "It reports one number a task, so intervals are over seeds alone: what other test rows would change is "
            "not in them."
        )
    parts.append("It keeps its networks: train the chosen ones with it. FLOPs and parameters are not known.")
    return " ".join(parts)


def snt_text(recommendation: Recommendation) -> str:
    """What SNT stands for."""
    if recommendation.trainer is not None:
        return (
            "SNT, standard network times, is the capacity that the trainer was told: serving a network of 1 SNT costs "
            "as much as serving one of its standard networks."
        )
    return (
        "SNT, standard network times, is the trunk's FLOPs relative to the standard trunk: serving a network of 1 SNT "
        "costs as much as serving one standard network."
    )
