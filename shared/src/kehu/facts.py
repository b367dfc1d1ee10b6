"""Facts: what has happened. Their models, their names on the wire, and how old versions are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Fact(BaseModel):
    """Something that happened, named in the past tense. Frozen; unknown fields from newer writers are kept.

    A subclass may set the class variables below. Changing the shape of a stored fact takes a higher
    `schema_version` and an upcaster from each older one, kept for ever.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: ClassVar[int] = 1
    #: From version n to n + 1, on plain JSON data; one entry for every version below `schema_version`.
    upcasters: ClassVar[Mapping[int, Upcaster]] = {}
    #: The policy's clause under which it is recorded, such as ``R4.3``.
    clause: ClassVar[str] = ""
    #: Whether it leaves its service through Kafka (see `kehu.contracts`).
    published: ClassVar[bool] = False

    def __init_subclass__(cls, *, clause: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, clause: str = "", **kwargs: Any) -> None:
        """Take the clause from the class statement: ``class VisitLogged(Fact, clause="R6.2.1a")``."""
        super().__pydantic_init_subclass__(**kwargs)
        if clause:
            cls.clause = clause

    def occurred(self, now: datetime) -> datetime:
        """When it happened; the time of the command unless a subclass carries a time of its own."""
        return now

    @classmethod
    def type_name(cls) -> str:
        """Its CloudEvents type, such as ``kehu.VisitLogged.v1``."""
        return f"kehu.{cls.__name__}.v{cls.schema_version}"


F_co = TypeVar("F_co", bound=Fact, covariant=True)


class Position(NamedTuple):
    """A place in the whole log: transaction first, then position (see docs/architecture.md, reading without gaps)."""

    tx: int
    position: int


START = Position(0, 0)


class StoredFact(NamedTuple):
    """One row of the log as it is stored: personal fields still sealed, old versions not yet upcast.

    A tuple, in the order of the columns that the store's functions return: a reader makes millions of them.
    """

    id: UUID
    type: str
    service: str
    stream: str
    version: int
    sequence: int | None
    key: str
    data: str
    metadata: str
    actor: str
    correlation: UUID
    occurred_at: datetime
    recorded_at: datetime
    tx: int = 0
    place: int = 0

    @property
    def position(self) -> Position:
        """Where it stands in the whole log."""
        return Position(self.tx, self.place)


class RecordedFact(NamedTuple, Generic[F_co]):
    """A fact with its envelope: who, when, why, and its place in its stream.

    A tuple for the same reason as `StoredFact`. `stream` is the CloudEvents subject. `sequence` counts the stream's
    published facts from 1 (None for private ones). `occurred_at` and `recorded_at` are aware datetimes.
    """

    fact: F_co
    id: UUID
    stream: str
    version: int
    sequence: int | None
    key: str
    service: str
    actor: str
    clause: str
    correlation: UUID
    causation: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    position: Position = START
    metadata: Mapping[str, Any] | None = None

    @property
    def stream_id(self) -> str:
        """What stands after the stream's category."""
        return self.stream.partition("-")[2]


class UnknownFactType(LookupError):
    """No model is known for this type and version."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"No fact is known by the name {type_name}.")
        self.type_name = type_name


class _Known(NamedTuple):
    """A type on the wire: its model today, and the version it was stored under."""

    model: type[Fact]
    version: int


class _Readers(dict[str, Callable[[str], Fact]]):
    """How the JSON text of each type on the wire is read; asking for one that nobody declared says so."""

    def __missing__(self, type_name: str) -> Callable[[str], Fact]:
        raise UnknownFactType(type_name)


class FactTypes:
    """The facts that a reader knows, by their name on the wire.

    `readers` has, by type on the wire, what does the same as `read` from JSON text: faster, since most facts need no
    upcasting. It raises `UnknownFactType` for any other.
    """

    def __init__(self, types: Iterable[type[Fact]]) -> None:
        self._by_name: dict[str, _Known] = {}
        self.readers = _Readers()
        for model in types:
            for version in range(1, model.schema_version + 1):
                if version < model.schema_version and version not in model.upcasters:
                    raise TypeError(f"{model.__name__} has no upcaster from version {version}.")
                name = f"kehu.{model.__name__}.v{version}"
                known = self._by_name.get(name)
                if known and known.model is not model:
                    raise TypeError(f"Two facts are called {name}: {known.model!r} and {model!r}.")
                self._by_name[name] = _Known(model, version)
                self.readers[name] = self._reader(name, model, version)

    def _reader(self, name: str, model: type[Fact], version: int) -> Callable[[str], Fact]:
        if version < model.schema_version:
            return lambda text: self.read(name, from_json(text))
        if not model.__pydantic_complete__:
            model.model_rebuild()
        # What model_validate_json calls, without its options: a fifth of the time that reading a fact takes.
        return model.__pydantic_validator__.validate_json

    def __contains__(self, type_name: str) -> bool:
        return type_name in self._by_name

    def models(self) -> set[type[Fact]]:
        """Every fact model that can be read."""
        return {known.model for known in self._by_name.values()}

    def model(self, type_name: str) -> type[Fact]:
        """The current model of a type on the wire.

        Raises:
            UnknownFactType: nobody declared it.

        """
        return self._known(type_name).model

    def read(self, type_name: str, data: dict[str, Any]) -> Fact:
        """Upcast `data` to the current version and validate it.

        Raises:
            UnknownFactType: nobody declared it.
            pydantic.ValidationError: the data does not fit the model.

        """
        model, version = self._known(type_name)
        for step in range(version, model.schema_version):
            data = model.upcasters[step](data)
        return model.model_validate(data)

    def _known(self, type_name: str) -> _Known:
        try:
            return self._by_name[type_name]
        except KeyError:
            raise UnknownFactType(type_name) from None


def category_of(stream: str) -> str:
    """The category of a stream: what stands before the first dash."""
    return stream.partition("-")[0]


def parse_metadata(text: str) -> dict[str, Any]:
    """The metadata of a stored fact as a mapping."""
    loaded: dict[str, Any] = {} if text == "{}" else from_json(text)
    return loaded
