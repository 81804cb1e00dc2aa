"""Normal densities of the columns, one a branch: what a Gaussian gate is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..block import Block
from ..rows.design import Design, Standardizer

#: Largest square of a distance from a branch: what is farther is equally far from all.
_FARTHEST = 1e300
_TINY = np.finfo(np.float64).tiny


class NormalParams(NamedTuple):
    """Affine maps ``z = T x - b`` that turn each density into the standard one.

    Offsets b (n_branches, n_columns), and the lower triangles of the blocks of T, (n_branches, n_blocks, n_entries),
    with length 1 where branches or blocks share them.
    """

    offset: np.ndarray
    factor: np.ndarray


class NormalSums(NamedTuple):
    """Mass (n_branches,), and sums over rows of mass times z, (n_branches, n_columns), and times z x', blocks
    (n_branches, n_blocks, size, size) with length 1 where branches share T."""

    mass: np.ndarray
    residual: np.ndarray
    cross: np.ndarray


class NormalForward(NamedTuple):
    """Log densities (n_branches, n_rows) and residuals z (n_branches, n_columns, n_rows)."""

    log_prob: np.ndarray
    residual: np.ndarray


class Form(NamedTuple):
    """Whether a covariance is one block of all columns (else one block a column), and who shares a block."""

    whole: bool
    tied_branches: bool = False
    tied_columns: bool = False


#: Forms of covariances by name.
FORMS = {
    "full": Form(whole=True),
    "tied": Form(whole=True, tied_branches=True),
    "diag": Form(whole=False),
    "spherical": Form(whole=False, tied_columns=True),
}


@dataclass(frozen=True)
class Normals(Block):
    """Normal densities with an M-step in closed form.

    .. math:: \\log N_c(x) = \\log |T_c| - \\tfrac12 \\lVert T_c x - b_c \\rVert^2 - \\tfrac p2 \\log 2\\pi,
              \\qquad S_c^{-1} = T_c^\\top T_c, \\quad m_c = T_c^{-1} b_c

    With T lower triangular the log-likelihood is concave in (T, b), and the covariances above the floor are those with
    ``|T| <= 1 / floor`` in spectral norm, a convex set: so an M-step, full or shortened, climbs and stays inside.

    Parameters
    ----------
    form : Form
    alpha : float
        Rows' worth of the identity in every covariance: the penalty is ``alpha / 2 * (tr S^-1 + log|S| - p)``.
    scale_floor : float
        Smallest standard deviation in any direction.
    """

    form: Form
    alpha: float
    scale_floor: float

    # -- coordinates -------------------------------------------------------------------------------------------------

    def _size(self, n_columns: int) -> int:
        return n_columns if self.form.whole else 1

    def _blocks(self, values: np.ndarray) -> np.ndarray:
        """Columns in blocks: (..., n_columns, k) gives (..., n_blocks, size, k)."""
        *shape, p, k = values.shape
        return values.reshape(*shape, -1, self._size(p), k)

    def _matrix(self, factor: np.ndarray, n_columns: int) -> np.ndarray:
        """Blocks of T, (n_branches, n_blocks, size, size), with length 1 where they are shared."""
        size = self._size(n_columns)
        matrix = np.zeros((*factor.shape[:2], size, size))
        matrix[(..., *np.tril_indices(size))] = factor
        return matrix

    def factors(self, params: NormalParams) -> np.ndarray:
        """T of each branch, of one block, (n_branches, n_columns, n_columns), with length 1 where they share it."""
        assert self.form.whole
        return self._matrix(params.factor, params.offset.shape[1])[:, 0]

    @staticmethod
    def _entries(matrix: np.ndarray) -> np.ndarray:
        entries: np.ndarray = matrix[(..., *np.tril_indices(matrix.shape[-1]))]
        return entries

    def _over_branches(self, values: np.ndarray) -> np.ndarray:
        return values.sum(axis=0, keepdims=True) if self.form.tied_branches else values

    def _over_columns(self, values: np.ndarray) -> np.ndarray:
        return values.sum(axis=1, keepdims=True) if self.form.tied_columns else values

    def _n_shared(self, n_columns: int) -> int:
        """Columns that share one block of T."""
        return n_columns if self.form.tied_columns else 1

    def start(self, n_branches: int, n_columns: int) -> NormalParams:
        """Standard normal densities."""
        size = self._size(n_columns)
        n_factors = 1 if self.form.tied_branches else n_branches
        n_blocks = 1 if self.form.tied_columns else n_columns // size
        return NormalParams(
            np.zeros((n_branches, n_columns)), np.tile(self._entries(np.eye(size)), (n_factors, n_blocks, 1))
        )

    # -- evaluate and gather -----------------------------------------------------------------------------------------

    def _columns(self, design: Design) -> np.ndarray:
        return self._blocks(design.columns[1:])

    def forward(self, params: NormalParams, design: Design) -> NormalForward:
        """Evaluate the rows."""
        p = params.offset.shape[1]
        factor = self._matrix(params.factor, p)
        white = factor @ self._columns(design) if self.form.whole else factor * self._columns(design)
        z = white.reshape(-1, p, design.n_rows) - params.offset[:, :, None]
        log_det = self._log_det(factor, p)
        with np.errstate(over="ignore"):
            squares = np.minimum(np.einsum("cpn,cpn->cn", z, z), _FARTHEST)
        return NormalForward(log_det[:, None] - 0.5 * squares - 0.5 * p * np.log(2 * np.pi), z)

    def _log_det(self, factor: np.ndarray, n_columns: int) -> np.ndarray:
        """Log of the volume by which each T magnifies, (n_branches,), with length 1 where they share it."""
        log_det: np.ndarray = self._n_shared(n_columns) * np.log(np.abs(_diagonal(factor))).sum(axis=(1, 2))
        return log_det

    def gather(self, params: NormalParams, design: Design, mass: np.ndarray, residual: np.ndarray) -> NormalSums:
        """Sums over rows with ``mass`` (n_branches, n_rows)."""
        weighted = mass[:, None, :] * residual
        columns = self._columns(design)
        cross = self._blocks(self._over_branches(weighted)) @ columns.swapaxes(-1, -2)
        return NormalSums(mass.sum(axis=1), weighted.sum(axis=2), cross)

    # -- spend -------------------------------------------------------------------------------------------------------

    def penalty(self, params: NormalParams) -> float:
        p = params.offset.shape[1]
        n_factors = len(params.factor)
        log_det = np.log(np.abs(_diagonal(self._matrix(params.factor, p)))).sum()
        excess = self._n_shared(p) * (float(np.square(params.factor).sum()) - 2 * float(log_det)) - n_factors * p
        return 0.5 * self.alpha * excess

    def gradient(self, params: NormalParams, sums: NormalSums) -> NormalParams:
        p = params.offset.shape[1]
        factor, mass = self._matrix(params.factor, p), self._over_branches(sums.mass)[:, None, None]
        matrix = -self._over_columns(sums.cross) - self._n_shared(p) * self.alpha * factor
        _diagonal(matrix)[...] += self._n_shared(p) * (mass + self.alpha) / _diagonal(factor)
        return NormalParams(sums.residual, self._entries(matrix))

    def precondition(self, params: NormalParams, sums: NormalSums, vector: NormalParams) -> NormalParams:
        """By the expected information of the rows, which is diagonal in (A, d) where T moves by AT and b by Ab + d."""
        p = params.offset.shape[1]
        factor, moved = (self._matrix(record.factor, p) for record in (params, vector))
        offset, pull = (self._blocks(record.offset[..., None]) for record in (params, vector))
        mass = np.maximum(sums.mass, _TINY)[:, None, None, None]
        product = self._over_columns(self._over_branches(pull @ _T(offset)))
        relative = np.tril(moved @ _T(factor) + product)
        relative /= self._n_shared(p) * self._over_branches(mass) * (1 + np.eye(self._size(p)))
        step = relative @ offset + pull / mass
        return NormalParams(step.reshape(-1, p), self._entries(relative @ factor))

    def m_step(self, params: NormalParams, sums: NormalSums) -> NormalParams:
        """Weighted means and covariances, taken of the residuals; eigenvalues below the floor are raised to it.

        That is the maximum above the floor: the eigenvectors of the best covariance are those of the scatter whatever
        its eigenvalues, and the likelihood is unimodal in each of these.
        """
        p = params.offset.shape[1]
        factor = self._matrix(params.factor, p)
        offset, residual = (self._blocks(values[..., None]) for values in (params.offset, sums.residual))
        mass = sums.mass[:, None, None, None]
        shift = residual / np.maximum(mass, _TINY)
        back = np.linalg.inv(factor)
        scatter = sums.cross @ _T(factor) - self._over_branches(residual @ _T(offset + shift))
        scatter = self._over_columns(back @ scatter @ _T(back)) / self._n_shared(p)
        rows = self._over_branches(mass) + self.alpha
        covariance = (scatter + self.alpha * np.eye(self._size(p))) / np.maximum(rows, _TINY)
        covariance = np.where(rows > 0, covariance, back @ _T(back))  # a branch without rows stays as it is
        return self._of(back @ (offset + shift), covariance, factor)

    def _of(self, mean: np.ndarray, covariance: np.ndarray, old: np.ndarray) -> NormalParams:
        """Parameters of means and covariances in blocks.

        Each row of T keeps its sign: on that side of zero the objective is concave.
        """
        values, vectors = np.linalg.eigh(0.5 * (covariance + _T(covariance)))
        deviation = np.sqrt(np.maximum(values, self.scale_floor**2))
        root = np.asarray(np.linalg.qr(deviation[..., None] * _T(vectors), mode="r"))  # R'R is the covariance
        factor = np.tril(np.linalg.inv(_T(root)))
        factor *= np.copysign(1.0, _diagonal(factor) * _diagonal(old))[..., None]
        return NormalParams((factor @ mean).reshape(len(mean), -1), self._entries(factor))

    def recentred(self, sums: NormalSums, old: NormalParams, new: NormalParams) -> NormalSums:
        """Exact: the sums say the mass, the sums of columns and of their products."""
        p = old.offset.shape[1]
        mass, (was, now) = sums.mass[:, None], (self._matrix(record.factor, p) for record in (old, new))
        back, offset = np.linalg.inv(was), self._blocks(old.offset[..., None])
        columns = back @ self._blocks((sums.residual + mass * old.offset)[..., None])
        products = back @ (sums.cross + self._over_branches(offset @ _T(columns)))
        residual = (now @ columns).reshape(-1, p) - mass * new.offset
        shifted = self._over_branches(self._blocks(new.offset[..., None]) @ _T(columns))
        return NormalSums(sums.mass, residual, now @ products - shifted)

    def gain(self, sums: NormalSums, old: NormalParams, new: NormalParams) -> float:
        return self._total(new, self.recentred(sums, old, new)) - self._total(old, sums)

    def balanced(self, params: NormalParams, sums: NormalSums) -> NormalSums:
        """Of the mass of these sums: no residual, and a scatter of which the covariances are the M-step."""
        factor = self._matrix(params.factor, params.offset.shape[1])
        rows = self._over_branches(sums.mass)[:, None, None, None] + self.alpha
        cross = rows * _T(np.linalg.inv(factor)) - self.alpha * factor
        return NormalSums(sums.mass, np.zeros_like(sums.residual), np.broadcast_to(cross, sums.cross.shape).copy())

    def _total(self, params: NormalParams, sums: NormalSums) -> float:
        """Log densities that sums gathered at these parameters stand for, without their constant."""
        p = params.offset.shape[1]
        factor = self._matrix(params.factor, p)
        squares = (sums.cross * factor).sum() - (sums.residual * params.offset).sum()
        return float((sums.mass * self._log_det(factor, p)).sum() - 0.5 * squares)

    def n_free(self, params: NormalParams) -> int:
        return params.offset.size + params.factor.size

    # -- parameters --------------------------------------------------------------------------------------------------

    def take(self, params: NormalParams, index: np.ndarray) -> NormalParams:
        """The densities of some branches, in the order of ``index``."""
        return NormalParams(params.offset[index], params.factor if self.form.tied_branches else params.factor[index])

    def extended(self, params: NormalParams) -> NormalParams:
        """One density more, the last: the standard one, or where branches share a covariance, one at the mean."""
        one = self.start(1, params.offset.shape[1])
        factor = params.factor if self.form.tied_branches else np.concatenate([params.factor, one.factor])
        return NormalParams(np.concatenate([params.offset, one.offset]), factor)

    def extension(self, params: NormalParams) -> NormalParams:
        """A record like `extended`, True where it is new."""
        new = NormalParams(*(np.zeros_like(array, dtype=bool) for array in self.extended(params)))
        new.offset[-1] = True
        new.factor[len(params.factor) :] = True
        return new

    def _moments(self, params: NormalParams) -> tuple[np.ndarray, np.ndarray]:
        """Means (n_branches, n_blocks, size, 1), and covariances in blocks."""
        back = np.linalg.inv(self._matrix(params.factor, params.offset.shape[1]))
        return back @ self._blocks(params.offset[..., None]), back @ _T(back)

    def moments(self, params: NormalParams) -> tuple[np.ndarray, np.ndarray]:
        """Means (n_branches, n_columns) and covariances (n_branches, n_columns, n_columns)."""
        n_branches, p = params.offset.shape
        mean, blocks = self._moments(params)
        if self.form.whole:
            covariance = blocks[:, 0]
        else:
            covariance = np.broadcast_to(blocks[..., 0], (len(blocks), p, 1)) * np.eye(p)
        return mean.reshape(n_branches, p), np.broadcast_to(covariance, (n_branches, p, p)).copy()

    def restandardized(self, params: NormalParams, old: Standardizer, new: Standardizer) -> NormalParams:
        """The same densities on columns in other units; where columns share a variance, the mean of the new ones."""
        mean, covariance = self._moments(params)
        unit, scale = (self._blocks(units.scale[:, None]) for units in (old, new))
        moved = self._blocks((old.center - new.center)[:, None])
        ratio = unit / scale
        covariance = covariance * (ratio @ _T(ratio))
        covariance = self._over_columns(covariance) / self._n_shared(len(old.scale))
        return self._of((mean * unit + moved) / scale, covariance, self._matrix(params.factor, len(old.scale)))


def _T(matrix: np.ndarray) -> np.ndarray:
    """Transposed matrices."""
    return matrix.swapaxes(-1, -2)


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """Diagonals of matrices (..., size, size), a view that can be written."""
    return np.einsum("...ii->...i", matrix)
