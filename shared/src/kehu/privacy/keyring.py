"""Seals and opens the personal fields of facts, with keys that live in the database and can be erased there."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel
from pydantic_core import to_json

from kehu.privacy import sealing
from kehu.privacy.fields import ERASED, PersonalValue, child_path, has_personal, personal_values
from kehu.privacy.sealing import KeyId, MasterKey

CACHE_SECONDS = 60.0  # the longest that a process may go on using a key after its erasure elsewhere
# Keys that are remembered at most; some 10 MB of them. An import meets as many new people in ten seconds.
_MOST_CACHED = 20_000
# Facts that are sealed in a thread beside the event loop, if there are more of them.
_MANY = 200

_FETCH = "SELECT person, retention, wrapped FROM person_keys.fetch($1, $2)"
_CREATE = "SELECT person, retention, wrapped FROM person_keys.create_missing($1, $2, $3)"
_ERASE = "SELECT person_keys.erase($1, $2)"


class Keyring:
    """Seals and opens personal values; fetches keys by the person and forgets them after a minute.

    It takes a connection of its own from the pool for every fetch. Whoever holds a connection of the same pool while
    sealing or opening can exhaust it: open before the transaction, or give the keyring a small pool of its own.

    Args:
        pool: connections of a role that may use the schema `person_keys`.
        master_key: 32 bytes (`Settings.master_key`).
        clock: seconds that only go forward.
    """

    def __init__(self, pool: asyncpg.Pool, master_key: bytes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._master = MasterKey(master_key)
        self._clock = clock
        # None is an erased key: erasure is for good, so it may be remembered like a key.
        self._cached: dict[KeyId, tuple[AESGCM | None, float]] = {}
        self._index_keys: dict[str, bytes] = {}

    async def seal(self, facts: Sequence[tuple[str, BaseModel]]) -> list[str]:
        """Return each fact as JSON text with its personal values sealed, in the same order.

        Keys are created for persons seen for the first time, in a transaction of its own: do it before the append's.
        Values about a person whose key was erased become `ERASED`: what comes late about them is not kept.

        Args:
            facts: pairs of stream and fact; a value opens in its stream only.

        Raises:
            TypeError: personal fields are declared in a way that cannot be sealed.
            ValueError: a fact does not say which person its personal fields are about.
        """
        # A page of many takes a tenth of a second, in which others in this process want to get a word in.
        aside = len(facts) > _MANY
        work = await asyncio.to_thread(_Sealing, facts) if aside else _Sealing(facts)
        if not work.values:
            return work.texts()
        keys = await self._keys(work.wanted(), create=True)
        return await asyncio.to_thread(work.seal, keys) if aside else work.seal(keys)

    async def open(self, items: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the facts' data with sealed values replaced by their text, or by `ERASED` where the key is gone.

        Args:
            items: pairs of stream and data; the data stays as it is, and is returned itself when nothing is sealed.

        Raises:
            SealBrokenError: a value was altered or moved.
        """
        data = [_copied(data) if _sealed_in(data) else data for _, data in items]
        await self.open_in_place([(stream, one) for (stream, _), one in zip(items, data, strict=True)])
        return data

    async def open_in_place(self, items: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Do the same, in the data itself: for whoever has just read it.

        Raises:
            SealBrokenError: a value was altered or moved.
        """
        found = [(stream, *place) for stream, data in items for place in _sealed_in(data)]
        wanted = [sealing.key_of(holder[key], stream, path) for stream, path, holder, key in found]
        keys = await self._keys(set(wanted), create=False)
        for (stream, path, holder, place), key_id in zip(found, wanted, strict=True):
            key = keys.get(key_id)
            holder[place] = sealing.open_value(key, holder[place], stream, path) if key else ERASED

    async def erase(self, person: str, retention: str) -> bool:
        """Destroy the key of a person's data of one retention class; whether there was one.

        This process stops using it at once, the others within `CACHE_SECONDS`.
        """
        erased: bool = await self._pool.fetchval(_ERASE, person, retention)
        self._cached.pop(KeyId(person, retention), None)
        return erased

    async def data_key(self, owner: str, retention: str, *, create: bool = False) -> AESGCM | None:
        """Return the key of something that is encrypted as a whole, such as a file; None where there is none any more.

        Args:
            owner: whose it is, in place of a person; erased by `erase` like a person's.
            retention: class of data with one lawful time to keep it.
            create: make it if there never was one.
        """
        key_id = KeyId(owner, retention)
        return (await self._keys({key_id}, create=create)).get(key_id)

    def index_key(self, purpose: str) -> bytes:
        """Return the key for `blind_index` under a purpose, such as ``phone``."""
        # Deriving takes fifty times as long as the index itself, and a view asks at every fact.
        if (key := self._index_keys.get(purpose)) is None:
            key = self._index_keys[purpose] = self._master.derive(f"blind index/{purpose}")
        return key

    def seal_bytes(self, service: str, data: bytes, context: str) -> bytes:
        """Return `data` encrypted under the service's own key: a parked message, with its place as context."""
        return sealing.seal_bytes(self._service_key(service), data, context)

    def open_bytes(self, service: str, sealed: bytes, context: str) -> bytes:
        """Return what `seal_bytes` encrypted for the same service and context.

        Raises:
            SealBrokenError: it was altered, or sealed for another service or context.
        """
        return sealing.open_bytes(self._service_key(service), sealed, context)

    def _service_key(self, service: str) -> bytes:
        return self._master.derive(f"service/{service}")

    async def _keys(self, wanted: Iterable[KeyId], *, create: bool) -> Mapping[KeyId, AESGCM | None]:
        now = self._clock()
        keys = {
            key_id: cached[0]
            for key_id in wanted
            if (cached := self._cached.get(key_id)) and now - cached[1] < CACHE_SECONDS
        }
        missing = sorted(set(wanted) - keys.keys())
        # So many that are not remembered are new people: making keys finds those that are there.
        if missing and not (create and len(missing) > _MANY):
            keys |= await self._fetched(_FETCH, missing)
        absent = sorted(set(missing) - keys.keys())
        if absent and create:
            keys |= await self._created(absent)
        return keys

    async def _created(self, key_ids: Sequence[KeyId]) -> dict[KeyId, AESGCM | None]:
        made = {key_id: self._master.new_key(key_id) for key_id in key_ids}
        return await self._fetched(_CREATE, key_ids, [wrapped for _, wrapped in made.values()], made=made)

    async def _fetched(
        self, query: str, key_ids: Sequence[KeyId], *more: Any, made: Mapping[KeyId, tuple[AESGCM, bytes]] | None = None
    ) -> dict[KeyId, AESGCM | None]:
        persons, retentions = zip(*key_ids, strict=True)
        # Counted from before the question: an erasure while the answer is on its way must not prolong the key.
        asked = self._clock()
        rows = await self._pool.fetch(query, persons, retentions, *more)
        keys: dict[KeyId, AESGCM | None] = {}
        for person, retention, wrapped in rows:
            key_id = KeyId(person, retention)
            key, stored = made[key_id] if made else (None, b"")
            if wrapped is None:
                key = None
            elif wrapped != stored:  # somebody else was first
                key = self._master.unwrap(key_id, wrapped)
            keys[key_id] = key
        self._cached |= {key_id: (key, asked) for key_id, key in keys.items()}
        if len(self._cached) > _MOST_CACHED:
            fresh = [(one, held) for one, held in self._cached.items() if asked - held[1] < CACHE_SECONDS]
            self._cached = dict(fresh[-_MOST_CACHED // 2 :])
        return keys


class _Sealing:
    """Facts on their way to JSON text; their personal values stand open in `dumps` until they are sealed there."""

    def __init__(self, facts: Sequence[tuple[str, BaseModel]]) -> None:
        self._dumps: list[str | dict[str, Any]] = []
        self.values: list[tuple[str, PersonalValue]] = []
        for stream, fact in facts:
            if has_personal(type(fact)):
                dumped = fact.model_dump(mode="json")
                self._dumps.append(dumped)
                self.values += [(stream, value) for value in personal_values(fact, dumped) if value.text != ERASED]
            else:
                self._dumps.append(fact.model_dump_json())

    def wanted(self) -> set[KeyId]:
        """The keys that they are sealed with."""
        return {KeyId(value.person, value.retention) for _, value in self.values}

    def seal(self, keys: Mapping[KeyId, AESGCM | None]) -> list[str]:
        """Seal them; gives `texts`."""
        for (stream, value), nonce in zip(self.values, sealing.nonces(len(self.values)), strict=True):
            holder, place, path, person, retention = value
            key = keys[key_id := KeyId(person, retention)]
            holder[place] = sealing.seal_value(key, key_id, stream, path, holder[place], nonce) if key else ERASED
        return self.texts()

    def texts(self) -> list[str]:
        """Return the facts as JSON text, in their order."""
        return [dumped if isinstance(dumped, str) else to_json(dumped).decode() for dumped in self._dumps]


def _sealed_in(data: dict[str, Any]) -> list[tuple[str, Any, str | int]]:
    """Return path, holder and key of every sealed value; looks at containers only, so plain facts cost little."""
    found: list[tuple[str, Any, str | int]] = []
    _find(data, "$", found)
    return found


def _find(value: dict[str, Any] | list[Any], path: str, found: list[tuple[str, Any, str | int]]) -> None:
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(member, dict):
            if sealing.is_sealed(member):
                found.append((child_path(path, key), value, key))
            else:
                _find(member, child_path(path, key), found)
        elif isinstance(member, list) and member:
            _find(member, child_path(path, key), found)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(member) for key, member in value.items()}
    return [_copied(member) for member in value] if isinstance(value, list) else value
