"""A trial's result as bytes and back, bit for bit: a NumPy archive without pickles behind its SHA-256."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.trials import TestScores, TrialResult

__all__ = ["decode_result", "encode_result"]

_MARK = b"tgr1"
"""Begins what carries a SHA-256; archives of earlier versions have only the checksums of their members."""
_DIGEST = hashlib.sha256().digest_size
_HEADER = "header"
_SEEN = "seen "


def encode_result(result: TrialResult) -> bytes:
    """The whole result as one archive.

    Raises:
        ValueError: a loss, sum or time is not finite; such a trial has failed and is recorded as a failure.
    """
    _check_finite(result)
    header = {"seconds": result.seconds, "worker": result.worker, "kept": result.kept}
    arrays: dict[str, NDArray[Any]] = {
        "steps_S": result.steps_S,
        "curve_TS": result.curve_TS,
        "weights": np.frombuffer(result.weights, dtype=np.uint8),
    }
    if result.test_curve_TS is not None:
        arrays["test_curve_TS"] = result.test_curve_TS
    arrays |= {_SEEN + name: values for name, values in result.seen.items()}
    if result.test is not None:
        header["metrics"] = result.test.metrics
        arrays["cluster_sum_TG"] = result.test.cluster_sum_TG
        arrays["cluster_count_TG"] = result.test.cluster_count_TG
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    content = archive.getvalue()
    return _MARK + hashlib.sha256(content).digest() + content


def decode_result(data: bytes, *, weights: bool = True) -> TrialResult:
    """The inverse of ``encode_result``.

    Args:
        data: What it gave.
        weights: Whether they are wanted too; they are most of the bytes.

    Raises:
        ValueError: the bytes are damaged.
    """
    begin = 0
    if not data.startswith(b"PK"):
        begin = len(_MARK) + _DIGEST
        if data[:begin] != _MARK + hashlib.sha256(memoryview(data)[begin:]).digest():
            raise ValueError("damaged result: its SHA-256 is another")
    try:
        with np.load(io.BytesIO(data[begin:]), allow_pickle=False) as archive:
            header = json.loads(archive[_HEADER].tobytes())
            test = None
            if "metrics" in header:
                test = TestScores(archive["cluster_sum_TG"], archive["cluster_count_TG"], header["metrics"])
            return TrialResult(
                steps_S=archive["steps_S"],
                curve_TS=archive["curve_TS"],
                seconds=header["seconds"],
                worker=header["worker"],
                kept=header["kept"],
                test=test,
                weights=archive["weights"].tobytes() if weights else b"",
                test_curve_TS=archive.get("test_curve_TS"),
                seen={name.removeprefix(_SEEN): archive[name] for name in archive.files if name.startswith(_SEEN)},
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, OSError, RuntimeError) as error:
        raise ValueError(f"damaged result: {error}") from error


def _check_finite(result: TrialResult) -> None:
    # Natural metrics may be undefined (AUC of a single class); losses and their sums may not.
    if not np.isfinite(result.curve_TS).all():
        raise ValueError("a validation loss is not finite")
    if result.test_curve_TS is not None and not np.isfinite(result.test_curve_TS).all():
        raise ValueError("a test loss is not finite")
    if not math.isfinite(result.seconds):
        raise ValueError("the training time is not finite")
    if result.test is not None and not np.isfinite(result.test.cluster_sum_TG).all():
        raise ValueError("a test loss is not finite")
