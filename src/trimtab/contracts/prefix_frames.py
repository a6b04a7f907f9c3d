"""The schema's side of incremental validation: what may yet be satisfied, told value by value as an answer grows.

Each open object or array keeps the shapes that it may yet satisfy, as bits. A value inside is followed for every
shape around it; when it ends, those remain whose hopes it met. Once none remains, nothing valid can follow.
"""

from __future__ import annotations

from typing import Final

from trimtab.contracts.prefix_plan import ArrayShape, Goal, ObjectShape, Plan, Shape
from trimtab.contracts.prefix_scalars import MAX_NUMBER, NumberShape, StringShape, StringTest
from trimtab.contracts.prefix_schema import Kind

MAX_ALTERNATIVES: Final = 64
"""Shapes that are followed for one value; more than these allow everything there."""
MAX_KEYS: Final = 4096
"""Keys of one object that are kept, where they are counted or required; one with more is not judged by its keys."""
MAX_UNIQUE: Final = 1024
"""Items of one array, and characters of one item, that are compared for `uniqueItems`: strings, numbers, literals."""


class Frame:
    """An open object or array. `alive` holds a bit for each shape that may yet be satisfied.

    `parents[i]` holds the bits, in the frame around, of the shapes that hope for shape i. `key` is the key or index
    of the value being read, None between values; `keys` are those seen of an object, all if `counts`, else those of
    `required`; `size` counts the items of an array.
    """

    __slots__ = (
        "alive", "counts", "is_object", "key", "keys", "parents", "required", "shapes", "size", "unique", "unjudged",
    )  # fmt: skip

    def __init__(self, is_object: bool, shapes: tuple[Shape, ...], parents: list[int]) -> None:
        self.is_object = is_object
        self.shapes = shapes
        self.parents = parents
        self.alive = (1 << len(shapes)) - 1
        self.key: str | int | None = None
        self.keys: set[str] = set()
        objects = [shape for shape in shapes if isinstance(shape, ObjectShape)]
        self.counts = any(shape.counts for shape in objects)
        self.required = (
            objects[0].required.union(*[shape.required for shape in objects[1:]]) if objects else frozenset()
        )
        self.size = 0
        self.unjudged = False
        unique = any(isinstance(shape, ArrayShape) and shape.unique for shape in shapes)
        self.unique: set[str] | None = set() if unique else None

    def follow(self, key: str | int) -> tuple[list[tuple[Goal, int]], str]:
        """The goals of the value at a key or index, each with the shapes that have it; the keyword if there are none.

        Shapes that forbid it are satisfied no more.
        """
        goals: dict[Goal, int] = {}
        keyword = ""
        for number, shape in enumerate(self.shapes):
            bit = 1 << number
            if self.alive & bit and isinstance(shape, (ObjectShape, ArrayShape)):
                goal = shape.child(key)  # type: ignore[arg-type]
                if isinstance(goal, str):
                    self.alive ^= bit
                    keyword = goal
                else:
                    goals[goal] = goals.get(goal, 0) | bit
        return list(goals.items()), keyword


class Judge:
    """The answer so far against one plan. Each method returns the keyword that nothing can satisfy any more, or ""."""

    __slots__ = ("_anything", "_frames", "_free", "_goals", "_numbers", "_strings", "_text", "plain")

    def __init__(self, plan: Plan) -> None:
        self._anything = plan.anything
        self._frames = [Frame(False, (None,), [])]
        self._goals: list[tuple[Goal, int]] = [(plan.root, 1)]
        self._free = 0
        self._strings: list[StringTest] = []
        self._numbers: list[tuple[NumberShape, int]] = []
        self._text: str | None = None
        self.plain = True
        """Whether the characters of the string that has begun need not be told."""

    @property
    def depth(self) -> int:
        """How many objects and arrays are open."""
        return len(self._frames) - 1

    @property
    def in_object(self) -> bool:
        """Whether the innermost of them is an object."""
        return self._frames[-1].is_object

    def keys(self) -> list[str | int]:
        """The way to the value being read, or to the object or array between two values: names and positions."""
        return [frame.key for frame in self._frames if frame.key is not None]

    def pointer(self) -> str:
        """The same as a JSON Pointer."""
        return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in self.keys())

    def begin(self, kind: Kind) -> str:
        """A value of a kind begins."""
        shapes: list[Shape] = []
        masks: list[int] = []
        for goal, mask in self._goals:
            found = goal.shapes(kind)
            shapes += found
            masks += [mask] * len(found)
        if not shapes:
            return self._goals[0][0].reasons[kind]
        if kind in ("object", "array"):
            if len(shapes) > MAX_ALTERNATIVES:
                shapes = list(self._anything.shapes(kind))
                masks = [self._frames[-1].alive]
            self._frames.append(Frame(kind == "object", tuple(shapes), masks))
        else:
            self._begin_scalar(kind, shapes, masks)
        return ""

    def _begin_scalar(self, kind: Kind, shapes: list[Shape], masks: list[int]) -> None:
        self._free = 0
        self._strings = []
        self._numbers = []
        for shape, mask in zip(shapes, masks, strict=True):
            if isinstance(shape, StringShape) and not shape.free:
                self._strings.append(StringTest(shape, mask))
            elif isinstance(shape, NumberShape) and not shape.free:
                self._numbers.append((shape, mask))
            else:
                self._free |= mask
        self._text = "" if kind == "string" and self._frames[-1].unique is not None else None
        self.plain = not self._strings and self._text is None

    def text(self, piece: str) -> str:
        """The string goes on, escapes decoded."""
        if self._text is not None:
            self._text = self._text + piece if len(self._text) + len(piece) <= MAX_UNIQUE else None
        keyword = ""
        kept = []
        for test in self._strings:
            refused = test.take(piece)
            if refused:
                keyword = refused
            else:
                kept.append(test)
        self._strings = kept
        return "" if kept or self._free else keyword

    def end_text(self) -> str:
        """The string ends."""
        mask = self._free
        keyword = ""
        for test in self._strings:
            refused = test.end()
            if refused:
                keyword = refused
            else:
                mask |= test.mask
        return self._settle(mask, keyword, None if self._text is None else f'"{self._text}')

    def number(self, token: str) -> str:
        """The number so far."""
        keyword = ""
        kept = []
        for shape, mask in self._numbers:
            refused = shape.begins(token)
            if refused:
                keyword = refused
            else:
                kept.append((shape, mask))
        self._numbers = kept
        return "" if kept or self._free else keyword

    def end_number(self, token: str) -> str:
        """The number ends."""
        mask = self._free
        keyword = ""
        for shape, hoping in self._numbers:
            refused = shape.refuses(token)
            if refused:
                keyword = refused
            else:
                mask |= hoping
        return self._settle(mask, keyword, token if len(token) <= MAX_NUMBER else None)

    def end_literal(self, literal: str) -> str:
        """True, false or null ends."""
        return self._settle(self._free, "", literal)

    def _settle(self, mask: int, keyword: str, identity: str | None) -> str:
        """A value ends that the shapes of `mask` around it accept; equal values have equal identities."""
        if not mask:
            return keyword
        frame = self._frames[-1]
        frame.alive = mask
        if frame.unique is not None and identity is not None:
            if identity in frame.unique:
                for number, shape in enumerate(frame.shapes):
                    if isinstance(shape, ArrayShape) and shape.unique:
                        frame.alive &= ~(1 << number)
                if not frame.alive:
                    return "uniqueItems"
            elif len(frame.unique) < MAX_UNIQUE:
                frame.unique.add(identity)
        frame.key = None
        return ""

    def key(self, begun: str) -> str:
        """A key begins so."""
        frame = self._frames[-1]
        for number, shape in enumerate(frame.shapes):
            if frame.alive >> number & 1 and isinstance(shape, ObjectShape) and not shape.may_begin(begun):
                frame.alive ^= 1 << number
        return "" if frame.alive else "additionalProperties"

    def end_key(self, key: str, *, whole: bool) -> str:
        """A key ends; not `whole` if only its first characters are known."""
        frame = self._frames[-1]
        if not whole:
            frame.unjudged = True
            frame.key = key
            self._goals = [(self._anything, frame.alive)]
            return ""
        self._goals, keyword = frame.follow(key)
        if len(frame.keys) > MAX_KEYS:
            frame.unjudged = True
        elif frame.counts or key in frame.required:
            frame.keys.add(key)
        for number, shape in enumerate(frame.shapes):
            if isinstance(shape, ObjectShape) and shape.max_count is not None and len(frame.keys) > shape.max_count:
                self._goals = [(goal, left) for goal, mask in self._goals if (left := mask & ~(1 << number))]
                keyword = "maxProperties"
        if not self._goals:
            return keyword
        frame.key = key
        return ""

    def item(self) -> str:
        """Another item of the array is to come."""
        frame = self._frames[-1]
        self._goals, keyword = frame.follow(frame.size)
        if not self._goals:
            return keyword
        frame.key = frame.size
        frame.size += 1
        return ""

    def close(self) -> str:
        """The innermost object or array ends."""
        frame = self._frames[-1]
        keyword = ""
        mask = 0
        for number, shape in enumerate(frame.shapes):
            if not frame.alive >> number & 1:
                continue
            refused = ""
            if isinstance(shape, ArrayShape):
                refused = "minItems" if frame.size < shape.min_count else ""
            elif isinstance(shape, ObjectShape) and not frame.unjudged:
                refused = shape.end(frame.keys)
            if refused:
                keyword = refused
            else:
                mask |= frame.parents[number]
        if not mask:
            return keyword
        self._frames.pop()
        return self._settle(mask, "", None)
