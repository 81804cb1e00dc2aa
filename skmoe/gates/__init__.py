"""Gates: who answers where, one file each."""

from .constant import ConstantGate, EqualGate
from .protocol import Gate
from .softmax import SoftmaxGate

__all__ = ["ConstantGate", "EqualGate", "Gate", "SoftmaxGate"]
