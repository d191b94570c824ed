"""The spec: what a user asks for, as one schema for YAML, REST and Python. Unknown keys are refused.

Reading a file into it (and every complaint about YAML itself) is ``search.documents``.
"""

from search.spec.searching import SearchSpec
from search.spec.sections import (
    AffinitySpec,
    BudgetSpec,
    CandidatesSpec,
    ClusterSpec,
    DataSpec,
    EngineName,
    Estimator,
    EvidenceSpec,
    HalvingSpec,
    NetworkSpec,
    NoHarmSpec,
    Precision,
    SplitSpec,
    TaskSpec,
    TrainingBudgetSpec,
    TrainingSpec,
    TuningSpec,
    Weighting,
)
from search.spec.settled import settled
from search.spec.spec import Spec
from search.spec.trainer import OWNED, ServingCostSpec, TrainerSpec, installed_trainers, runs_code

__all__ = [
    "OWNED",
    "AffinitySpec",
    "BudgetSpec",
    "CandidatesSpec",
    "ClusterSpec",
    "DataSpec",
    "EngineName",
    "Estimator",
    "EvidenceSpec",
    "HalvingSpec",
    "NetworkSpec",
    "NoHarmSpec",
    "Precision",
    "SearchSpec",
    "ServingCostSpec",
    "Spec",
    "SplitSpec",
    "TaskSpec",
    "TrainerSpec",
    "TrainingBudgetSpec",
    "TrainingSpec",
    "TuningSpec",
    "Weighting",
    "installed_trainers",
    "runs_code",
    "settled",
]
