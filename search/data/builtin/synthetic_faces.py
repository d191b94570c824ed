"""``synthetic-faces``: drawn faces with an age and a gender, the textbooks' example of one regression and one class.

Grey pictures of 32 x 32. Age shows in wrinkles, in how light the hair is and in how far it has receded; gender in the
length of the hair, the width of the jaw and the thickness of the brows, each with a spread so that no sign is sure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.data.images import stand_in
from search.data.layout import Layout, Source
from search.spec import SplitSpec, TaskSpec

__all__ = ["load_synthetic_faces", "synthetic_faces"]

_SIDE = 32
_YOUNGEST, _OLDEST = 18.0, 90.0


def load_synthetic_faces() -> Source:
    """2,500 faces: 60 % train, 20 % validation, 20 % test."""
    return synthetic_faces(2_500)


def synthetic_faces(rows: int, seed: int = 0) -> Source:
    """Draw faces.

    Args:
        rows: How many.
        seed: Everything follows from it.
    """
    random = np.random.default_rng(seed)
    age_N = random.uniform(_YOUNGEST, _OLDEST, rows)
    female_N = random.random(rows) < 0.5
    faces_NCHW = np.stack([_face(age, bool(female), random) for age, female in zip(age_N, female_N, strict=True)])
    faces_NCHW = faces_NCHW[:, None].astype(np.float32)
    part_N = np.array(["train", "train", "train", "val", "test"])[np.arange(rows) % 5]
    table = pd.DataFrame(
        {"face": stand_in(faces_NCHW), "age": age_N.round(1), "female": female_N.astype(float), "split": part_N}
    )
    tasks = (
        TaskSpec(name="age", type="regression", unit="years"),
        TaskSpec(name="gender", target="female", type="binary"),
    )
    return Source(table, Layout(("face",), tasks, SplitSpec(column="split")), {"face": faces_NCHW})


def _face(age: float, female: bool, random: np.random.Generator) -> NDArray[np.float64]:
    """One face, [H, W]: 0 is black, 1 is white, before noise."""
    old = (age - _YOUNGEST) / (_OLDEST - _YOUNGEST)
    sign = 1.0 if female else -1.0
    y_HW, x_HW = np.mgrid[0:_SIDE, 0:_SIDE] + 0.5
    middle = _SIDE / 2 + random.normal(0, 1.0)
    chin = 27 + random.normal(0, 0.8)
    width = 9 - 0.7 * sign + random.normal(0, 1.2)
    image_HW = np.full((_SIDE, _SIDE), 0.1 + 0.1 * random.random())
    skin = 0.55 + 0.2 * random.random()
    hair = 0.15 + 0.55 * old + random.normal(0, 0.1)
    length = 15 + 5 * sign + random.normal(0, 6.0)
    recede = 2.5 * old + random.normal(0, 0.8)
    ellipse_HW = ((x_HW - middle) / (width + 3)) ** 2 + ((y_HW - 14) / 12.5) ** 2
    image_HW[(ellipse_HW < 1) & (y_HW < length)] = hair
    jaw_HW = width * np.where(y_HW > 18, 1 - 0.035 * (y_HW - 18) * (1 + 0.4 * sign), 1)
    inside_HW = ((x_HW - middle) / jaw_HW) ** 2 + ((y_HW - 16) / (chin - 16)) ** 2 < 1
    image_HW[inside_HW & (y_HW > 5 + 3 - recede)] = skin
    for side in (-1, 1):
        eye_HW = ((x_HW - middle - side * 4) / 1.8) ** 2 + ((y_HW - 14) / 1.1) ** 2 < 1
        image_HW[eye_HW] = 0.1
        thick = 0.9 - 0.25 * sign + random.normal(0, 0.4)
        image_HW[(abs(x_HW - middle - side * 4) < 2.6) & (abs(y_HW - 11.5) < max(thick, 0.2))] = hair * 0.8
    image_HW[(abs(x_HW - middle) < 3.5) & (abs(y_HW - 22.5) < 0.8)] = 0.25
    deep = max(0.0, 0.3 * old + random.normal(0, 0.08))
    for line in (8.5, 10.0, 19.5):
        image_HW[(abs(y_HW - line) < 0.5) & (abs(x_HW - middle) < 6) & inside_HW] -= deep
    return np.asarray(image_HW + random.normal(0, 0.06, image_HW.shape))
