"""What compilers do not do by themselves: turning squares of numbers in registers, and asking for memory ahead of time.

Rows that users hold lie row by row, and loops along rows want columns. Written as a loop, this costs a nanosecond a
number; eight rows of eight numbers turned in registers cost a third of that, and half of what is left is waiting for
memory, which need not be waited for when it was asked for some thousand bytes earlier.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_EIGHT = 8
_INDEX, _BYTE = ir.IntType(64), ir.IntType(8)
_DOUBLES = ir.VectorType(ir.DoubleType(), _EIGHT)


def _turn(builder: Any, rows: list) -> list:
    """Columns of eight vectors: pairs one apart trade every other number, then pairs two apart, then four."""
    for apart in (1, 2, 4):
        turned = list(rows)
        for i in range(_EIGHT):
            if not i & apart:
                low = [k if not k & apart else _EIGHT + k - apart for k in range(_EIGHT)]
                high = [k + apart if not k & apart else _EIGHT + k for k in range(_EIGHT)]
                for place, mask in ((i, low), (i + apart, high)):
                    picked = ir.Constant(ir.VectorType(ir.IntType(32), _EIGHT), mask)
                    turned[place] = builder.shuffle_vector(rows[i], rows[i + apart], picked)
        rows = turned
    return rows


def _standardized_square(
    context: Any, number: Any, source: Any, row: Any, center: Any, inverse: Any, target: Any, column: Any
) -> Any:
    n_bytes = number.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, source, row, center, inverse, target, column = arguments
        given = ir.VectorType(context.get_value_type(number), _EIGHT)

        def at(start: Any, step: Any, i: int, kind: Any) -> Any:
            place = builder.add(start, builder.mul(step, ir.Constant(_INDEX, i)))
            return builder.inttoptr(place, kind.as_pointer())

        shift, factor = (builder.load(at(start, row, 0, _DOUBLES), align=8) for start in (center, inverse))
        rows = [builder.load(at(source, row, i, given), align=n_bytes) for i in range(_EIGHT)]
        wide = rows if n_bytes == 8 else [builder.fpext(values, _DOUBLES) for values in rows]
        standard = [builder.fmul(builder.fsub(values, shift), factor) for values in wide]
        for j, values in enumerate(_turn(builder, standard)):
            builder.store(values, at(target, column, j, _DOUBLES), align=8)
        return context.get_dummy_value()

    return types.void(number, *[types.int64] * 6), generate


#: Eight rows of eight numbers (float32 or float64) at the address ``source``, ``row`` bytes apart, less their centres
#: and times the inverses of their scales, go to ``target`` as eight columns, ``column`` bytes apart. The first argument
#: is a number of their kind.
standardized_square: Any = intrinsic(_standardized_square)


def _ask(context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, flag = _BYTE.as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        to_read, some_locality, data = (ir.Constant(flag, value) for value in (0, 2, 1))
        builder.call(prefetch, [builder.inttoptr(arguments[0], pointer), to_read, some_locality, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


#: Ask for the memory at an address, which may be any: it is a hint.
ask_for: Any = intrinsic(_ask)
