"""Expert layers and estimators on a GPU: rows a second, part of what the device can do, memory, and agreement.

``python -m benchmarks.neural_gpu`` wants a CUDA device and prints tables; ``--device cpu --quick`` tries the script
where there is none. The ceiling is measured in the same run: a product of large matrices in the same type of numbers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch

from skmoe.neural import MoELayer, SparseMoEClassifier, SparseMoERegressor, TopK
from skmoe.neural.fitting import fit

from .report import Row, markdown

#: Rows, columns in and out, width of an expert, experts, and experts a row.
SHAPES = [
    (4096, 64, 128, 8, 2),
    (32768, 64, 128, 8, 2),
    (32768, 256, 512, 32, 2),
    (131072, 256, 512, 32, 2),
    (131072, 512, 1024, 64, 4),
]
NAMES = ("loop", "grouped", "padded", "dense", "auto")


def seconds(step: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """Median seconds of a step, with the device idle before and after each."""
    taken = []
    for _ in range(rounds + 3):
        _wait(device)
        began = time.perf_counter()
        step()
        _wait(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken[3:])[rounds // 2]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceiling(device: torch.device, dtype: torch.dtype, size: int, rounds: int) -> float:
    """Products a second of a large matrix product."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return size**3 / seconds(lambda: a @ b, device, rounds)


def products(shape: tuple[int, ...], *, training: bool) -> float:
    """Multiplications of the experts of all rows, three times as many in training."""
    n_rows, width, hidden, _, k = shape
    return n_rows * k * 2 * width * hidden * (3 if training else 1)


def rows_of(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, peak: float, rounds: int) -> list[Row]:
    """A row of the table for every implementation and step."""
    n_rows, width, hidden, n_experts, k = shape
    x = torch.randn(n_rows, width, device=device).to(dtype)
    upstream = torch.randn_like(x)
    found: list[Row] = []
    for name in NAMES:
        if name == "dense" and n_rows * n_experts * hidden > 2e9:
            continue  # its hidden layer alone would take gigabytes
        layer = MoELayer(width, n_experts=n_experts, hidden=(hidden,), router=TopK(k=k), impl=name).to(device, dtype)
        for training in (True, False):

            def step(layer: MoELayer = layer, training: bool = training) -> None:
                with torch.set_grad_enabled(training):
                    y = layer(x)
                if training:
                    layer.zero_grad()
                    y.backward(upstream)

            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            taken = seconds(step, device, rounds)
            memory = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
            found.append(
                {
                    "shape": "x".join(map(str, shape)),
                    "numbers": str(dtype).removeprefix("torch."),
                    "step": "training" if training else "predict",
                    "implementation": name,
                    "million rows a second": 1e-6 * n_rows / taken,
                    "part of the ceiling": products(shape, training=training) / taken / peak,
                    "peak MiB": memory,
                }
            )
    return found


def agreement(device: torch.device) -> list[Row]:
    """Largest difference of outputs and gradients between the device and the processor, in single precision."""
    x = torch.randn(1000, 64)
    found: list[Row] = []
    for name in NAMES:
        torch.manual_seed(0)
        here = MoELayer(64, n_experts=8, hidden=(128,), router=TopK(k=2), impl=name)
        there = MoELayer(64, n_experts=8, hidden=(128,), router=TopK(k=2), impl=name)
        there.load_state_dict(here.state_dict())
        there.to(device)
        y, z = here(x), there(x.to(device))
        same = (here.routing.index == there.routing.index.cpu()).all(1)  # ties may fall otherwise
        y[same].square().sum().backward()
        z[same.to(device)].square().sum().backward()
        gradients = zip(here.parameters(), there.parameters(), strict=True)
        found.append(
            {
                "implementation": name,
                "rows sent alike": float(same.double().mean()),
                "outputs": float((y - z.cpu())[same].abs().max().detach()),
                "gradients": max(float((a.grad - b.grad.cpu()).abs().max()) for a, b in gradients),
            }
        )
    return found


def fits(device: torch.device, n_rows: int) -> list[Row]:
    """Estimators: rows a second in training and at predict, with steps that are captured and as they are."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 30)).astype(np.float32)
    y = np.where(X[:, 0] > 0, np.sin(3 * X[:, 1]), X[:, 2] * X[:, 3])
    responses: dict[str, tuple[Any, np.ndarray]] = {
        "regressor": (SparseMoERegressor, y.astype(np.float32)),
        "classifier": (SparseMoEClassifier, (y > 0).astype(int)),
    }
    found: list[Row] = []
    for name, (kind, of_rows) in responses.items():
        for precision in ("float32", "bfloat16"):
            for captures in (True, False) if device.type == "cuda" else (False,):
                settings = {"precision": precision, "device": str(device), "max_epochs": 10, "n_iter_no_change": 10}
                without = nullcontext() if captures else mock.patch.object(fit, "recorder_of", return_value=None)
                with without:
                    model = kind(**settings, random_state=0).fit(X, of_rows)
                # The first epochs of the soft start and after it take the steps before those that are captured.
                soft, sparse = (model.history_[i]["seconds"] for i in (1, -1))
                n_trained = n_rows * (1 - model.validation_fraction)
                predicting = seconds(partial(model.predict, X), device, 3)
                found.append(
                    {
                        "estimator": name,
                        "numbers": precision,
                        "steps": "captured" if captures else "as they are",
                        "soft start, thousand rows a second": 1e-3 * n_trained / soft,
                        "sparse, thousand rows a second": 1e-3 * n_trained / sparse,
                        "predict, thousand rows a second": 1e-3 * n_rows / predicting,
                        "validation score": model.validation_score_,
                    }
                )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small shapes, few rounds")
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device: --device cpu --quick tries the script without one")
    torch.backends.cuda.matmul.allow_tf32 = False  # single precision is single precision
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"torch {torch.__version__}, {name}\n\n**The same as the processor**\n\n{markdown(agreement(device))}")
    rounds = 3 if args.quick else 20
    found: list[Row] = []
    for dtype in (torch.bfloat16, torch.float32):
        peak = ceiling(device, dtype, 256 if args.quick else 8192, rounds)
        print(f"\nCeiling in {dtype}: {2e-12 * peak:.3g} TFLOP/s")
        for shape in [(512, 64, 64, 8, 2)] if args.quick else SHAPES:
            found += rows_of(shape, dtype, device, peak, rounds)
    print(f"\n**Layers**\n\n{markdown(found)}")
    print(f"\n**Estimators**\n\n{markdown(fits(device, 3000 if args.quick else 200_000))}")


if __name__ == "__main__":
    main()
