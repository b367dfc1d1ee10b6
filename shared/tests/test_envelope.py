"""CloudEvents over Kafka: what goes out is read back, and whatever else comes in is refused with what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.envelope import MAX_MESSAGE_BYTES, Envelope, NotAnEnvelope, from_record, to_record
from kehu.facts import START, StoredFact
from kehu.ids import new_id

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RECORDED = datetime(2026, 11, 24, 1, 2, 3, 456789, tzinfo=UTC)


def stored(metadata: dict[str, Any] | None = None, **changes: Any) -> StoredFact:
    fields: dict[str, Any] = {
        "id": new_id(),
        "type": "kehu.ThingMade.v1",
        "service": "pair-maker",
        "stream": "thing-7",
        "version": 9,
        "sequence": 4,
        "key": "客户-7",
        "data": '{"name": "阀门",  "n": 1.50}',
        "metadata": json.dumps(metadata) if metadata else "{}",
        "actor": "u-1",
        "correlation": new_id(),
        "occurred_at": datetime(2026, 11, 23, 8, tzinfo=timezone(timedelta(hours=8))),
        "recorded_at": RECORDED,
        "tx": 5,
        "place": 6,
    }
    return StoredFact(**{**fields, **changes})


def headers(**changes: bytes | None) -> list[tuple[str, bytes]]:
    """The headers of a good message, some changed or (None) left out; ``content_type`` stands for its real name."""
    _, _, good = to_record(stored())
    wanted = {name.replace("content_", "content-"): value for name, value in changes.items()}
    kept = {**dict(good), **wanted}
    return [(name, value) for name, value in kept.items() if value is not None]


def test_a_stored_fact_goes_out_as_the_headers_of_cloudevents_and_its_data_byte_for_byte() -> None:
    causation = str(new_id())
    fact = stored({"causation": causation, "clause": "R4.3", "traceparent": TRACE, "external_id": "x"})
    key, value, out = to_record(fact)
    assert key == "客户-7".encode()
    assert value == fact.data.encode()
    assert dict(out) == {
        "ce_specversion": b"1.0",
        "ce_id": str(fact.id).encode(),
        "ce_type": b"kehu.ThingMade.v1",
        "ce_source": b"/kehu/pair-maker",
        "ce_subject": b"thing-7",
        "ce_time": b"2026-11-24T01:02:03.456789Z",
        "ce_occurredat": b"2026-11-23T00:00:00Z",
        "ce_correlationid": str(fact.correlation).encode(),
        "ce_causationid": causation.encode(),
        "ce_actor": b"u-1",
        "ce_clause": b"R4.3",
        "ce_sequence": b"4",
        "content-type": b"application/json",
        "traceparent": TRACE.encode(),
    }


def test_what_goes_out_is_read_back() -> None:
    fact = stored({"causation": str(new_id()), "clause": "R4.3", "traceparent": TRACE})
    read = from_record(*to_record(fact)).stored()
    assert json.loads(read.metadata) == json.loads(fact.metadata)
    for name in ("id", "type", "service", "stream", "sequence", "key", "data", "actor", "correlation", "recorded_at"):
        assert getattr(read, name) == getattr(fact, name)
    assert read.occurred_at == fact.occurred_at
    assert read.version == fact.sequence  # the owner's own count stays with it
    assert read.position == START


def test_structured_mode_is_read_too() -> None:
    event = {
        "specversion": "1.0",
        "id": "contract-77/3",
        "source": "https://contracts.example",
        "type": "kehu.ThingMade.v1",
        "time": "2026-01-31T08:00:00+08:00",
        "data": {"amount": 5, "名": "值"},
    }
    read = from_record(
        None, json.dumps(event).encode(), [("content-type", b"application/cloudevents+json; charset=utf-8")]
    )
    assert (read.id, read.source, read.sequence, read.key) == ("contract-77/3", "https://contracts.example", None, "")
    assert read.time == datetime(2026, 1, 31, tzinfo=UTC)
    assert json.loads(read.data) == event["data"]
    assert read.service == ""


@pytest.mark.parametrize(
    ("changes", "value", "complaint"),
    [
        ({"ce_id": None}, None, "ce_id is missing"),
        ({"ce_source": None}, None, "ce_source is missing"),
        ({"ce_type": b""}, None, "ce_type is missing"),
        ({"ce_specversion": None}, None, "ce_specversion is missing"),
        ({"ce_specversion": b"0.3"}, None, "ce_specversion is '0.3'"),
        ({"ce_time": b"yesterday"}, None, "ce_time is no RFC 3339 time"),
        ({"ce_time": b"2026-01-31T08:00:00"}, None, "ce_time is no RFC 3339 time"),
        ({"ce_time": b"2026-13-31T08:00:00Z"}, None, "ce_time is no RFC 3339 time"),
        ({"ce_time": b"0001-01-01T00:00:00+23:59"}, None, "ce_time is out of"),
        ({"ce_sequence": b"0"}, None, "ce_sequence is no whole number"),
        ({"ce_sequence": b"-4"}, None, "ce_sequence is no whole number"),
        ({"ce_sequence": "４".encode()}, None, "ce_sequence is no whole number"),
        ({"ce_sequence": b"9" * 19}, None, "ce_sequence is no whole number"),
        ({"ce_correlationid": b"me"}, None, "ce_correlationid is no UUID"),
        ({"ce_actor": b"\xff\xfe"}, None, "ce_actor is no text"),
        ({"ce_subject": b"thing-\x00"}, None, "ce_subject is no text"),
        ({"ce_type": b"k" * 600}, None, "ce_type has 600 characters"),
        ({}, b"", "the value is no JSON"),
        ({}, b'{"a": ', "the value is no JSON"),
        ({}, b'{"a": NaN}', "the value is no JSON"),
        ({}, b"[1]", "the value is a JSON list"),
        ({}, b"\xff", "the value is no JSON"),
        ({}, b"[" * 100_000, "the value is no JSON"),
        ({}, b'"' + b"x" * MAX_MESSAGE_BYTES + b'"', "the message has"),
        ({"content_type": b"application/cloudevents+json"}, b'{"id": 4}', "ce_specversion is missing"),
        (
            {"content_type": b"application/cloudevents+json"},
            b'{"specversion": "1.0", "id": 4, "source": "s", "type": "t", "data": {}}',
            "ce_id is no text",
        ),
        (
            {"content_type": b"application/cloudevents+json"},
            b'{"specversion": "1.0", "id": "4", "source": "s", "type": "t", "data": [1]}',
            "data is not a JSON object",
        ),
        (
            {"content_type": b"application/cloudevents+json"},
            b'{"specversion": "1.0", "id": "\\ud800", "source": "s", "type": "t", "data": {}}',
            "the event is no JSON|ce_id is no text",
        ),
        ({"content_type": b"application/cloudevents+json"}, b'{"data_base64": "YQ=="}', "data_base64"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], value: bytes | None, complaint: str) -> None:
    with pytest.raises(NotAnEnvelope, match=complaint):
        from_record(b"key", b"{}" if value is None else value, headers(**changes))


@pytest.mark.parametrize("key", [b"\xff", b"\x00", b"k" * 600])
def test_a_key_that_cannot_be_stored_is_refused(key: bytes) -> None:
    with pytest.raises(NotAnEnvelope, match="the key"):
        from_record(key, b"{}", headers())


def test_a_refusal_names_the_message_as_far_as_it_could_be_made_out() -> None:
    with pytest.raises(NotAnEnvelope) as refused:
        from_record(b"k", b"{", headers(ce_source=b"https://a.example", ce_id=b"77"))
    assert (refused.value.source, refused.value.message_id) == ("https://a.example", "77")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ce_sequence": None}, "ce_sequence is missing"),
        ({"ce_subject": None}, "ce_subject is missing"),
        ({"ce_time": None}, "ce_time is missing"),
        ({"ce_id": b"77"}, "ce_id is no UUID"),
        ({"ce_source": b"https://a.example"}, "is no service of Kehu"),
    ],
)
def test_a_fact_of_kehu_carries_more_than_any_cloudevent(changes: dict[str, Any], complaint: str) -> None:
    envelope = from_record(b"k", b"{}", headers(**changes))
    with pytest.raises(NotAnEnvelope, match=complaint):
        envelope.stored()


@given(
    key=st.none() | st.binary(max_size=40),
    value=st.none()
    | st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()),
    changes=st.dictionaries(
        st.sampled_from([name for name, _ in headers()]).map(lambda name: name.replace("-", "_")),
        st.none() | st.binary(max_size=60) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
    ),
)
def test_whatever_comes_is_read_or_refused(key: bytes | None, value: bytes | None, changes: dict[str, Any]) -> None:
    try:
        outcome = from_record(key, value, headers(**changes))
    except NotAnEnvelope as refused:
        outcome = refused
    assert isinstance(outcome, Envelope) or (outcome.zh and outcome.en)
