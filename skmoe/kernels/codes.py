"""Numbers by which Python tells compiled code what is wanted: compiled functions that are passed as arguments cannot be
kept on disk. This file needs no compiler."""

from __future__ import annotations

#: Families of experts.
GAUSSIAN, BERNOULLI, POISSON, STUDENT_T = range(4)

#: Weighted cross-products that the information of a gate is made of: none; with weights 2 p (1 - p), one a branch; with
#: the products of the probabilities of every two branches; and one more with weight 1.
NONE, BLOCKS, PAIRS, EVEN = 0, 1, 2, 4
