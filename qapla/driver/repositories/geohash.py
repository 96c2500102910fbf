"""Positions as Redis keeps them: 26 bits each way, so a place comes back up to 60 cm away from where it was."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

EARTH_M = 6372797.560856  # the radius that Redis has
MAX_LATITUDE = 85.05112878  # EPSG:3857; nearer to the poles there are no cells
UNITS_M = {"m": 1.0, "km": 1000.0, "mi": 1609.34, "ft": 0.3048}
CELLS = 1 << 26

Position = tuple[float, float]  # longitude, latitude, in degrees


def snap(position: Position) -> Position:
    """Return the middle of the cell that *position* is in."""
    return _middle(position[0], 180.0), _middle(position[1], MAX_LATITUDE)


def distance_m(one: Position, other: Position) -> float:
    """Return how far it is along the surface (haversine)."""
    lat1, lat2 = radians(one[1]), radians(other[1])
    u, v = sin((lat2 - lat1) / 2), sin(radians(other[0] - one[0]) / 2)
    return 2.0 * EARTH_M * asin(sqrt(u * u + cos(lat1) * cos(lat2) * v * v))


def is_in_box(centre: Position, point: Position, width_m: float, height_m: float) -> bool:
    """Tell whether *point* is in the box around *centre*, its width measured at the latitude of *point*."""
    if EARTH_M * abs(radians(point[1]) - radians(centre[1])) > height_m / 2:
        return False
    return distance_m((centre[0], point[1]), point) <= width_m / 2


def _middle(value: float, largest: float) -> float:
    cell = min(int((value + largest) / (2 * largest) * CELLS), CELLS - 1)
    low, high = (-largest + cell / CELLS * 2 * largest), (-largest + (cell + 1) / CELLS * 2 * largest)
    return (low + high) / 2
