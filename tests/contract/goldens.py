"""The JSON Schema of every published fact, as it is kept in `goldens/`; run this file to add what is new.

A contract changes only by adding: new facts, new optional members. What would break a reader is refused here too, so it
cannot be waved through by writing the goldens anew.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import kehu.contracts
from kehu.contracts.published import PublishedFact

GOLDENS = Path(__file__).parent / "goldens"


def published_facts() -> dict[str, type[PublishedFact]]:
    """Every published fact by its name on the wire."""
    for module in pkgutil.iter_modules(kehu.contracts.__path__):
        importlib.import_module(f"kehu.contracts.{module.name}")
    facts = [fact for fact in PublishedFact.__subclasses__() if fact.__module__.startswith("kehu.contracts.")]
    return {fact.type_name(): fact for fact in facts}


def schema_of(fact: type[PublishedFact]) -> dict[str, Any]:
    """The schema of a fact as its readers get it."""
    return json.loads(json.dumps(fact.model_json_schema(mode="serialization"), ensure_ascii=False))


def breaks(old: Any, new: Any, where: str = "") -> list[str]:
    """What a reader of `old` could not bear about `new`; words may change, and optional members may be added."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[str] = []
        for name, value in old.items():
            if name in ("description", "title"):
                continue
            if name not in new:
                found.append(f"{where}/{name} is gone")
            elif name == "required":
                found += [f"{where}: {member} is no longer always there" for member in set(value) - set(new[name])]
            elif name == "enum":
                found += [f"{where}: value {member!r} is gone" for member in value if member not in new[name]]
            else:
                found += breaks(value, new[name], f"{where}/{name}")
        return found
    return [] if old == new else [f"{where}: {old!r} became {new!r}"]


def golden(type_name: str) -> Path:
    """Where a fact's golden is kept."""
    return GOLDENS / f"{type_name}.json"


def write() -> int:
    """Write what is new; refuse what breaks."""
    broken = {
        name: found
        for name, fact in published_facts().items()
        if golden(name).exists() and (found := breaks(json.loads(golden(name).read_text()), schema_of(fact)))
    }
    if broken:
        sys.stderr.write(json.dumps(broken, ensure_ascii=False, indent=2) + "\n")
        return 1
    for name, fact in published_facts().items():
        golden(name).write_text(json.dumps(schema_of(fact), ensure_ascii=False, indent=2, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(write())
