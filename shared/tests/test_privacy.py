"""Personal fields are sealed before they reach the store, open where they belong only, and go with their key."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any, NamedTuple, NewType

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, computed_field

from kehu.ids import new_id
from kehu.phones import Phone
from kehu.privacy import (
    ERASED,
    Keyring,
    Personal,
    PersonalField,
    SealBrokenError,
    blind_index,
    has_personal,
    personal_paths,
)
from kehu.service import Service
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

MASTER = bytes(range(32))
STREAM = "customer-1"
ROLE = "kehu_example"


class Contact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    person: str
    name: Personal
    phone: Annotated[Phone, PersonalField()] | None = None
    id_number: Annotated[str, PersonalField(retention="contract")] | None = None
    titles: tuple[str, ...] = ()


class CustomerChanged(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    contacts: tuple[Contact, ...] = ()
    main: Contact | None = None
    by_role: dict[str, list[Contact]] = {}


class NicknamesNoted(BaseModel):
    person: str
    nicknames: tuple[Personal, ...] = ()
    by_year: dict[str, Personal] = {}


class VolumeReported(BaseModel):
    month: str
    fen: int


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
async def database_settings(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    example = Service(name="example", title="Example", features=[], migrations=tmp_path_factory.mktemp("migrations"))
    return await postgres.create_database(services=[example])


@pytest.fixture(scope="module")
async def pool(database_settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(**database_settings.connection(ROLE), min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def owner(database_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**database_settings.connection(OWNER_ROLE))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def keyring(pool: asyncpg.Pool) -> Keyring:
    return Keyring(pool, MASTER)


def a_contact(**fields: Any) -> Contact:
    return Contact.model_validate({"person": str(new_id()), "name": "王小明", "phone": "13800138000"} | fields)


async def sealed(keyring: Keyring, fact: BaseModel, stream: str = STREAM) -> dict[str, Any]:
    (text,) = await keyring.seal([(stream, fact)])
    return json.loads(text)


async def opened(keyring: Keyring, data: dict[str, Any], stream: str = STREAM) -> dict[str, Any]:
    (result,) = await keyring.open([(stream, data)])
    return result


# What is personal


def test_a_model_tells_where_its_personal_fields_are() -> None:
    assert personal_paths(Contact) == ("$.name", "$.phone", "$.id_number")
    assert personal_paths(CustomerChanged) == (
        *("$.contacts[*].name", "$.contacts[*].phone", "$.contacts[*].id_number"),
        *("$.main.name", "$.main.phone", "$.main.id_number"),
        *("$.by_role[*][*].name", "$.by_role[*][*].phone", "$.by_role[*][*].id_number"),
    )
    assert personal_paths(NicknamesNoted) == ("$.nicknames[*]", "$.by_year[*]")
    assert has_personal(CustomerChanged)
    assert not has_personal(VolumeReported)


def test_a_model_may_contain_itself() -> None:
    assert has_personal(Referral)
    assert personal_paths(Referral) == ("$.name",)


class Referral(BaseModel):
    person: str
    name: Personal
    by: "Referral | None" = None


def test_personal_fields_need_a_person() -> None:
    class Nobody(BaseModel):
        name: Personal

    class MaybeSomebody(BaseModel):
        person: str | None
        name: Personal

    class Circular(BaseModel):
        person: Personal

    class Around(BaseModel):
        inner: list[Nobody]

    for model in (Nobody, MaybeSomebody, Circular, Around):
        with pytest.raises(TypeError, match="must say whose they are"):
            has_personal(model)


def test_a_person_id_may_have_a_name_of_its_own() -> None:
    PersonId = NewType("PersonId", str)

    class Named(BaseModel):
        person: PersonId
        name: Personal

    assert has_personal(Named)


def test_what_could_leak_is_a_programming_error() -> None:
    class Computed(BaseModel):
        person: str
        name: Personal

        @computed_field
        def greeting(self) -> str:
            return f"Dear {self.name}"

    class Mixed(BaseModel):
        person: str
        who: Personal | Contact

    class TwoClasses(BaseModel):
        person: str
        who: tuple[Personal, Annotated[str, PersonalField(retention="contract")]]

    class Pair(NamedTuple):
        left: Personal

    @dataclass
    class Card:
        contact: Contact

    class InPair(BaseModel):
        person: str
        pair: Pair

    class InCard(BaseModel):
        card: Card | None

    for model in (Computed, Mixed, TwoClasses, InPair, InCard):
        with pytest.raises(TypeError):
            has_personal(model)


async def test_what_is_not_serialised_as_declared_is_never_let_by(keyring: Keyring) -> None:
    class Excluded(BaseModel):
        model_config = ConfigDict(serialize_by_alias=True, alias_generator=str.upper, populate_by_name=True)
        person: str
        name: Personal

    class Number(BaseModel):
        person: str
        name: Annotated[int, PersonalField()]

    for fact in (Excluded(person="p", name="王小明"), Number(person="p", name=1)):
        with pytest.raises(TypeError, match=r"cannot be sealed|Only strings"):
            await keyring.seal([(STREAM, fact)])
    with pytest.raises(ValueError, match="person is empty"):
        await keyring.seal([(STREAM, a_contact(person=""))])


def test_an_erased_value_passes_every_validation() -> None:
    assert a_contact(phone=ERASED).phone == ERASED
    with pytest.raises(ValidationError):
        a_contact(phone="已删")


def test_schemas_say_what_is_personal() -> None:
    assert TypeAdapter(Contact).json_schema()["properties"]["name"]["x-personal"] == "contact"


# Sealing and opening

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contacts = st.builds(
    Contact,
    person=st.uuids().map(str),
    name=names,
    phone=st.sampled_from([None, "+8613800138000", "4008123456"]),
    id_number=st.none() | names,
    titles=st.lists(names, max_size=2).map(tuple),
)
changes = st.builds(
    CustomerChanged,
    name=names,
    contacts=st.lists(contacts, max_size=3).map(tuple),
    main=st.none() | contacts,
    by_role=st.dictionaries(names, st.lists(contacts, max_size=2), max_size=2),
)
nicknames = st.builds(
    NicknamesNoted,
    person=st.uuids().map(str),
    nicknames=st.lists(names, max_size=3).map(tuple),
    by_year=st.dictionaries(names, names, max_size=2),
)
volumes = st.builds(VolumeReported, month=st.just("2026-11"), fen=st.integers())


async def test_any_facts_come_back_as_they_were(keyring: Keyring) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(changes | nicknames | volumes | contacts, max_size=4))
    def round_trip(facts: list[BaseModel]) -> None:
        async def there_and_back() -> None:
            texts = await keyring.seal([(STREAM, fact) for fact in facts])
            back = await keyring.open([(STREAM, json.loads(text)) for text in texts])
            assert back == [fact.model_dump(mode="json") for fact in facts]

        asyncio.run_coroutine_threadsafe(there_and_back(), loop).result()

    await asyncio.to_thread(round_trip)


async def test_nothing_personal_appears_in_the_sealed_json(keyring: Keyring) -> None:
    contact = a_contact(name="欧阳PLAIN", id_number="ID-PLAIN", titles=("经理",))
    fact = CustomerChanged(name="示例有限公司", contacts=(contact,), main=contact, by_role={"财务": [contact]})

    (text,) = await keyring.seal([(STREAM, fact)])

    assert "PLAIN" not in text
    assert "欧阳" not in text
    assert "13800138000" not in text
    assert "示例有限公司" in text
    assert "经理" in text
    placeholder = json.loads(text)["contacts"][0]["name"]
    assert placeholder.keys() == {"enc", "person", "retention", "nonce", "ciphertext"}
    assert (placeholder["enc"], placeholder["person"], placeholder["retention"]) == (
        *("A256GCM.v1", contact.person, "contact"),
    )
    assert json.loads(text)["contacts"][0]["id_number"]["retention"] == "contract"


async def test_a_fact_without_personal_fields_is_plain_json(keyring: Keyring) -> None:
    fact = VolumeReported(month="2026-11", fen=1)
    assert await keyring.seal([(STREAM, fact)]) == [fact.model_dump_json()]
    data = {"month": "2026-11", "parts": [{"fen": 1}]}
    assert await opened(keyring, data) is data


async def test_opening_leaves_the_sealed_data_as_it_is(keyring: Keyring) -> None:
    data = await sealed(keyring, CustomerChanged(name="甲", contacts=(a_contact(),)))
    before = json.dumps(data)
    await opened(keyring, data)
    assert json.dumps(data) == before


async def test_the_same_value_never_looks_the_same(keyring: Keyring) -> None:
    contact = a_contact()
    assert (await sealed(keyring, contact))["name"] != (await sealed(keyring, contact))["name"]


@pytest.mark.parametrize("part", ["nonce", "ciphertext"])
async def test_any_changed_byte_is_refused(keyring: Keyring, part: str) -> None:
    data = await sealed(keyring, a_contact())
    good = base64.urlsafe_b64decode(data["name"][part] + "==")
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        data["name"][part] = base64.urlsafe_b64encode(bad).decode()
        with pytest.raises(SealBrokenError, match=r"\$\.name of a fact in customer-1"):
            await opened(keyring, data)


async def test_a_value_opens_at_its_own_place_only(keyring: Keyring) -> None:
    first = a_contact()
    second = first.model_copy(update={"name": "李小红"})
    data = await sealed(keyring, CustomerChanged(name="甲", contacts=(first, second)))

    with pytest.raises(SealBrokenError):
        await opened(keyring, data, "customer-2")

    one, other = data["contacts"]
    one["name"], other["name"] = other["name"], one["name"]
    with pytest.raises(SealBrokenError):
        await opened(keyring, data)


async def test_a_value_cannot_be_passed_off_as_another_persons(keyring: Keyring) -> None:
    mine, theirs = await sealed(keyring, a_contact()), await sealed(keyring, a_contact())
    mine["name"]["person"] = theirs["person"]
    with pytest.raises(SealBrokenError):
        await opened(keyring, mine)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"person": 7},
        {"retention": None},
        {"nonce": "!"},
        {"nonce": ""},
        {"nonce": 7},
        {"ciphertext": "é"},
        {"ciphertext": None},
        {"ciphertext": "AA"},
    ],
)
async def test_a_mangled_placeholder_is_refused(keyring: Keyring, broken: dict[str, Any]) -> None:
    data = await sealed(keyring, a_contact())
    data["name"] = data["name"] | broken if broken else {"enc": "A256GCM.v1"}
    with pytest.raises(SealBrokenError):
        await opened(keyring, data)


# Keys


async def test_another_process_opens_it_with_the_same_master_key_only(keyring: Keyring, pool: asyncpg.Pool) -> None:
    contact = a_contact()
    data = await sealed(keyring, contact)

    assert await opened(Keyring(pool, MASTER), data) == contact.model_dump(mode="json")
    with pytest.raises(SealBrokenError, match="right key file"):
        await opened(Keyring(pool, os.urandom(32)), data)


def test_a_master_key_has_32_bytes(pool: asyncpg.Pool) -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        Keyring(pool, bytes(31))


async def test_an_erased_key_leaves_the_erased_mark_and_the_other_retention_class(pool: asyncpg.Pool) -> None:
    contact = a_contact(id_number="110101")
    keyring = Keyring(pool, MASTER)
    data = await sealed(keyring, contact)

    assert await keyring.erase(contact.person, "contact")

    for reader in (keyring, Keyring(pool, MASTER)):
        after = await opened(reader, data)
        assert (after["name"], after["phone"], after["id_number"]) == (ERASED, ERASED, "110101")
        assert Contact.model_validate(after).name == ERASED
    assert not await keyring.erase(contact.person, "contact")


async def test_what_comes_after_the_erasure_is_not_kept(pool: asyncpg.Pool) -> None:
    contact = a_contact()
    await Keyring(pool, MASTER).erase(contact.person, "contact")

    data = await sealed(Keyring(pool, MASTER), contact)

    assert (data["name"], data["phone"], data["person"]) == (ERASED, ERASED, contact.person)


async def test_an_opened_erased_fact_can_be_sealed_again(keyring: Keyring) -> None:
    contact = a_contact(name=ERASED, phone=None)
    assert await sealed(keyring, contact) == contact.model_dump(mode="json")


async def test_a_key_is_used_for_at_most_a_minute_after_its_erasure_elsewhere(pool: asyncpg.Pool) -> None:
    clock = Clock()
    reader = Keyring(pool, MASTER, clock=clock)
    contact = a_contact()
    data = await sealed(reader, contact)
    await Keyring(pool, MASTER).erase(contact.person, "contact")

    clock.now = 59.9
    assert (await opened(reader, data))["name"] == contact.name
    clock.now = 60
    assert (await opened(reader, data))["name"] == ERASED


async def test_writers_who_meet_a_person_at_once_end_with_one_key(pool: asyncpg.Pool) -> None:
    people = [a_contact() for _ in range(20)]

    async def write(order: int) -> list[str]:
        facts = [(STREAM, contact) for contact in people[::order]]
        return (await Keyring(pool, MASTER).seal(facts))[::order]

    written = await asyncio.gather(*(write(order) for order in (1, -1) * 4))

    reader = Keyring(pool, MASTER)
    for texts in written:
        back = await reader.open([(STREAM, json.loads(text)) for text in texts])
        assert back == [contact.model_dump(mode="json") for contact in people]


async def test_one_question_to_the_database_for_all_persons_of_a_call(database_settings: Settings) -> None:
    asked: list[str] = []

    def note(record: Any) -> None:
        asked.append(record.query)

    async def listen(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(note)

    arguments = database_settings.connection(ROLE)
    async with asyncpg.create_pool(**arguments, min_size=1, max_size=1, init=listen) as pool:
        facts = [(STREAM, a_contact()) for _ in range(50)]
        texts = await Keyring(pool, MASTER).seal(facts)
        reader = Keyring(pool, MASTER)
        asked.clear()
        for _ in range(2):
            await reader.open([(STREAM, json.loads(text)) for text in texts])

    assert len([query for query in asked if "person_keys" in query]) == 1


async def test_services_cannot_read_or_write_the_keys_themselves(pool: asyncpg.Pool) -> None:
    for statement in (
        "SELECT * FROM person_keys.keys",
        "UPDATE person_keys.keys SET wrapped = NULL",
        "DELETE FROM person_keys.keys",
        "INSERT INTO person_keys.keys (person, retention) VALUES ('p', 'contact')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


async def test_the_auditor_reaches_neither_keys_nor_functions(database_settings: Settings) -> None:
    auditor = await asyncpg.connect(**database_settings.connection(AUDITOR_ROLE))
    for statement in (
        "SELECT * FROM person_keys.keys",
        "SELECT * FROM person_keys.fetch(ARRAY['p'], ARRAY['contact'])",
        "SELECT person_keys.erase('p', 'contact')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auditor.execute(statement)
    await auditor.close()


async def test_the_database_holds_wrapped_keys_only(owner: asyncpg.Connection, keyring: Keyring) -> None:
    contact = a_contact()
    stored = "SELECT wrapped, created_at, erased_at FROM person_keys.keys WHERE person = $1"

    await sealed(keyring, contact)
    before = await owner.fetchrow(stored, contact.person)
    await keyring.erase(contact.person, "contact")
    after = await owner.fetchrow(stored, contact.person)

    assert before
    assert len(before["wrapped"]) == 12 + 32 + 16  # nonce, key, tag
    assert after
    assert after["wrapped"] is None
    assert after["erased_at"] >= after["created_at"] == before["created_at"]


async def test_a_later_migration_changes_nothing(owner: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    contact = a_contact()
    data = await sealed(Keyring(pool, MASTER), contact)

    await owner.execute((files("kehu.privacy") / "sql" / "keys.sql").read_text())

    assert await opened(Keyring(pool, MASTER), data) == contact.model_dump(mode="json")


# Blind indexes and parked messages


def test_a_blind_index_depends_on_value_purpose_and_master_key(keyring: Keyring, pool: asyncpg.Pool) -> None:
    phone = "+8613800138000"
    index = blind_index(keyring.index_key("phone"), phone)

    assert index == blind_index(Keyring(pool, MASTER).index_key("phone"), phone)
    assert index == "MAtjgNou2LutwS-QiwNMOhoi4lhON4VGPbVCtetrFB0"  # stored in views: must be the same in every release
    others = {
        blind_index(keyring.index_key("phone"), "+8613800138001"),
        blind_index(keyring.index_key("mobile"), phone),
        blind_index(Keyring(pool, bytes(32)).index_key("phone"), phone),
    }
    assert index not in others
    assert len(others) == 3


def test_a_parked_message_opens_where_it_was_parked(keyring: Keyring) -> None:
    parked = keyring.seal_bytes("grading", "王小明".encode(), "volumes/kehu.customer-registry/1")

    assert "王小明".encode() not in parked
    assert keyring.open_bytes("grading", parked, "volumes/kehu.customer-registry/1") == "王小明".encode()
    for service, data, context in (
        ("vetting", parked, "volumes/kehu.customer-registry/1"),
        ("grading", parked, "volumes/kehu.customer-registry/2"),
        ("grading", parked[:-1], "volumes/kehu.customer-registry/1"),
        ("grading", b"", "volumes/kehu.customer-registry/1"),
    ):
        with pytest.raises(SealBrokenError):
            keyring.open_bytes(service, data, context)
