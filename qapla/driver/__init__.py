"""Drivers: every question and every change that an application puts to a database, behind methods with names.

``ReadDriver`` and ``WriteDriver`` can be imported from here (CQRS: reading and changing are two classes), and so can repositories
(``qapla.driver.repositories``): entities in Redis with a store behind it. All are loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from qapla.driver.read import Page, ReadDriver
    from qapla.driver.repositories.boolean import BooleanRepository
    from qapla.driver.repositories.cache import Cache, CacheType
    from qapla.driver.repositories.cluster import ClusterMemoryDataSource
    from qapla.driver.repositories.collection import GeoSpatialEntity, ListEntity, SetEntity, SortedSetEntity, StreamEntity
    from qapla.driver.repositories.datastore import DatastoreFallbackDataSource
    from qapla.driver.repositories.dictfallback import DictFallbackDataSource
    from qapla.driver.repositories.dictmemory import DictMemoryDataSource
    from qapla.driver.repositories.document import DocumentRepository
    from qapla.driver.repositories.geospatial import GeoMember, GeoSpatialRepository
    from qapla.driver.repositories.hash import HashRepository
    from qapla.driver.repositories.members import ListRepository, SetRepository
    from qapla.driver.repositories.mongo import MongoFallbackDataSource
    from qapla.driver.repositories.redis import RedisMemoryDataSource
    from qapla.driver.repositories.sentinel import SentinelMemoryDataSource
    from qapla.driver.repositories.service import (
        Service,
        make_boolean_service,
        make_document_service,
        make_geospatial_service,
        make_hash_service,
        make_list_service,
        make_set_service,
        make_sorted_set_service,
        make_stream_service,
    )
    from qapla.driver.repositories.sharded import ShardedMemoryDataSource
    from qapla.driver.repositories.sorted_set import SortedSetRepository
    from qapla.driver.repositories.source import FallbackDataSource, MemoryDataSource
    from qapla.driver.repositories.sql import SQLFallbackDataSource
    from qapla.driver.repositories.stream import StreamEntry, StreamRepository
    from qapla.driver.repositories.sync import sync
    from qapla.driver.repositories.table import entity_table
    from qapla.driver.write import WriteDriver
    from qapla.errors import EntityDamaged, EntityNotFound, EntityRefused, StoreTimedOut, StoreUnavailable, WrongKeyType

_PLACES = {
    "BooleanRepository": "qapla.driver.repositories.boolean",
    "ClusterMemoryDataSource": "qapla.driver.repositories.cluster",
    "DatastoreFallbackDataSource": "qapla.driver.repositories.datastore",
    "DictFallbackDataSource": "qapla.driver.repositories.dictfallback",
    "DictMemoryDataSource": "qapla.driver.repositories.dictmemory",
    "DocumentRepository": "qapla.driver.repositories.document",
    "HashRepository": "qapla.driver.repositories.hash",
    "MongoFallbackDataSource": "qapla.driver.repositories.mongo",
    "SentinelMemoryDataSource": "qapla.driver.repositories.sentinel",
    "ShardedMemoryDataSource": "qapla.driver.repositories.sharded",
    "RedisMemoryDataSource": "qapla.driver.repositories.redis",
    "sync": "qapla.driver.repositories.sync",
    "SortedSetRepository": "qapla.driver.repositories.sorted_set",
    "SQLFallbackDataSource": "qapla.driver.repositories.sql",
    "entity_table": "qapla.driver.repositories.table",
    "WriteDriver": "qapla.driver.write",
    **dict.fromkeys(("Page", "ReadDriver"), "qapla.driver.read"),
    **dict.fromkeys(("Cache", "CacheType"), "qapla.driver.repositories.cache"),
    **dict.fromkeys(
        ("GeoSpatialEntity", "ListEntity", "SetEntity", "SortedSetEntity", "StreamEntity"), "qapla.driver.repositories.collection"
    ),
    **dict.fromkeys(("StreamEntry", "StreamRepository"), "qapla.driver.repositories.stream"),
    **dict.fromkeys(("GeoMember", "GeoSpatialRepository"), "qapla.driver.repositories.geospatial"),
    **dict.fromkeys(("ListRepository", "SetRepository"), "qapla.driver.repositories.members"),
    **dict.fromkeys(
        (
            "Service",
            "make_boolean_service",
            "make_document_service",
            "make_geospatial_service",
            "make_hash_service",
            "make_list_service",
            "make_set_service",
            "make_sorted_set_service",
            "make_stream_service",
        ),
        "qapla.driver.repositories.service",
    ),
    **dict.fromkeys(("FallbackDataSource", "MemoryDataSource"), "qapla.driver.repositories.source"),
    **dict.fromkeys(
        (
            "EntityDamaged",
            "EntityNotFound",
            "EntityRefused",
            "StoreTimedOut",
            "StoreUnavailable",
            "WrongKeyType",
        ),
        "qapla.errors",
    ),
}

_EXTRAS = {
    **dict.fromkeys(("msgspec", "redis", "cachetools"), "repositories"),
    **dict.fromkeys(("pymongo", "bson"), "mongodb"),
    **dict.fromkeys(("google", "grpc"), "datastore"),
}

__all__ = [
    "BooleanRepository",
    "Cache",
    "CacheType",
    "ClusterMemoryDataSource",
    "DatastoreFallbackDataSource",
    "DictFallbackDataSource",
    "DictMemoryDataSource",
    "DocumentRepository",
    "EntityDamaged",
    "EntityNotFound",
    "EntityRefused",
    "FallbackDataSource",
    "GeoMember",
    "GeoSpatialEntity",
    "GeoSpatialRepository",
    "HashRepository",
    "ListEntity",
    "ListRepository",
    "MemoryDataSource",
    "MongoFallbackDataSource",
    "Page",
    "ReadDriver",
    "RedisMemoryDataSource",
    "SQLFallbackDataSource",
    "SentinelMemoryDataSource",
    "Service",
    "SetEntity",
    "SetRepository",
    "ShardedMemoryDataSource",
    "SortedSetEntity",
    "SortedSetRepository",
    "StoreTimedOut",
    "StoreUnavailable",
    "StreamEntity",
    "StreamEntry",
    "StreamRepository",
    "WriteDriver",
    "WrongKeyType",
    "entity_table",
    "make_boolean_service",
    "make_document_service",
    "make_geospatial_service",
    "make_hash_service",
    "make_list_service",
    "make_set_service",
    "make_sorted_set_service",
    "make_stream_service",
    "sync",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_PLACES[name]), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        hint = f"pip install 'qapla[{_EXTRAS[missing]}]'"
        raise ConfigurationError(f"{name!r} needs {error.name!r}, which is not installed", hint=hint) from error
