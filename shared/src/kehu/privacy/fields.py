"""Which fields of a fact are personal, and where their values stand in its JSON.

A personal string is declared ``name: Personal`` (or ``Annotated[Phone, PersonalField(retention="contract")]``) in a
model that says whose it is in ``person: str``. What cannot be sealed is refused as a programming error, never let by.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple, NewType, TypeAlias, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

ERASED = "已删除"
"""What stands for a personal value whose key has been erased."""

DEFAULT_RETENTION = "contact"
_PERSON = "person"

Json: TypeAlias = dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class PersonalField:
    """Marks a string as personal data. It stands last in an ``Annotated``, so that it lets `ERASED` past the others.

    Args:
        retention: class of data with one lawful time to keep it; a key per person and class, erased apart.
    """

    retention: str = DEFAULT_RETENTION

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_or_erased, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-personal": self.retention}


Personal = Annotated[str, PersonalField()]
"""A personal string of the retention class ``contact``."""


class PersonalValue(NamedTuple):
    """One personal string inside a fact's JSON: `holder[key]`, at `path`, about `person`; a tuple, being many."""

    holder: Any
    key: str | int
    path: str
    person: str
    retention: str

    @property
    def text(self) -> str:
        """The plaintext, as long as it has not been replaced."""
        return self.holder[self.key]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What matters of a model; `places` is what follows the path of its holder, by field."""

    marked: Mapping[str, PersonalField]
    nested: Mapping[str, tuple[type[BaseModel], ...]]
    places: Mapping[str, str]


@cache
def has_personal(model: type[BaseModel]) -> bool:
    """Whether facts of this type carry personal fields, here or in the models they contain.

    Raises:
        TypeError: personal fields are declared in a way that cannot be sealed.
    """
    return any(_shape(reachable).marked for reachable in _reachable(model))


@cache
def personal_paths(model: type[BaseModel]) -> tuple[str, ...]:
    """Return where the personal fields of a model are: ``("$.name", "$.contacts[*].phone")``, recursion cut short.

    Raises:
        TypeError: personal fields are declared in a way that cannot be sealed.
    """
    return tuple(_paths(model, "$", ()))


def personal_values(fact: BaseModel, dumped: dict[str, Any]) -> list[PersonalValue]:
    """Return every personal string of a fact within its JSON form.

    Args:
        fact: the fact.
        dumped: its `model_dump(mode="json")`, whose containers the result points into.

    Raises:
        TypeError: a field is declared, or was serialised, in a way that cannot be sealed.
        ValueError: the fact does not say which person its personal fields are about.
    """
    found: list[PersonalValue] = []
    _collect(fact, dumped, "$", found)
    return found


def child_path(path: str, key: str | int) -> str:
    """Return the JSON path of a member; only ASCII names stand bare, since Unicode's idea of a name changes."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if key.isascii() and key.isidentifier() else f"{path}[{json.dumps(key)}]"


def _or_erased(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if value == ERASED else validate(value)


@cache
def _shape(model: type[BaseModel]) -> _Shape:
    if not model.__pydantic_complete__:
        model.model_rebuild()
    marked: dict[str, PersonalField] = {}
    nested: dict[str, tuple[type[BaseModel], ...]] = {}
    for name, field in model.model_fields.items():
        parts = [*(one for one in field.metadata if isinstance(one, PersonalField)), *_parts(field.annotation)]
        marks = {part for part in parts if isinstance(part, PersonalField)}
        models = tuple(dict.fromkeys(part for part in parts if not isinstance(part, PersonalField)))
        if len(marks) > 1 or (marks and models):
            raise TypeError(
                f"{model.__name__}.{name} mixes personal strings with others: give each a field of its own."
            )
        marked |= dict.fromkeys([name], *marks) if marks else {}
        nested |= {name: models} if models else {}
    if marked:
        _check_sealable(model, marked)
    return _Shape(marked, nested, {name: child_path("", name) for name in (*marked, *nested)})


def _check_sealable(model: type[BaseModel], marked: Mapping[str, PersonalField]) -> None:
    person = model.model_fields.get(_PERSON)
    annotation = person and person.annotation
    if isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    if annotation is not str or _PERSON in marked:
        raise TypeError(
            f"{model.__name__} has personal fields ({', '.join(marked)}) and must say whose they are "
            "in a field `person: str`, a person's id that is not personal itself."
        )
    if model.model_computed_fields:
        raise TypeError(
            f"{model.__name__} has personal fields, so its computed fields "
            f"({', '.join(model.model_computed_fields)}) could spell them out unsealed: make them properties."
        )


def _parts(annotation: Any) -> Iterator[PersonalField | type[BaseModel]]:
    """Yield the marks and the models that an annotation mentions, however deep."""
    if isinstance(annotation, PersonalField):
        yield annotation
    elif hasattr(annotation, "__value__"):  # a named alias: `type Name = ...`
        yield from _parts(annotation.__value__)
    elif isinstance(annotation, NewType):
        yield from _parts(annotation.__supertype__)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif isinstance(annotation, type) and _has_typed_members(annotation):
        for name, hint in get_type_hints(annotation, include_extras=True).items():
            if any(True for _ in _parts(hint)):
                raise TypeError(
                    f"{annotation!r}.{name}: in facts, only pydantic models may hold models or personal fields."
                )
    else:
        for argument in get_args(annotation):
            yield from _parts(argument)


def _has_typed_members(candidate: type) -> bool:
    return is_dataclass(candidate) or is_typeddict(candidate) or hasattr(candidate, "_fields")


@cache
def _reachable(model: type[BaseModel]) -> frozenset[type[BaseModel]]:
    found = {model}
    waiting = [model]
    while waiting:
        fresh = {one for models in _shape(waiting.pop()).nested.values() for one in models} - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def _paths(model: type[BaseModel], path: str, above: tuple[type[BaseModel], ...]) -> Iterator[str]:
    shape = _shape(model)
    for name, field in model.model_fields.items():
        here = child_path(path, name) + "[*]" * _depth(field.annotation)
        if name in shape.marked:
            yield here
        for nested in shape.nested.get(name, ()):
            if nested not in (*above, model):
                yield from _paths(nested, here, (*above, model))


def _depth(annotation: Any) -> int:
    """Return how many containers an annotation nests: 2 for ``dict[str, list[Contact]]``."""
    origin = get_origin(annotation)
    inner = max(map(_depth, get_args(annotation)), default=0)
    return inner + (isinstance(origin, type) and issubclass(origin, Collection))


def _collect(fact: BaseModel, dumped: Any, path: str, found: list[PersonalValue]) -> None:
    shape = _shape(type(fact))
    if not isinstance(dumped, dict) or not shape.places.keys() <= dumped.keys():
        missing = [name for name in shape.places if not isinstance(dumped, dict) or name not in dumped]
        raise TypeError(f"{type(fact).__name__}.{missing[0]} is not serialised under its name, so it cannot be sealed.")
    if shape.marked:
        person = dumped[_PERSON]
        if not person:
            raise ValueError(f"{type(fact).__name__}.person is empty: whose are its personal fields?")
        for name, mark in shape.marked.items():
            if dumped[name] is not None:
                _strings(dumped, name, path + shape.places[name], person, mark.retention, found)
    for name in shape.nested:
        if dumped[name]:  # what is empty holds nothing
            _nested(getattr(fact, name), dumped[name], path + shape.places[name], found)


def _strings(holder: Any, key: str | int, path: str, person: str, retention: str, found: list[PersonalValue]) -> None:
    value = holder[key]
    if isinstance(value, str):
        found.append(PersonalValue(holder, key, path, person, retention))
    elif isinstance(value, list | dict):
        for inner in value if isinstance(value, dict) else range(len(value)):
            _strings(value, inner, child_path(path, inner), person, retention, found)
    elif value is not None:
        raise TypeError(f"Only strings can be personal; {path} is a {type(value).__name__}.")


def _nested(value: Any, dumped: Any, path: str, found: list[PersonalValue]) -> None:
    if isinstance(value, BaseModel):
        if has_personal(type(value)):
            _collect(value, dumped, path, found)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, inner in enumerate(value):
            _nested(inner, dumped[index], f"{path}[{index}]", found)
    elif isinstance(value, Mapping):
        for inner, key in zip(value.values(), dumped, strict=True):
            _nested(inner, dumped[key], child_path(path, key), found)
