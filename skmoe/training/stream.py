"""Streams: rows that come in batches, are learned, and are gone.

What stays of them are sums: a quadratic model of their expected log-likelihood (see `skmoe.block.Block.recentred`). It
moves with the parameters, fades, and has the rows of a batch added to it:

    sums  <-  (W / (W + w))^8 recentred past  +  the rest of the weight on the batch

with W the weight seen before and w that of the batch. Cappe & Moulines (2009) fade by a power of the number of batches;
by weight a stream learns the same from a row of weight 2 and from that row twice, and fades alike however it is cut.

A batch is learned by the loop that fits (`skmoe.training.loop`), on the rows of the batch and the past together. So
every step is searched for, never falls, and never comes to parameters at which the batch is not finite.

What is told is the mean of the parameters along the way, which fades more slowly (Polyak & Juditsky 1992): quick fading
lets the parameters arrive, and their mean has little of the noise that it costs.

References
----------
Cappe & Moulines (2009), On-line expectation-maximization algorithm for latent data models.
https://doi.org/10.1111/j.1467-9868.2009.00698.x

Polyak & Juditsky (1992), Acceleration of stochastic approximation by averaging.
https://doi.org/10.1137/0330046
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from ..mixture import Mixture, Params, Sums
from ..records import add, complete, scaled
from ..rows.source import Rows
from .loop import Run, Settings
from .restarts import held_to_one_thread

#: Power of the part of the weight seen before by which the past fades. The past resists as if nothing of it were
#: missing (it holds the responsibilities of its time), so a stream that forgets little is long on its way. Nats a row
#: below the optimum to which a fit to all rows leads from the first batch's, after one pass over 20 batches and after
#: five, medians of four shuffles, at powers 4, 6, 8 and 12: 20,000 simulated rows .0006/.0000 .0009/.0000 .0011/.0000
#: .0013/.0000; two simulated classes .0080/.0052 .0056/.0036 .0053/.0031 .0048/.0029; kin8nm, K=4, .0137/.0063
#: .0139/.0076 .0091/.0037 .0085/.0025; power, K=4, .0050/.0024 .0079/.0048 .0150/.0093 .0187/.0062.
FADING = 8.0
#: The same of the mean of the parameters. At powers 2, 3, 4, and without a mean, FADING 8: simulated rows .0007/.0000
#: .0011/.0000 .0014/.0000 .0047/.0003; kin8nm .0095/.0041 .0091/.0037 .0093/.0035 .0134/.0036.
MEAN_FADING = 3.0
#: Most passes over a batch, and the promise in total nats at which it is learned. Five passes are made on average; with
#: at most six, kin8nm, K=4, ended at .0164/.0058.
_PASSES, _TOL = 20, 0.1


class Stream(NamedTuple):
    """What is known of the rows seen.

    Attributes
    ----------
    mixture : Mixture
    params : Params
        Where the stream stands.
    mean : Params
        Mean of the parameters along the way.
    sums : Sums
        At ``params``, of a unit of weight.
    weight : float
        Weight of all rows seen.
    n_batches : int
    """

    mixture: Mixture
    params: Params
    mean: Params
    sums: Sums
    weight: float
    n_batches: int


@dataclass(frozen=True)
class Streamed(Mixture):
    """A mixture that sees the rows of a batch, and a past.

    Parameters
    ----------
    past : Sums
        Of rows that are gone, gathered at the parameters ``at``.
    at : Params
    emphasis : float
        What the batch counts for in multiples of its weight, because the past has faded.
    """

    past: Any = None
    at: Any = None
    emphasis: float = 1.0

    @property
    def curved(self) -> bool:
        """The past has information to recentre by, whatever the blocks would rather be trained by."""
        return True

    def damped(self) -> Self:
        """As it is: the past holds steps back where the rows of a batch are few."""
        return self

    def sums(
        self,
        params: Params,
        rows: Rows,
        *,
        information: bool = True,
        responsibilities: Iterable[np.ndarray] | None = None,
    ) -> Sums:
        batch = super().sums(params, rows, information=information, responsibilities=responsibilities)
        with np.errstate(over="ignore", invalid="ignore"):
            total: Sums = add(scaled(batch, self.emphasis), self.recentred(self.past, self.at, params))
        return total


def begun(mixture: Mixture, params: Params, rows: Rows) -> Stream:
    """A stream that begins with rows to which parameters were fitted."""
    with held_to_one_thread():
        sums = mixture.sums(params, rows)
    return Stream(mixture, params, params, scaled(sums, 1 / rows.total), rows.total, 1)


def resumed(mixture: Mixture, params: Params, rows: Rows, usual: Rows, weight: float) -> Stream:
    """A stream that begins with a fit to rows of some weight, which are gone.

    At the optimum their gradient was zero. The log-likelihood and the information of a unit of their weight are those
    of other rows; to the information are added, worth as many rows as there are parameters, those of ``usual`` ones,
    which count whatever their response.
    """
    with held_to_one_thread():
        prior = [np.exp(mixture.log_prior(params, chunk.gate)) for chunk in usual]
        common = mixture.sums(params, usual, responsibilities=prior)
        batch = mixture.sums(params, rows)
        known = add(batch, scaled(common, mixture.n_free(params) / usual.total))
        sums = mixture.balanced(params, scaled(known, weight / known.weight))
        sums = sums._replace(log_likelihood=batch.log_likelihood * weight / batch.weight)
    return Stream(mixture, params, params, scaled(sums, 1 / weight), weight, 1)


def learned(stream: Stream, rows: Rows, settings: Settings) -> tuple[Stream, Run]:
    """The stream after a batch, and the run that learned it; where the batch is not finite so is the run's point."""
    mixture, params, mean, sums, weight, n_batches = stream
    total = weight + rows.total
    kept = total * (weight / total) ** FADING
    both = Streamed(
        mixture.tree,
        mixture.gates,
        mixture.experts,
        past=scaled(sums, kept),
        at=params,
        emphasis=(total - kept) / rows.total,
    )
    brief = replace(settings, tol=max(settings.tol, _TOL), max_passes=min(settings.max_passes, _PASSES))
    with held_to_one_thread():
        run = Run(both, params, rows, brief)
        if not run.point.finite:
            return stream, run
        run.advance(brief.max_passes)
        found = run.point.sums if complete(run.point.sums) else both.sums(run.params, rows)
    before = (weight / total) ** MEAN_FADING
    mean = add(scaled(mean, before), scaled(run.params, 1 - before))
    return Stream(mixture, run.params, mean, scaled(found, 1 / total), total, n_batches + 1), run
