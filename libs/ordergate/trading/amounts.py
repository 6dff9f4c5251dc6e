"""Arithmetic on amounts of money: exact, and only on numbers of a sane size."""

from collections.abc import Iterable
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import reduce

DIGITS_BEFORE_POINT_MAX = 18
DIGITS_AFTER_POINT_MAX = 18

EXACT = Context(prec=120, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Wide enough that sums and products of bounded numbers are never rounded, so that a sum does not depend on its order."""


def is_bounded(number: Decimal) -> bool:
    """Whether a number is finite and has at most 18 digits on either side of the point.

    Anything longer is no price or quantity, and only such numbers are let into a calculation: 1E+999999 is a valid
    Decimal, and adding 1 to it is a million digits long.
    """
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return (
        isinstance(exponent, int)
        and exponent >= -DIGITS_AFTER_POINT_MAX
        and number.adjusted() < DIGITS_BEFORE_POINT_MAX
    )


def add(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.subtract(left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.multiply(left, right)


def total(numbers: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, numbers, Decimal(0))


def divide(left: Decimal, right: Decimal) -> Decimal:
    """A quotient, rounded half-even to 18 places after the point: what a division leaves behind stays of a sane size."""
    return EXACT.divide(left, right).quantize(_PLACE, context=EXACT)


def floor_to(number: Decimal, step: Decimal) -> Decimal:
    """The greatest multiple of `step` that is not above `number` (which is not negative); a step of zero means none."""
    return number if step <= 0 else subtract(number, EXACT.remainder(number, step))


def ceil_to(number: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `number`."""
    floor = floor_to(number, step)
    return floor if floor == number else add(floor, step)


_PLACE = Decimal(1).scaleb(-DIGITS_AFTER_POINT_MAX)
