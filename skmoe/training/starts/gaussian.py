"""A tied Gaussian gate, converted to a softmax."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gates.gaussian import GaussianGate, softmax_from_gaussian
from ...mixture import Mixture, Params
from ...records import same_kind
from ...rows.source import Rows
from ...tree import Tree
from ..loop import Run, Settings
from .division import even, trained_on
from .hyperplanes import hyperplanes

#: EM passes on the joint density. Twenty led to worse optima than five (best of six on concrete and airfoil, K = 4 and
#: 8): the longer, the more the clouds of x count.
_PASSES = 5


def gaussian_gate(mixture: Mixture, rows: Rows, rng: np.random.Generator) -> Params:
    """A few passes of EM with a tied Gaussian gate, which then is a softmax gate exactly.

    So experts start on clouds of rows in which y is of one kind. For other gates, and for trees, what the Gaussian gate
    found is a division of the rows.

    References
    ----------
    Xu, Jordan & Hinton (1995), An alternative model for mixtures of experts. Advances in Neural Information Processing
    Systems 7. https://proceedings.neurips.cc/paper/1994/hash/c8fbbc86abe8bd6a5eb6a3b4d0411301-Abstract.html
    """
    flat = replace(mixture, tree=Tree.parse(mixture.tree.n_leaves), gates=(GaussianGate("tied"),))
    found = Run(flat, hyperplanes(flat, rows, rng), rows, Settings(memory=0)).advance(_PASSES).params
    converted = softmax_from_gaussian(flat, found)
    if same_kind(converted, even(mixture, rows)):
        return converted
    return trained_on(mixture, rows, (flat.posterior(found, chunk) for chunk in rows), found.experts)
