"""A fact on its way: CloudEvents 1.0 over Kafka. Written in binary content mode, read in binary and structured mode.

The value of a Kafka record is the fact's data byte for byte as the store has it; everything around it is in headers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from pydantic_core import from_json

from kehu.errors import Invalid
from kehu.facts import StoredFact, parse_metadata

SPEC_VERSION = "1.0"
#: What the broker takes in one batch; nothing larger can be an envelope.
MAX_MESSAGE_BYTES = 1024 * 1024
STRUCTURED_CONTENT_TYPE = "application/cloudevents+json"
SOURCE_PREFIX = "/kehu/"
#: W3C trace context: stands in the fact's metadata, travels under its own name.
TRACE_HEADERS = ("traceparent", "tracestate")
#: Longer identifiers than these would not fit an index entry of the database (2,704 bytes) next to each other.
MAX_NAME_CHARACTERS = 512

_ZERO_OFFSET = "+00:00"
#: What PostgreSQL cannot store as text, and what is no text at all.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

Headers = list[tuple[str, bytes]]

_SPEC_HEADER = ("ce_specversion", SPEC_VERSION.encode())
_TYPE_HEADER = ("content-type", b"application/json")


class NotAnEnvelope(Invalid):
    """What came is no CloudEvent that Kehu can read.

    `source` and `message_id` are what could be made out of who sent it, else empty: an answer can name the message.
    """

    code = "not-an-envelope"

    def __init__(self, zh: str, en: str, *, source: str = "", message_id: str = "") -> None:
        super().__init__(zh, en)
        self.source = source
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Envelope:
    """A CloudEvent as it came: from a service of Kehu, or (`sequence` may be None, ids any text) from elsewhere.

    `data` is the JSON text of an object. `key` is the Kafka key, empty where there was none.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime | None
    occurred_at: datetime | None
    correlation: UUID | None
    causation: UUID | None
    actor: str
    clause: str
    sequence: int | None
    key: str
    data: str
    trace: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def service(self) -> str:
        """The service of Kehu whose fact it is; empty for another system's."""
        return self.source[len(SOURCE_PREFIX) :] if self.source.startswith(SOURCE_PREFIX) else ""

    def stored(self) -> StoredFact:
        """The published fact of a service of Kehu, as a consumer's codec reads it.

        The version of its stream stays with its owner, so `version` is the sequence.

        Raises:
            NotAnEnvelope: it lacks what every fact of Kehu carries.

        """
        if not self.service:
            self._refuse("ce_source", f"is {self.source}, which is no service of Kehu (/kehu/<service>)")
        if self.sequence is None:
            self._refuse("ce_sequence", "is missing; without it nobody knows whether facts are missing")
        if not self.subject:
            self._refuse("ce_subject", "is missing; it names the fact's stream")
        if self.time is None:
            self._refuse("ce_time", "is missing")
        try:
            fact_id = UUID(self.id)
        except ValueError:
            self._refuse("ce_id", "is no UUID")
        metadata: dict[str, Any] = dict(self.trace)
        if self.clause:
            metadata["clause"] = self.clause
        if self.causation:
            metadata["causation"] = str(self.causation)
        return StoredFact(
            id=fact_id,
            type=self.type,
            service=self.service,
            stream=self.subject,
            version=self.sequence,
            sequence=self.sequence,
            key=self.key,
            data=self.data,
            metadata=json.dumps(metadata, ensure_ascii=False) if metadata else "{}",
            actor=self.actor,
            correlation=self.correlation or fact_id,
            occurred_at=self.occurred_at or self.time,
            recorded_at=self.time,
        )

    def _refuse(self, attribute: str, problem: str) -> NoReturn:
        _refuse(attribute, problem, self.source, self.id)


def to_record(fact: StoredFact) -> tuple[bytes, bytes, Headers]:
    """The key, value and headers of a stored fact's Kafka record, in binary content mode."""
    headers: Headers = [
        _SPEC_HEADER,
        ("ce_id", str(fact.id).encode()),
        ("ce_type", fact.type.encode()),
        ("ce_source", f"{SOURCE_PREFIX}{fact.service}".encode()),
        ("ce_subject", fact.stream.encode()),
        ("ce_time", _timestamp(fact.recorded_at)),
        ("ce_occurredat", _timestamp(fact.occurred_at)),
        ("ce_correlationid", str(fact.correlation).encode()),
        ("ce_actor", fact.actor.encode()),
        ("ce_sequence", b"%d" % fact.sequence if fact.sequence is not None else b""),
        _TYPE_HEADER,
    ]
    if fact.metadata != "{}":
        metadata = parse_metadata(fact.metadata)
        if causation := metadata.get("causation"):
            headers.append(("ce_causationid", causation.encode()))
        if clause := metadata.get("clause"):
            headers.append(("ce_clause", clause.encode()))
        headers.extend((name, metadata[name].encode()) for name in TRACE_HEADERS if name in metadata)
    return fact.key.encode(), fact.data.encode(), headers


def from_record(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """Read a Kafka record, in binary or structured content mode.

    Raises:
        NotAnEnvelope: it is none; the message says which attribute is missing or wrong.

    """
    given = {name.lower(): content for name, content in headers}
    size = len(key or b"") + len(value or b"") + sum(len(content or b"") for content in given.values())
    attributes = _structured(value, size) if _is_structured(given) else _binary(given)
    try:
        if size > MAX_MESSAGE_BYTES:
            _refuse("the message", f"has {size} bytes; the limit is {MAX_MESSAGE_BYTES}")
        return _envelope(key, value, attributes)
    except NotAnEnvelope as error:
        error.source, error.message_id = _name(attributes, "source"), _name(attributes, "id")
        raise


def _refuse(attribute: str, problem: str, source: str = "", message_id: str = "") -> NoReturn:
    raise NotAnEnvelope(
        f"不是有效的 CloudEvents 1.0 消息:{attribute} {problem}。请改正后以新的 id 重新发送。",
        f"Not a CloudEvents 1.0 message: {attribute} {problem}. Correct it and send it again under a new id.",
        source=source,
        message_id=message_id,
    )


def _timestamp(moment: datetime) -> bytes:
    text = moment.isoformat()
    if not text.endswith(_ZERO_OFFSET):
        text = moment.astimezone(UTC).isoformat()
    return f"{text[:-6]}Z".encode()


def _is_structured(given: Mapping[str, bytes]) -> bool:
    content_type = given.get("content-type") or b""
    return content_type.decode("latin-1").lower().startswith(STRUCTURED_CONTENT_TYPE)


def _structured(value: bytes | None, size: int) -> dict[str, Any]:
    """Attributes by their CloudEvents names; `data` among them."""
    if size > MAX_MESSAGE_BYTES:
        _refuse("the message", f"has {size} bytes; the limit is {MAX_MESSAGE_BYTES}")
    event = _json_object(value, "the event")
    if "data_base64" in event:
        _refuse("data_base64", "is not accepted: data is a JSON object")
    return {
        name: None if isinstance(given, str) and _NOT_TEXT.search(given) else given for name, given in event.items()
    }


def _binary(given: Mapping[str, bytes]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for name, content in given.items():
        if name.startswith("ce_") or name in TRACE_HEADERS:
            try:
                attributes[name.removeprefix("ce_")] = None if b"\0" in content else content.decode()
            except (UnicodeDecodeError, TypeError):  # TypeError: Kafka knows headers without a value
                attributes[name.removeprefix("ce_")] = None
    return attributes


def _json_object(value: bytes | None, what: str) -> dict[str, Any]:
    try:
        loaded = from_json(value or b"", allow_inf_nan=False)
    except ValueError as error:
        # The parser's message tells the kind and the place of the mistake, never the content.
        _refuse(what, f"is no JSON ({error})")
    if not isinstance(loaded, dict):
        _refuse(what, f"is a JSON {type(loaded).__name__}, not an object")
    return loaded


def _envelope(key: bytes | None, value: bytes | None, attributes: Mapping[str, Any]) -> Envelope:
    version = _text(attributes, "specversion")
    if version != SPEC_VERSION:
        _refuse("ce_specversion", f"is {version[:20]!r}, not {SPEC_VERSION}")
    if "data" in attributes:
        data = attributes["data"]
        if not isinstance(data, dict):
            _refuse("data", "is not a JSON object")
        text = json.dumps(data, ensure_ascii=False)
        if _NOT_TEXT.search(text):
            _refuse("data", "holds half of a surrogate pair")
    else:
        _json_object(value, "the value")
        text = (value or b"").decode()
    return Envelope(
        id=_text(attributes, "id"),
        source=_text(attributes, "source"),
        type=_text(attributes, "type"),
        subject=_text(attributes, "subject", required=False),
        time=_moment(attributes, "time"),
        occurred_at=_moment(attributes, "occurredat"),
        correlation=_uuid(attributes, "correlationid"),
        causation=_uuid(attributes, "causationid"),
        actor=_text(attributes, "actor", required=False),
        clause=_text(attributes, "clause", required=False),
        sequence=_sequence(attributes),
        key=_key(key),
        data=text,
        trace={name: _text(attributes, name) for name in TRACE_HEADERS if name in attributes},
    )


def _name(attributes: Mapping[str, Any], name: str) -> str:
    """An attribute that names the message, where it can be made out at all."""
    given = attributes.get(name)
    return given if isinstance(given, str) and len(given) <= MAX_NAME_CHARACTERS else ""


def _text(attributes: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    if name not in attributes or attributes[name] == "":
        if required:
            _refuse(f"ce_{name}", "is missing")
        return ""
    given = attributes[name]
    if not isinstance(given, str):
        _refuse(f"ce_{name}", "is no text that can be stored (UTF-8, no NUL)")
    if len(given) > MAX_NAME_CHARACTERS:
        _refuse(f"ce_{name}", f"has {len(given)} characters; the limit is {MAX_NAME_CHARACTERS}")
    return given


def _moment(attributes: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(attributes, name, required=False)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        _refuse(f"ce_{name}", "is no RFC 3339 time with its offset, such as 2026-01-31T08:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        _refuse(f"ce_{name}", "is out of the calendar's range")


def _uuid(attributes: Mapping[str, Any], name: str) -> UUID | None:
    text = _text(attributes, name, required=False)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        _refuse(f"ce_{name}", "is no UUID")


def _sequence(attributes: Mapping[str, Any]) -> int | None:
    given = attributes.get("sequence")
    if given is None and "sequence" not in attributes:
        return None
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    # 18 digits always fit a bigint.
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        _refuse("ce_sequence", "is no whole number from 1")
    return int(text)


def _key(key: bytes | None) -> str:
    try:
        text = (key or b"").decode()
    except UnicodeDecodeError:
        _refuse("the key", "is no UTF-8 text")
    if len(text) > MAX_NAME_CHARACTERS or _NOT_TEXT.search(text):
        _refuse("the key", f"holds a NUL, or is over {MAX_NAME_CHARACTERS} characters")
    return text
