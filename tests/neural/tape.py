"""A graph for processors: what is done to tensors is recorded, and played again on the same memory without Python.

It is to a step what a CUDA graph is, with two differences that make it a witness. Reading a number on the host is
refused, where CUDA would say that the operation is not permitted. And what goes on is looked at: numbers that are drawn
on the host, or computed there by NumPy, stay what they were, so that a replayed step goes wrong where it holds some.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from torch import Tensor  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

#: Operations whose answers are read on the host, or whose shape depends on numbers.
ON_HOST = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal", "bincount")


def named(operation) -> str:
    return operation.overloadpacket.__name__


def tensors(*trees) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, Tensor)]


def storages(*trees) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in tensors(*trees)}


def written(operation, args, kwargs) -> list[Tensor]:
    """What an operation changes."""
    arguments = operation._schema.arguments
    by_name = dict(zip((argument.name for argument in arguments), args, strict=False)) | kwargs
    changed = [a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write]
    return tensors([by_name.get(name) for name in changed])


class Tape(TorchDispatchMode):
    """Operations in the order in which they are done; what they change has its numbers back after `undo`."""

    def __init__(self):
        super().__init__()
        self.calls, self._before, self._made = [], {}, set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if named(operation) in ON_HOST:
            raise RuntimeError(f"{named(operation)} is not permitted when a stream is capturing\nand more lines")
        for tensor in written(operation, args, kwargs):
            at = tensor.untyped_storage()._cdata
            if at not in self._made and at not in self._before:
                storage = tensor.untyped_storage()
                self._before[at] = storage, storage.clone()
        out = operation(*args, **kwargs)
        self._made |= storages(out) - storages(args, kwargs)
        self.calls.append((operation, args, kwargs, out))
        return out

    def undo(self):
        for storage, before in self._before.values():
            storage.copy_(before)

    @torch.no_grad()
    def play(self):
        for operation, args, kwargs, out in self.calls:
            again = operation(*args, **kwargs)
            for old, new in zip(tensors(out), tensors(again), strict=True):
                if not storages(new) & (storages(args, kwargs) | storages(old)):
                    old.copy_(new)


class Tapes:
    """Records tapes in the place of graphs, and counts how often they are played."""

    def __init__(self):
        self.tapes, self.n_played = [], 0

    def aside(self):
        return nullcontext()

    def capture(self, run):
        tape = Tape()
        try:
            with tape:
                run()
        finally:
            tape.undo()
        self.tapes.append(tape)

        def replay():
            self.n_played += 1
            tape.play()

        return replay
