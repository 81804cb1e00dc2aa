"""Which fit of an average is shown: the experts of different fits have nothing to do with each other."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def chosen(model: Any, member: int | None) -> Any:
    """One fit of an average (``combine_inits="average"``), best objective first; with None the average as a whole.

    Examples
    --------
    >>> from skmoe import MoERegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.1, 2.0, 2.9]
    >>> model = MoERegressor(1, n_init=2, combine_inits="average", random_state=0).fit(X, y)
    >>> chosen(model, 0) is model.members_[0], chosen(model, None) is model
    (True, True)
    """
    fits = getattr(model, "members_", [model])
    if member is None:
        return model
    if not isinstance(member, Integral) or not 0 <= member < len(fits):
        raise ValueError(
            f"member={member!r}: expected None (all experts of all fits), or an int from 0 to {len(fits) - 1} "
            f"(this estimator has {len(fits)} fit{'s' if len(fits) > 1 else ''})."
        )
    return fits[int(member)]


def told(model: Any, member: int | None) -> str:
    """Which fit of an average is shown, in words; empty where there is only one, or all are shown.

    Examples
    --------
    >>> from skmoe import MoERegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.1, 2.0, 2.9]
    >>> model = MoERegressor(1, n_init=2, combine_inits="average", random_state=0).fit(X, y)
    >>> told(model, 0), told(model.members_[0], 0), told(model, None)
    ('members_[0], one of 2 fits', '', '')
    """
    n_fits = len(getattr(model, "members_", [model]))
    return "" if member is None or n_fits == 1 else f"members_[{member}], one of {n_fits} fits"
