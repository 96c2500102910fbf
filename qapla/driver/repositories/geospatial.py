"""Entities as places: members with positions, found in a radius or in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from qapla.driver.repositories.checks import check_count, check_number
from qapla.driver.repositories.collection import AT_ONCE, CollectionRepository, listed, plain, raw
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.geohash import MAX_LATITUDE, UNITS_M
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType
from qapla.driver.repositories.source import Command
from qapla.errors import QueryError, nearest

EVERYWHERE = ("FROMLONLAT", "0.0", "0.0", "BYRADIUS", "21000.0", "km")  # no two places are further away


class GeoMember(NamedTuple):
    """A member and where it is, in degrees; *distance* from where a question was asked, in its unit."""

    member: bytes | str
    longitude: float
    latitude: float
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class GeoSpatialOptions:
    """Which places are wanted; without a position all of them.

    Args:
        latitude: the middle, in degrees.
        longitude: the middle, in degrees.
        max_distance: the radius.
        width: how wide the box is, from west to east.
        height: how high the box is, from south to north.
        distance_unit: of all of these, and of the distances that come back: m, km, mi or ft.
        count: at most so many, the nearest ones.
    """

    latitude: float | None = None
    longitude: float | None = None
    max_distance: float | None = None
    width: float | None = None
    height: float | None = None
    distance_unit: str = "km"
    count: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.distance_unit, str) or self.distance_unit not in UNITS_M:
            hint = nearest(str(self.distance_unit), UNITS_M) or f"one of {', '.join(UNITS_M)}"
            raise QueryError(f"distance unit {self.distance_unit!r} is unknown", hint=hint)
        for name in ("max_distance", "width", "height"):
            check_number(getattr(self, name), repr(name), is_size=True)
        check_count(self.count, "'count'")
        self._check_shape()

    def _check_shape(self) -> None:
        if (self.latitude is None) != (self.longitude is None):
            raise QueryError("a position has a latitude and a longitude, only one of them is given")
        is_box = self.width is not None or self.height is not None
        if self.latitude is None:
            if is_box or self.max_distance is not None:
                raise QueryError("a radius or a box is around a position, which is not given", hint="add 'latitude' and 'longitude'")
            return
        _check_position("position", self.longitude, self.latitude, QueryError)
        if is_box is (self.max_distance is not None) or (is_box and None in (self.width, self.height)):
            raise QueryError("how far around the position is not said", hint="either 'max_distance', or 'width' and 'height'")


class GeoSpatialRepository(CollectionRepository[Entity, KeyType]):
    """Entities whose ``data`` is members with positions. They come back nearest first, up to 60 cm from where they were put."""

    options_cls: ClassVar[Any] = GeoSpatialOptions

    def plain_members(self, data: Any) -> list[Any]:
        """Return members with longitude and latitude; of a member that is there twice the last."""
        members: dict[bytes, list[Any]] = {}
        for one in listed(data):
            if not isinstance(one, tuple | list) or len(one) < 3:
                raise TypeError("each member comes with its position, GeoMember('museum', longitude, latitude)")
            member, longitude, latitude = plain(one[0]), float(one[1]), float(one[2])
            _check_position("a member", longitude, latitude, ValueError)
            members[raw(member)] = [member, longitude, latitude]
        return list(members.values())

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all members."""
        members = self.members_of(key, document)
        flat = [part for member, longitude, latitude in members for part in (repr(longitude), repr(latitude), raw(member))]
        return [("GEOADD", key.text, *flat[at : at + 3 * AT_ONCE]) for at in range(0, len(flat), 3 * AT_ONCE)]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Search, and ask whether there is anything at all."""
        options = query.options
        where: tuple[Any, ...] = EVERYWHERE
        if options.latitude is not None:
            centre = ("FROMLONLAT", repr(float(options.longitude)), repr(float(options.latitude)))
            size = ("BYRADIUS", repr(float(options.max_distance))) if options.max_distance is not None else self._box(options)
            where = (*centre, *size, options.distance_unit)
        count = () if options.count is None else ("COUNT", options.count)
        return [("GEOSEARCH", key.text, *where, "ASC", *count, "WITHDIST", "WITHCOORD"), ("EXISTS", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity with what was found."""
        found, is_there = replies
        if not is_there and not exists:
            return None
        has_centre = query.options.latitude is not None
        data = [
            GeoMember(member, float(longitude), float(latitude), float(distance) if has_centre else None)
            for member, distance, (longitude, latitude) in found
        ]
        return self.entity_of(key, data, None)

    def _box(self, options: GeoSpatialOptions) -> tuple[str, ...]:
        assert options.width is not None
        assert options.height is not None
        return ("BYBOX", repr(float(options.width)), repr(float(options.height)))


def _check_position(what: str, longitude: Any, latitude: Any, error: type[Exception]) -> None:
    if not all(isinstance(part, int | float) for part in (longitude, latitude)):
        raise error(f"{what} is nowhere: its degrees are no numbers")
    if not abs(longitude) <= 180 or not abs(latitude) <= MAX_LATITUDE:
        raise error(f"{what} is out of range: longitudes go from -180 to 180, latitudes from -{MAX_LATITUDE} to {MAX_LATITUDE}")
