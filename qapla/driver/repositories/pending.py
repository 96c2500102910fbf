"""Writes that the store behind a memory does not have yet, as Redis keeps them: its keys, and the scripts that change them in one step.

``pending:{name}``          a hash: per key the name of its last write, and the document; nothing more says that it was deleted.
``pending:{name}:queue``    a stream: the keys of that hash, each once, in the order in which they came to wait. An id has the time.
``pending:{name}:refused``  a hash: writes that the store will not take, and why.
``pending:{name}:worker``   who writes them into the store now, for as long as he says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import escape
from qapla.driver.repositories.objects import join, split
from qapla.driver.repositories.source import Command

NAME_SIZE = 16  # characters: the name of a write

LOOK = """
local function look()
  local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  return {redis.call('HLEN', KEYS[1]), first and first[1] or '', redis.call('HLEN', KEYS[3])}
end
"""

# ARGV of a command: its name, how many arguments follow, and these.
RUN = """
local at = 1
local function read() at = at + 1; return ARGV[at - 1] end
local function run(count, is_wanted)
  for _ = 1, count do
    local name, size = read(), tonumber(read())
    if is_wanted then redis.call(name, unpack(ARGV, at, at + size - 1)) end
    at = at + size
  end
end
"""

# ARGV: how many may wait; number of writes; of each its key and value; number of commands, and these. Nothing is done when it is too much.
WRITE = (
    LOOK
    + RUN
    + """
local limit, count, more = tonumber(read()), tonumber(read()), 0
for index = 0, count - 1 do
  more = more + 1 - redis.call('HEXISTS', KEYS[1], ARGV[at + 2 * index])
end
if more > 0 and redis.call('HLEN', KEYS[1]) + more > limit then return {0, look()} end
for _ = 1, count do
  local key, value = read(), read()
  if redis.call('HSET', KEYS[1], key, value) == 1 then redis.call('XADD', KEYS[2], '*', 'key', key) end
end
run(tonumber(read()), true)
return {1, look()}
"""
)

# ARGV: of each entry its key, that of its marker, number of commands, and these.
COPY = (
    RUN
    + """
while at <= #ARGV do
  local key, marker = read(), read()
  local is_free = redis.call('EXISTS', key, marker) == 0 and redis.call('HEXISTS', KEYS[1], key) == 0
  run(tonumber(read()), is_free)
end
return 1
"""
)

# ARGV: who asks, for how many ms, how many he takes. A Redis that is full writes no lease, and is emptied nevertheless: terms do without.
TAKE = (
    LOOK
    + """
local worker = redis.call('GET', KEYS[4])
if worker and worker ~= ARGV[1] then return {0, {}, look()} end
if worker then redis.call('PEXPIRE', KEYS[4], ARGV[2]) else redis.pcall('SET', KEYS[4], ARGV[1], 'PX', ARGV[2]) end
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[3])) do
  local key = entry[2][2]
  found[#found + 1] = {entry[1], key, redis.call('HGET', KEYS[1], key)}
end
return {1, found, look()}
"""
)

# ARGV: of each entry of the queue its id, key, the name of the write that the store has, and why it has it not. What a Redis that is full
# cannot set aside waits on.
CLEAR = (
    LOOK
    + f"""
local kept = 0
for index = 1, #ARGV, 4 do
  local id, key, name, why = unpack(ARGV, index, index + 3)
  local value = redis.call('HGET', KEYS[1], key)
  if not value then
    redis.call('XDEL', KEYS[2], id)
  elseif string.sub(value, 1, {NAME_SIZE}) == name then
    local aside = why ~= '' and redis.pcall('HSET', KEYS[3], key, why .. '\\n' .. value)
    if why == '' then redis.call('HDEL', KEYS[3], key) end
    if type(aside) == 'table' then
      kept = kept + 1
    else
      redis.call('HDEL', KEYS[1], key)
      redis.call('XDEL', KEYS[2], id)
    end
  end
end
return {{kept, look()}}
"""
)

RETRY = """
local all = redis.call('HGETALL', KEYS[3])
for index = 1, #all, 2 do
  local key, value = all[index], all[index + 1]
  if redis.call('HSETNX', KEYS[1], key, string.sub(value, string.find(value, '\\n', 1, true) + 1)) == 1 then
    redis.call('XADD', KEYS[2], '*', 'key', key)
  end
end
redis.call('DEL', KEYS[3])
return #all / 2
"""

LEAVE = "if redis.call('GET', KEYS[4]) == ARGV[1] then return redis.call('DEL', KEYS[4]) end return 0"


@dataclass(frozen=True, slots=True)
class Write:
    """A write that waits.

    Attributes:
        name: tells it from every other write of its key.
        document: what is to be kept; None: nothing, it was deleted.
    """

    name: str
    document: Document | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits.

    Attributes:
        size: how many entities.
        since_ms: since when the oldest one does, by the clock of Redis, in ms since 1970; None: nothing waits.
        refused: how many the store will not take.
    """

    size: int
    since_ms: int | None
    refused: int

    @classmethod
    def read(cls, reply: Sequence[int | bytes]) -> Waiting:
        """Read what a script says."""
        size, first, refused = reply
        return cls(int(size), int(bytes(first).partition(b"-")[0]) if isinstance(first, bytes) and first else None, int(refused))


class Pending:
    """The commands about what waits of one repository.

    Args:
        repository: its name.
        limit: of how many entities writes may wait.
    """

    def __init__(self, repository: str, limit: int) -> None:
        self.key = f"pending:{{{escape(repository)}}}"
        self._limit = limit
        self._keys = (self.key, f"{self.key}:queue", f"{self.key}:refused", f"{self.key}:worker")

    def write(self, documents: Mapping[str, Document | None], commands: Sequence[Command]) -> Command:
        """Note writes by the texts of their keys, and run *commands*; it replies whether there was room, and ``Waiting``."""
        name = secrets.token_hex(NAME_SIZE // 2)
        values = [(key, (name + ("" if document is None else join(document))).encode()) for key, document in documents.items()]
        return self._eval(WRITE, self._limit, len(values), *(part for pair in values for part in pair), *_flat(commands))

    def read(self, texts: Sequence[str]) -> Command:
        """Read what waits under keys; ``read_value`` reads each reply."""
        return ("HMGET", self.key, *texts)

    def copy(self, entries: Iterable[tuple[str, str, Sequence[Command]]]) -> Command:
        """Run the commands of each key and marker if neither exists, and nothing waits."""
        return self._eval(COPY, *(part for key, marker, commands in entries for part in (key, marker, *_flat(commands))))

    def take(self, worker: str, lease_ms: int, count: int) -> Command:
        """Be the worker unless another one is, and read the oldest entries of the queue: whether he is, entries, ``Waiting``."""
        return self._eval(TAKE, worker, lease_ms, count)

    def clear(self, done: Iterable[tuple[bytes, bytes, str, str]]) -> Command:
        """Forget writes that the store has, or refuses; it replies how many cannot be set aside, and ``Waiting``.

        What was written again meanwhile waits on.
        """
        return self._eval(CLEAR, *(part for one in done for part in one))

    def retry(self) -> Command:
        """Let what was refused wait again, where nothing newer does; it replies how many."""
        return self._eval(RETRY)

    def leave(self, worker: str) -> Command:
        """Be the worker no more."""
        return self._eval(LEAVE, worker)

    def look(self) -> Command:
        """Reply ``Waiting``."""
        return self._eval(LOOK + "return look()")

    def refused(self) -> Command:
        """Read what was refused, and why."""
        return ("HGETALL", self._keys[2])

    def _eval(self, script: str, *arguments: object) -> Command:
        return ("EVAL", script, len(self._keys), *self._keys, *arguments)


def read_value(value: bytes) -> Write:
    """Read what waits under a key.

    Raises:
        ValueError: it is nothing that was written here.
    """
    text = value.decode()
    return Write(text[:NAME_SIZE], split(text[NAME_SIZE:]) if len(text) > NAME_SIZE else None)


def _flat(commands: Sequence[Command]) -> list[object]:
    return [len(commands), *(part for command in commands for part in (command[0], len(command) - 1, *command[1:]))]
