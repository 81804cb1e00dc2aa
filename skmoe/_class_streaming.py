"""Classes of a stream: told on its first call, although a batch may lack some."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._labels import codes_of
from ._streaming import Streaming
from ._validation import shown
from .rows.columns import appended, standardizer

#: Rows that a class without rows in the first batch of a stream begins with.
_ABSENT = 0.5


class ClassStreaming(Streaming):
    """What a classifier adds to `skmoe._streaming.Streaming`; a part of `MoEClassifier`."""

    class_weight: str | dict | None
    classes_: np.ndarray

    def _check_streams(self, classes: Any) -> None:
        super()._check_streams(classes)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' counts the classes of all rows, and partial_fit sees a batch of them. Give "
                "class_weight as a dict, or pass sample_weight."
            )
        known = self.classes_ if hasattr(self, "_members") else None
        if known is None and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit, because a batch may lack some: give all "
                "labels that will ever come, such as np.unique(y) of all rows."
            )
        if known is not None and classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"classes holds {shown(np.unique(classes))}, but those of the first call are {shown(known)}. Leave "
                "classes out (weights are passed by name, sample_weight=...), or begin anew with a clone of this "
                "estimator."
            )

    def _check_first_batch(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, classes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of a first batch, and of every class that has none a part of a row in their middle.

        Without it the odds of such a class would be zero, and when it comes no step could be told from its curvature.
        """
        if len(classes) < 2:
            raise ValueError(f"MoEClassifier needs at least 2 classes, but classes holds {len(classes)}.")
        self.classes_ = classes
        codes = codes_of(y, self.classes_)
        absent = np.setdiff1d(np.arange(len(classes)), codes[weight > 0])
        if absent.size:
            middle = standardizer(X, weight, np.arange(X.shape[1]), None).center
            X = appended(X, np.tile(middle, (len(absent), 1)))
        codes, weight = np.append(codes, absent), np.append(weight, np.full(len(absent), _ABSENT))
        return X, codes[:, None].astype(np.float64), weight
