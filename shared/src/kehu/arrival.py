"""A message as it came out of Kafka: what it says, or why it says nothing, and the names it is known by."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kehu.envelope import Envelope, NotAnEnvelope, from_record
from kehu.facts import StoredFact


class Record(Protocol):
    """What is used of a record: aiokafka's, or one that was parked."""

    @property
    def topic(self) -> str:
        """Where it was."""
        ...

    @property
    def partition(self) -> int:
        """In which partition."""
        ...

    @property
    def offset(self) -> int:
        """At which offset."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key, if it has one."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers."""
        ...


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record that was packed away, with the place where it was found."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Arrival:
    """A message on its way to having an effect.

    Args:
        record: as it came.
        envelope: what it says; None when it is no envelope.
        fact: what it says, where it is a fact of a service of Kehu.
        fault: why it cannot have its effect; set while reading it, or when that has been tried.

    """

    record: Record
    envelope: Envelope | None = None
    fact: StoredFact | None = None
    fault: Exception | None = None

    @property
    def name(self) -> str:
        """The fact's id, else a digest of the whole message: the same message, delivered again, is known by it."""
        return str(self.fact.id) if self.fact else self.digest

    @property
    def digest(self) -> str:
        """A digest of the whole message."""
        return f"sha256:{hashlib.sha256(pack(self.record)).hexdigest()}"

    @property
    def key(self) -> str:
        """The key under which it is parked; a message without a key holds up nobody."""
        if self.record.key is None:
            return f"(no key) {self.name}"
        if self.envelope:
            return self.envelope.key
        return self.record.key[:200].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def external(record: Record) -> Arrival:
    """Read a message from another system."""
    arrival = Arrival(record)
    try:
        arrival.envelope = from_record(record.key, record.value, record.headers)
    except NotAnEnvelope as error:
        arrival.fault = error
    return arrival


def internal(record: Record, service: str) -> Arrival:
    """Read a message from the topic of a service of Kehu; anything else in there is a fault."""
    arrival = external(record)
    if arrival.envelope:
        try:
            fact = arrival.envelope.stored()
        except NotAnEnvelope as error:
            arrival.fault = error
        else:
            arrival.fact = fact
            if fact.service != service:
                arrival.fault = NotAnEnvelope(
                    f"该主题属于 {service},消息却来自 {fact.service}。",
                    f"The topic is {service}'s, and the message says it is from {fact.service}.",
                )
                arrival.fact = None
    return arrival


def pack(record: Record) -> bytes:
    """Key, value and headers of a record, byte for byte."""
    return json.dumps(
        {
            "key": _encoded(record.key),
            "value": _encoded(record.value),
            "headers": [[name, _encoded(value)] for name, value in record.headers],
        }
    ).encode()


def unpack(packed: bytes, topic: str, partition: int, offset: int) -> StoredRecord:
    """The record that `pack` packed."""
    loaded = json.loads(packed)
    headers = [(name, _decoded(value) or b"") for name, value in loaded["headers"]]
    return StoredRecord(topic, partition, offset, _decoded(loaded["key"]), _decoded(loaded["value"]), headers)


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
