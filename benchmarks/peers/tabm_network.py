"""TabM of the package tabm as estimators, with the rows held out that the sparse mixtures hold out.

Numbers are filled, brought to normal quantiles and embedded piecewise linearly; categories are one-hot. About 64 steps
an epoch of 32 to 1024 rows; at most 60 epochs along half a cosine, 12 without a better score. The authors' 32 members
are 8 here, and their blocks of 512 columns 128: a processor is what it is compared on.

Y. Gorishniy, A. Kotelnikov, A. Babenko (2025). TabM: advancing tabular deep learning with parameter-efficient
ensembling. ICLR. https://arxiv.org/abs/2410.24210
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder, QuantileTransformer
from sklearn.utils import check_random_state
from tabm import TabM
from torch import Tensor
from torch.nn import functional

from skmoe.neural.holding_out import groups_by_size, held_out

_LEARNING_RATE, _WEIGHT_DECAY, _GRADIENT_CLIP = 2e-3, 3e-4, 1.0  # the former two are those of the package
_PATIENCE, _FRACTION, _PREDICTED_AT_ONCE = 12, 0.15, 4096


class Columns(NamedTuple):
    """Rows as the network sees them."""

    numbers: Tensor
    categories: Tensor | None

    def rows(self, which: Any) -> Columns:
        return Columns(self.numbers[which], None if self.categories is None else self.categories[which])


class Encoder:
    """What columns become; gaps of categories and levels never seen share a code."""

    def __init__(self, X: np.ndarray, categorical: np.ndarray) -> None:
        self.categorical, self.others = categorical, np.setdiff1d(np.arange(X.shape[1]), categorical)
        n_quantiles = int(np.clip(len(X) // 30, 10, 1000))
        self.numbers: Pipeline = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal", random_state=0),
            VarianceThreshold(),
        ).fit(X[:, self.others])
        self.codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1, dtype=np.int64
        )
        if len(categorical):
            self.codes.fit(X[:, categorical])

    def cardinalities(self) -> list[int]:
        return [1 + len(levels) for levels in self.codes.categories_] if len(self.categorical) else []

    def __call__(self, X: np.ndarray) -> Columns:
        numbers = torch.as_tensor(self.numbers.transform(X[:, self.others]), dtype=torch.float32)
        if not len(self.categorical):
            return Columns(numbers, None)
        return Columns(numbers, torch.as_tensor(1 + self.codes.transform(X[:, self.categorical])))


class _Members(BaseEstimator):
    """What both estimators share."""

    def __init__(
        self,
        k: int = 8,
        *,
        d_block: int = 128,
        n_blocks: int = 2,
        d_embedding: int = 16,
        n_bins: int = 48,
        categorical_features: Any = (),
        validation: str = "stratified",
        max_epochs: int = 60,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.d_block = d_block
        self.n_blocks = n_blocks
        self.d_embedding = d_embedding
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.validation = validation
        self.max_epochs = max_epochs
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Train, and keep the epoch that predicts the rows held out best."""
        torch.manual_seed(self.random_state)
        y, strata = self._coded(y)
        how, seen = (self.validation, _FRACTION, check_random_state(self.random_state)), np.arange(len(y))
        train, out = held_out(strata, *how, (X, y), seen)
        self.encoder_ = Encoder(X[train], np.asarray(self.categorical_features, dtype=int))
        columns, held = self.encoder_(X[train]), self.encoder_(X[out])
        target = torch.as_tensor(y)
        weight = torch.ones(len(y)) if sample_weight is None else torch.as_tensor(sample_weight, dtype=torch.float32)
        self.network_ = self._network(columns)
        optimizer = torch.optim.AdamW(self.network_.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        batch_size = min(int(np.clip(2 ** round(math.log2(len(train) / 64)), 32, 1024)), len(train))
        best, kept, waited = math.inf, self.network_.state_dict(), 0
        for epoch in range(self.max_epochs):
            self.network_.train()
            batches = torch.randperm(len(train)).split(batch_size)
            for number, batch in enumerate(batches):
                progress = (epoch + number / len(batches)) / self.max_epochs
                optimizer.param_groups[0]["lr"] = 0.5 * _LEARNING_RATE * (1 + math.cos(math.pi * progress))
                rows = train[batch.numpy()]
                answers = self.network_(*columns.rows(batch)).flatten(0, 1)
                losses = self._loss(answers, target[rows].repeat_interleave(self.k)).view(-1, self.k).mean(1)
                optimizer.zero_grad()
                (losses * weight[rows]).mean().backward()
                torch.nn.utils.clip_grad_norm_(self.network_.parameters(), _GRADIENT_CLIP)
                optimizer.step()
            losses = self._loss(self._as_answers(torch.cat(list(self._members(held)))), target[out])
            loss = float((losses * weight[out]).sum() / weight[out].sum())
            waited += 1
            if loss < best:
                best, kept, waited = loss, copy.deepcopy(self.network_.state_dict()), 0
            if waited >= _PATIENCE:
                break
        self.network_.load_state_dict(kept)
        self.n_iter_, self.held_out_loss_ = epoch + 1, best
        return self

    def _network(self, columns: Columns) -> TabM:
        n_bins = min(self.n_bins, len(columns.numbers) - 2)
        bins = compute_bins(columns.numbers, n_bins=n_bins)
        return TabM.make(
            n_num_features=columns.numbers.shape[1],
            cat_cardinalities=self.encoder_.cardinalities(),
            num_embeddings=PiecewiseLinearEmbeddings(bins, self.d_embedding, activation=False, version="B"),
            d_out=self._n_answers(),
            k=self.k,
            d_block=self.d_block,
            n_blocks=self.n_blocks,
        )

    @torch.no_grad()
    def _members(self, columns: Columns) -> Iterator[Tensor]:
        """Answers of all members, some rows at a time."""
        self.network_.eval()
        for some in torch.arange(len(columns.numbers)).split(_PREDICTED_AT_ONCE):
            yield self.network_(*columns.rows(some))


class TabMRegressor(RegressorMixin, _Members):
    """Least squares of each member, in units of the response; ``residual_sd_`` is that of the rows held out."""

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        super().fit(X, y, sample_weight)
        self.residual_sd_ = self.scale_ * math.sqrt(self.held_out_loss_)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        answers = torch.cat(list(self._members(self.encoder_(X))))
        return self.center_ + self.scale_ * self._as_answers(answers).numpy()[:, 0].astype(float)

    def _coded(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.center_, self.scale_ = y.mean(), y.std()
        return ((y - self.center_) / self.scale_).astype(np.float32), groups_by_size(y)

    def _n_answers(self) -> int:
        return 1

    def _loss(self, answers: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(answers[:, 0], target, reduction="none")

    def _as_answers(self, members: Tensor) -> Tensor:
        return members.mean(dim=1)


class TabMClassifier(ClassifierMixin, _Members):
    """Cross-entropy of each member; their probabilities are averaged."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        answers = torch.cat(list(self._members(self.encoder_(X))))
        return self._as_answers(answers.double()).exp().numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _coded(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.classes_, codes = np.unique(y, return_inverse=True)
        return codes.astype(np.int64), codes

    def _n_answers(self) -> int:
        return len(self.classes_)

    def _loss(self, answers: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(answers, target, reduction="none")

    def _as_answers(self, members: Tensor) -> Tensor:
        """Log probabilities, which are their own logits."""
        return members.log_softmax(dim=-1).logsumexp(dim=1) - math.log(self.k)
