"""Gates: who answers where, one file each."""

from collections.abc import Callable

from .constant import ConstantGate, EqualGate
from .gaussian import GaussianGate
from .protocol import Gate
from .softmax import SoftmaxGate

#: Gates that ``gate=`` accepts by name, made with a ridge.
GATES: dict[str, Callable[[float], Gate]] = {
    "softmax": SoftmaxGate,
    "constant": lambda alpha: ConstantGate(),
    "equal": lambda alpha: EqualGate(),
    "gaussian": lambda alpha: GaussianGate(alpha=alpha),
}

__all__ = ["GATES", "ConstantGate", "EqualGate", "Gate", "GaussianGate", "SoftmaxGate"]
