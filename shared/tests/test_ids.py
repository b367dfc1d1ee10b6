"""Ids are UUIDv7, and derived ones are the same wherever and whenever they are derived."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.ids import derived_id, new_id, new_text_id

CAUSE = uuid.UUID("01936f2a-0000-7abc-8def-0123456789ab")


def test_new_ids_are_version_7_and_ordered() -> None:
    ids = [new_id() for _ in range(1000)]

    assert all(type(one) is uuid.UUID and one.version == 7 and one.variant == uuid.RFC_4122 for one in ids)
    assert ids == sorted(set(ids))


def test_a_derived_id_never_changes_between_releases() -> None:
    assert derived_id(CAUSE, "grading.volumes", 0) == uuid.UUID("01936f2a-0000-72e7-a10e-a5b63500dc56")
    assert derived_id(CAUSE, "grading.volumes", 1) == uuid.UUID("01936f2a-0000-78af-9891-33461b185c35")


@given(
    stamp=st.integers(0, 2**48 - 1), rest=st.integers(0, 2**62 - 1), consumer=st.text(), index=st.integers(0, 2**63 - 1)
)
def test_a_derived_id_is_a_version_7_with_the_timestamp_of_its_cause(
    stamp: int, rest: int, consumer: str, index: int
) -> None:
    cause = uuid.UUID(int=stamp << 80 | 7 << 76 | 0b10 << 62 | rest)

    derived = derived_id(cause, consumer, index)

    assert (derived.version, derived.variant) == (7, uuid.RFC_4122)
    assert derived.int >> 80 == stamp
    assert derived == derived_id(cause, consumer, index) != cause


@given(
    st.lists(
        st.tuples(st.sampled_from([CAUSE, new_id()]), st.text(max_size=3), st.integers(0, 300)),
        unique=True,
        min_size=2,
    )
)
def test_different_arguments_give_different_ids(arguments: list[tuple[uuid.UUID, str, int]]) -> None:
    assert len({derived_id(*one) for one in arguments}) == len(arguments)


def test_only_a_version_7_has_a_timestamp_to_derive_from() -> None:
    with pytest.raises(ValueError, match="derived from a UUIDv7"):
        derived_id(uuid.UUID("c9a646d3-9c61-4cb7-bfcd-ee2522c8f633"), "grading.volumes", 0)


def test_an_index_counts_from_zero() -> None:
    with pytest.raises(ValueError, match="counts from 0"):
        derived_id(CAUSE, "grading.volumes", -1)


def test_an_id_as_text_is_one_of_the_same_kind() -> None:
    texts = [new_text_id() for _ in range(100)]
    assert texts == [str(uuid.UUID(text)) for text in texts]
    assert all(uuid.UUID(text).version == 7 for text in texts)
    assert sorted(set(texts)) == texts
