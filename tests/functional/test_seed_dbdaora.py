"""dbdaora's README, its three programs with nothing changed but the import: each prints what the README shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

HASH = '''
import asyncio
from dataclasses import dataclass

from {driver} import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    HashRepository,
)


@dataclass
class Person:
    id: str
    name: str
    age: int


def make_person(name: str, age: int) -> Person:
    return Person(name.replace(' ', '_').lower(), name, age)


class PersonRepository(HashRepository[Person, str]):
    key_attrs = ('id',)


repository = PersonRepository(
    memory_data_source=DictMemoryDataSource(),
    fallback_data_source=DictFallbackDataSource(),
    expire_time=60,
)
person = make_person('John Doe', 33)
asyncio.run(repository.add(person))

geted_person = asyncio.run(repository.query(person.id).entity)
print(geted_person)

'''
SORTED_SET = '''
import asyncio

from {driver} import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    SortedSetEntity,
    SortedSetRepository,
)


class Playlist(SortedSetEntity):
    id: str


class PlaylistRepository(SortedSetRepository[Playlist, str]):
    ...


repository = PlaylistRepository(
    memory_data_source=DictMemoryDataSource(),
    fallback_data_source=DictFallbackDataSource(),
    expire_time=60,
)
data = [('m1', 1), ('m2', 2), ('m3', 3)]
playlist = Playlist(id='my_plalist', data=data)
asyncio.run(repository.add(playlist))

geted_playlist = asyncio.run(repository.query(playlist.id).entity)
print(geted_playlist)

'''
SERVICE = '''
import asyncio
from dataclasses import dataclass

from {driver} import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    HashRepository,
    make_hash_service,
)


@dataclass
class Person:
    id: str
    name: str
    age: int


def make_person(name: str, age: int) -> Person:
    return Person(name.replace(' ', '_').lower(), name, age)


class PersonRepository(HashRepository[Person, str]):
    ...


async def make_memory_data_source() -> DictMemoryDataSource:
    return DictMemoryDataSource()


async def make_fallback_data_source() -> DictFallbackDataSource:
    return DictFallbackDataSource()


service = asyncio.run(
    make_hash_service(
        PersonRepository,
        memory_data_source_factory=make_memory_data_source,
        fallback_data_source_factory=make_fallback_data_source,
        repository_expire_time=60,
    )
)
person = make_person('John Doe', 33)
asyncio.run(service.add(person))

geted_person = asyncio.run(service.get_one(person.id))
print(geted_person)

'''

SHOWN = {
    "hash": (HASH, "Person(id='john_doe', name='John Doe', age=33)"),
    "sorted set": (SORTED_SET, "Playlist(id='my_plalist', data=[b'm1', b'm2', b'm3'], max_size=None)"),
    "service": (SERVICE, "Person(id='john_doe', name='John Doe', age=33)"),
}


@pytest.mark.parametrize("title", SHOWN)
def test_program_prints_what_it_shows(title):
    """Each program of the README runs by itself, without a warning, and prints its line."""
    program, shown = SHOWN[title]

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace("{driver}", "qapla.driver")], capture_output=True, text=True, timeout=60
    )

    assert done.stderr == ""
    assert done.stdout == f"{shown}\n"
