"""What the documentation says about the code stays true: tables, excerpts of examples, and every path that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from facts_table import DOCUMENT, document

PROJECT = Path(__file__).resolve().parents[2]
POLICY_TABLE = PROJECT / "docs" / "policy-table.md"
FAULTS = PROJECT / "docs" / "faults.md"
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]

_PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
#: A file or folder of this repository as the pages write it, with the test's name where it is one.
_PATH = re.compile(
    r"`((?:shared|services|tests|docs|samples|\.ci)/[\w./-]*[\w/])(?:::(\w+))?`|`(docker-compose\.yml|Dockerfile)`"
)
SCENARIOS = sorted((PROJECT / "tests" / "e2e" / "scenarios").glob("test_*.py"))
_SCENARIO = re.compile(r"^\| ([^|]+?) \| `tests/e2e/scenarios/[\w.]+::(\w+)` \|$")
_TEST = re.compile(r"^async def (test_\w+)\(", re.MULTILINE)
_CLAUSE = re.compile(r"\bR[2-6]\.\d(?:\.\d)*(?:\.?[a-eA-C])?(?!\w)")


def test_the_table_of_facts_is_what_the_services_publish() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document(text) == text, "Facts have changed: run `python tests/contract/facts_table.py`."


def test_code_on_the_page_of_facts_stands_so_in_an_example() -> None:
    examples = [path.read_text(encoding="utf-8") for path in (PROJECT / "docs" / "examples").glob("*.py")]
    blocks = _PYTHON_BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        assert any(block in example for example in examples), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_and_test_that_is_named_is_there(page: Path) -> None:
    missing: list[str] = []
    for path, test, file in _PATH.findall(page.read_text(encoding="utf-8")):
        named = PROJECT / (path or file)
        if not named.exists() or (test and f"def {test}(" not in named.read_text(encoding="utf-8")):
            missing.append(f"{path or file}{'::' if test else ''}{test}")
    assert not missing


def test_every_fault_has_a_test_that_causes_it() -> None:
    rows = [line.split("|") for line in FAULTS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    tests = {cells[1].strip(): [test for _, test, _ in _PATH.findall(cells[3]) if test] for cells in rows[1:]}
    assert {number for number, named in tests.items() if named} == {str(number) for number in range(1, 17)}


def clauses_in_code() -> dict[str, set[str]]:
    """Every clause that the product's code names, with the files that do."""
    found: dict[str, set[str]] = {}
    sources = [
        path
        for folder in ("shared/src", "services")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".py", ".sql") and "tests" not in path.parts
    ]
    for path in sources:
        for clause in _CLAUSE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(clause, set()).add(str(path.relative_to(PROJECT)))
    return found


def test_every_clause_that_code_names_is_in_the_policy_table() -> None:
    rows = {clause for line in POLICY_TABLE.read_text(encoding="utf-8").splitlines() for clause in _first_cell(line)}
    left = {clause: sorted(files) for clause, files in clauses_in_code().items() if clause not in rows}
    assert not left


def test_every_clause_of_r2_to_r4_has_exactly_one_scenario() -> None:
    """Clauses that only gather others (R3.1) are told by those; a scenario is named by its clause."""
    before, _, after = POLICY_TABLE.read_text(encoding="utf-8").partition("## Scenarios")
    rows = {clause for line in before.splitlines() for clause in _first_cell(line) or _bare_clause(line)}
    clauses = {
        one for one in rows if one < "R5" and not any(re.match(rf"{re.escape(one)}\.\d", other) for other in rows)
    }
    linked = [(clause, test) for line in after.splitlines() for clause, test in _SCENARIO.findall(line)]
    found = [clause for clause, _ in linked if re.fullmatch(r"R\d(\.\w)*", clause)]
    assert sorted(found) == sorted(clauses)
    for clause, test in linked:
        if clause in clauses:
            assert test.startswith(f"test_{clause.lower().replace('.', '_')}_"), (clause, test)
    there = {test for path in SCENARIOS for test in _TEST.findall(path.read_text(encoding="utf-8"))}
    assert sorted(test for _, test in linked) == sorted(there), "Each scenario stands in the table once."


def _bare_clause(line: str) -> list[str]:
    return re.findall(r"^\| (R[2-6]) \|", line)


def _first_cell(line: str) -> list[str]:
    cells = line.split("|")
    return _CLAUSE.findall(cells[1]) if line.startswith("|") and len(cells) > 1 else []
