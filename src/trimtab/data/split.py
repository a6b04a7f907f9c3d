"""Splits whose sides do not know each other: near duplicates, and rows of one group, all go to the same side.

A cluster goes where the hash of its least row's content lands, so a row keeps its side whatever is added, unless what
is added joins its cluster to another or brings it a lesser row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from trimtab.data.clusters import Clusters

SCALE: Final = 1 << 64


def split(
    contents: Sequence[bytes],
    clusters: Sequence[Sequence[int]],
    sides: Mapping[str, float],
    *,
    groups: Sequence[Hashable] | None = None,
    strata: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> list[str]:
    """The side of each row. `contents` are digests of rows, `clusters` those that must not be parted, by place.

    `sides` are shares that add up to 1. Rows of the same `groups` value (None: no group) stay together too. With
    `strata`, each value of it is shared out by itself as nearly as whole clusters allow: clusters in the order of their
    hashes, so that what is added moves only those near a border. Raises `ValueError` for shares that do not add up.
    """
    if not sides or abs(sum(sides.values()) - 1.0) > 1e-9 or min(sides.values()) <= 0:
        raise ValueError("the shares of a split are over 0 and add up to 1")
    whole = _whole(len(contents), clusters, groups)
    spots = {places[0]: _spot(min(contents[place] for place in places), seed) for places in whole}
    found = [""] * len(contents)
    for places, share in _shares(whole, spots, strata):
        side = _side_at(share, sides)
        for place in places:
            found[place] = side
    return found


def _whole(size: int, clusters: Sequence[Sequence[int]], groups: Sequence[Hashable] | None) -> list[list[int]]:
    """The rows that stay together."""
    joined = Clusters(size)
    for cluster in clusters:
        joined.join_all(cluster)
    of_group: dict[Hashable, list[int]] = defaultdict(list)
    for place, group in enumerate(groups or ()):
        if group is not None:
            of_group[group].append(place)
    for places in of_group.values():
        joined.join_all(places)
    return joined.all()


def _shares(
    whole: Sequence[list[int]], spots: Mapping[int, int], strata: Sequence[Hashable] | None
) -> Iterator[tuple[list[int], float]]:
    """Rows that stay together, with the place between 0 and 1 that decides on their side."""
    if strata is None:
        yield from ((places, spots[places[0]] / SCALE) for places in whole)
        return
    of_stratum: dict[Hashable, list[list[int]]] = defaultdict(list)
    for places in whole:
        of_stratum[strata[places[0]]].append(places)
    for clustered in of_stratum.values():
        total, done = sum(map(len, clustered)), 0
        for places in sorted(clustered, key=lambda places: (spots[places[0]], places[0])):
            yield places, (done + len(places) * spots[places[0]] / SCALE) / total
            done += len(places)


def _spot(content: bytes, seed: int) -> int:
    salt = seed.to_bytes(8, "little", signed=True)
    return int.from_bytes(blake2b(content, digest_size=8, salt=salt).digest(), "little")


def _side_at(share: float, sides: Mapping[str, float]) -> str:
    """The side on which a place between 0 and 1 lies."""
    reached = 0.0
    for side, size in sides.items():
        reached += size
        if share < reached:
            return side
    return list(sides)[-1]
