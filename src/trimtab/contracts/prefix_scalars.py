"""What a schema asks of a string or a number, held against its first characters."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Final

from trimtab.contracts.prefix_pattern import Pattern, State

MAX_NUMBER: Final = 64
"""Characters of a number that are judged; a longer one is held to the syntax only."""
MAX_MATCHED: Final = 1024
"""Characters of a string that are held against patterns; a longer one matches them."""
SURE_DIGITS: Final = 15
"""Significant digits that no reading as a double changes."""
SLACK: Final = 1e-13
SMALLEST: Final = 1e-290
"""Doubles from here on have all their digits."""


class StringShape:
    """The string keywords of one way to satisfy a schema. `choices` is what `named`, enum or const, leaves, if any."""

    __slots__ = ("choices", "free", "max_length", "min_length", "named", "patterns")

    def __init__(
        self,
        named: str,
        choices: tuple[str, ...] | None,
        min_length: int,
        max_length: int | None,
        patterns: tuple[Pattern, ...],
    ) -> None:
        self.named = named
        self.choices = choices
        self.min_length = min_length
        self.max_length = max_length
        self.patterns = patterns
        self.free = choices is None and max_length is None and not min_length and not patterns


class StringTest:
    """One string against one shape while it grows. `mask` names the alternatives that hope for it."""

    __slots__ = ("choices", "length", "mask", "shape", "states")

    def __init__(self, shape: StringShape, mask: int) -> None:
        self.shape = shape
        self.mask = mask
        self.length = 0
        self.choices = shape.choices
        self.states: list[State] = [pattern.begin() for pattern in shape.patterns]

    def take(self, piece: str) -> str:
        """Takes more characters, escapes decoded; the keyword that no continuation can satisfy now, or ""."""
        before = self.length
        self.length = before + len(piece)
        limit = self.shape.max_length
        if limit is not None and self.length > limit:
            return "maxLength"
        if self.choices is not None:
            self.choices = tuple([choice for choice in self.choices if choice.startswith(piece, before)])
            if not self.choices:
                return self.shape.named
        if self.states and self.length <= MAX_MATCHED:
            return self._match(piece)
        return ""

    def _match(self, piece: str) -> str:
        for index, pattern in enumerate(self.shape.patterns):
            state = pattern.step(self.states[index], piece)
            if state is None:
                return "pattern"
            self.states[index] = state
        return ""

    def end(self) -> str:
        """The keyword that the whole string does not satisfy, or ""."""
        if self.length < self.shape.min_length:
            return "minLength"
        if self.choices is not None and all(len(choice) != self.length for choice in self.choices):
            return self.shape.named
        if self.states and self.length <= MAX_MATCHED:
            for pattern, state in zip(self.shape.patterns, self.states, strict=True):
                if not pattern.ends(state, empty=not self.length):
                    return "pattern"
        return ""


class Amount:
    """A number as validators may read it: exactly, and as a double. Unequal only if both readings say so."""

    __slots__ = ("double", "exact")

    def __init__(self, double: float, exact: Decimal) -> None:
        self.double = double
        self.exact = exact

    def equals(self, other: Amount) -> bool:
        """Whether some reading finds them equal."""
        return self.double == other.double or self.exact == other.exact

    def below(self, other: Amount) -> bool:
        """Whether every reading finds this one less."""
        return self.double < other.double and self.exact < other.exact

    def not_above(self, other: Amount) -> bool:
        """Whether every reading finds this one less or equal."""
        return self.double <= other.double and self.exact <= other.exact

    def whole(self) -> bool:
        """Whether some reading finds it an integer."""
        return self.double.is_integer() or self.exact == self.exact.to_integral_value()


def amount(value: float) -> Amount | None:
    """A number of a schema; None for one that is not judged (not finite, or beyond doubles)."""
    try:
        double = float(value)
        return Amount(double, Decimal(repr(value))) if isfinite(double) else None
    except (OverflowError, ValueError, InvalidOperation):
        return None


def written(token: str) -> Amount | None:
    """A number of an answer, as it is written; None for one that is not judged."""
    exponent = token.lower().partition("e")[2]
    if len(token) > MAX_NUMBER or len(exponent) > 4:
        return None
    return Amount(float(token), Decimal(token))


class Limit:
    """A bound of numbers: `upper` or lower, its own value included or not, and the keyword that sets it."""

    __slots__ = ("amount", "exclusive", "keyword", "upper")

    def __init__(self, keyword: str, bound: Amount, *, upper: bool, exclusive: bool) -> None:
        self.keyword = keyword
        self.amount = bound
        self.upper = upper
        self.exclusive = exclusive

    def refuses(self, value: Amount) -> bool:
        """Whether a number lies outside."""
        low, high = (self.amount, value) if self.upper else (value, self.amount)
        return low.not_above(high) if self.exclusive else low.below(high)

    def refuses_sign(self, negative: bool) -> bool:
        """Whether every number of a sign, zero among both, lies outside."""
        bound = self.amount.double
        if self.upper:
            return not negative and (bound < 0 or (self.exclusive and bound == 0))
        return negative and (bound > 0 or (self.exclusive and bound == 0))


class NumberShape:
    """The number keywords of one way to satisfy a schema. Each of `choices`: enum or const, and what it leaves."""

    __slots__ = ("choices", "free", "integer", "limits", "multiples")

    def __init__(
        self,
        integer: bool,
        limits: tuple[Limit, ...],
        multiples: tuple[Amount, ...],
        choices: tuple[tuple[str, tuple[Amount, ...]], ...],
    ) -> None:
        self.integer = integer
        self.limits = limits
        self.multiples = multiples
        self.choices = choices
        self.free = not (integer or limits or multiples or choices)

    def begins(self, token: str) -> str:
        """The keyword that no number which begins so satisfies, or ""."""
        negative = token[0] == "-"
        for limit in self.limits:
            if limit.refuses_sign(negative):
                return limit.keyword
        for named, group in self.choices:
            if not any(may_become(token, one) for one in group):
                return named
        return ""

    def refuses(self, token: str) -> str:
        """The keyword that the whole number does not satisfy, or ""."""
        value = written(token)
        if value is None:
            return ""
        if self.integer and not value.whole():
            return "type"
        for limit in self.limits:
            if limit.refuses(value):
                return limit.keyword
        for named, group in self.choices:
            if not any(value.equals(one) for one in group):
                return named
        return "multipleOf" if any(not divides(multiple, value) for multiple in self.multiples) else ""


def divides(divisor: Amount, value: Amount) -> bool:
    """Whether a number may count as a multiple; doubtful where the quotient is large or nearly whole."""
    quotient = value.double / divisor.double
    if not isfinite(quotient) or abs(quotient) >= 2**40:
        return True
    return abs(quotient - round(quotient)) <= 1e-9 + abs(quotient) * 1e-12


def may_become(token: str, target: Amount) -> bool:
    """Whether some number that begins with `token` equals the target.

    An exponent may still follow, so only the sign and the leading significant digits tell: those of the number lie
    between the digits so far and the next larger ones. Near zero doubles have fewer digits and numbers vanish (1e-999);
    such targets are always possible.
    """
    if abs(target.double) < SMALLEST:
        return True
    if (token[0] == "-") != (target.double < 0):
        return False
    mantissa = token.lstrip("-").lower().partition("e")[0].replace(".", "").lstrip("0")
    if not mantissa:
        return True
    digits = mantissa[:SURE_DIGITS]
    low = float(f"{digits[0]}.{digits[1:]}0")
    high = low + float(f"1e-{len(digits) - 1}")
    sought = float(f"{target.double:.17e}".lstrip("-").partition("e")[0])
    return any(low * (1 - SLACK) <= one <= high * (1 + SLACK) for one in (sought / 10, sought, sought * 10))
