"""A complete table as the training oracle: how good would each strategy be after so many trained groups?"""

from grouping.replay.oracle import Oracle
from grouping.replay.replay import Replay, StrategyReplay, replay

__all__ = ["Oracle", "Replay", "StrategyReplay", "replay"]
