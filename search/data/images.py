"""Pictures as inputs: every pixel is an input and keeps its place. Columns of tables are ``arrays``."""

from __future__ import annotations

import hashlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.candidates import IntArray
from search.data.arrays import Inputs
from search.errors import DataError

__all__ = ["Images", "as_images", "encode_images", "stand_in"]

Images = NDArray[Any]
"""Pictures [N, C, H, W]: rows, channels, height, width; numbers of any type."""

_MOST_PIXELS = 50_000
_FARTHEST = 1e15


def as_images(array: NDArray[Any], where: str) -> Images:
    """Pictures from an array [N, H, W] or [N, C, H, W].

    Raises:
        DataError: no numbers, no pixels, or too many.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(f"holds pictures of type {array.dtype}", where=where, fix="Give pixels as numbers")
    images_NCHW = array[:, None] if array.ndim == 3 else array
    pixels = prod(images_NCHW.shape[1:])
    if not 0 < pixels <= _MOST_PIXELS:
        what = f"has pictures of {pixels:,} values, at most {_MOST_PIXELS:,} are read"
        raise DataError(what, where=where, fix="Make the pictures smaller")
    return images_NCHW


def stand_in(images_NCHW: Images) -> IntArray:
    """A number for each picture, equal for equal pictures: what stands for them where a table has one value a cell."""
    digests = [hashlib.blake2b(image_CHW.tobytes(), digest_size=8).digest() for image_CHW in images_NCHW]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def encode_images(images_NCHW: Images, name: str, train_rows: IntArray) -> Inputs:
    """Pixels as inputs, in the order channel, row, column; each channel is standardised as a whole.

    Mean and standard deviation of a channel are those of all its pixels in the training rows. Constant pixels stay: a
    pixel that was left out would move all others.

    Args:
        images_NCHW: The pictures of all rows.
        name: Of the array; an input is called ``name[channel,row,column]``.
        train_rows: Numbers of the training rows.

    Raises:
        DataError: a pixel is no finite number, or all are equal.
    """
    where = f"input '{name}'"
    n_rows, channels, height, width = images_NCHW.shape
    with np.errstate(over="ignore"):
        values_NCHW = images_NCHW.astype(np.float32)
    largest_N, smallest_N = (found(values_NCHW, axis=(1, 2, 3)) for found in (np.max, np.min))
    bad_N = ~((largest_N <= _FARTHEST) & (smallest_N >= -_FARTHEST))
    if bad_N.any():
        row = int(np.flatnonzero(bad_N)[0])
        what = f"the picture in data row {row + 1} has a pixel that is missing, infinite or beyond {_FARTHEST:g}"
        raise DataError(what, where=where, fix="Fill it in, or remove the row")
    train_NCHW = values_NCHW[train_rows]
    scale_C = train_NCHW.std(axis=(0, 2, 3), dtype=np.float64)
    scale_C[np.ptp(train_NCHW, axis=(0, 2, 3)) == 0] = 0  # exactly, whatever the rounding
    if not scale_C.any():
        raise DataError("all pixels of the training rows are equal", where=where, fix="Name other inputs")
    mean_C = train_NCHW.mean(axis=(0, 2, 3), dtype=np.float64)
    values_NCHW -= mean_C.astype(np.float32)[:, None, None]
    values_NCHW /= np.where(scale_C > 0, scale_C, 1).astype(np.float32)[:, None, None]
    names = tuple(f"{name}[{c},{h},{w}]" for c in range(channels) for h in range(height) for w in range(width))
    return Inputs(values_NCHW.reshape(n_rows, -1), names, ())
