"""Whatever is sent to any route of any service is answered, and never with a 5xx; a refusal says what to mend.

schemathesis makes the requests from each service's own OpenAPI document, valid and invalid ones, for people who may do
much and people who may do little; a part of the ids in them are of things that are there.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from journeys import Installation
from schemathesis import GenerationMode

from kehu.identity import issue_token
from kehu.scripts import Player, read_script

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
#: They hold every role between them; `nobody` is not on the staff at all.
PEOPLE = ("li", "zhao", "sun", "fin", "office", "boss", "market", "auditor", "hr", "admin", "nobody")
#: For each operation and mode: enough to meet every field once or twice, few enough for a suite that is run often.
EXAMPLES = 5
SERVICES = ("customer-registry", "vetting", "grading", "engagement", "notifier")
#: What nobody's form asks for: NUL, controls, bidi, SQL and template syntax, full-width digits, 20,000 letters.
NASTY = ("\0", "a\u202eb", "' OR 1=1 --", "{{7*7}}${7*7}", "１２３", "x" * 20_000, "", "\u0007", "NaN", "-1")


@dataclass
class Known:
    """Values of things that are there, by the name of the field that holds them."""

    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def learn(self, answer: Any) -> None:
        """Remember every short text in an answer."""
        if isinstance(answer, dict):
            for name, value in answer.items():
                if isinstance(value, str) and 0 < len(value) <= 100:
                    self.values[name].add(value)
                else:
                    self.learn(value)
        elif isinstance(answer, list):
            for one in answer:
                self.learn(one)

    def of(self, name: str) -> list[str]:
        """Values that a path parameter of this name may have."""
        return sorted(self.values.get(name, set()))[:20]


@dataclass
class Api:
    """One service as a sender of unwelcome input sees it."""

    url: str
    tokens: dict[str, str]
    schema: Any
    known: Known


@pytest.fixture(scope="module")
async def company(installation: Installation) -> Installation:
    """Return the running system with the whole sample company in it.

    It cannot be loaded again where it is there already: the clock has been moved on since, and who left it is gone.
    """
    left = await installation.system.send("hr", "customer-registry", "GET", "/departures?person=song")
    if left.is_success and left.json()["items"]:
        return installation
    player = Player(installation.system, await installation.today(), lambda _: None, SAMPLES)
    for script in sorted(SAMPLES.glob("*.json")):
        await player.play(script.stem, read_script(script))
    return installation


def _operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


async def _learn(at: Installation, service: str, schema: Any, known: Known) -> None:
    for operation in _operations(schema):
        if operation.method.upper() == "GET" and "{" not in operation.path:
            for person in ("market", "zhao", "admin"):
                answer = await at.system.send(person, service, "GET", operation.path)
                if answer.status_code == httpx2.codes.OK and "json" in answer.headers.get("content-type", ""):
                    known.learn(answer.json())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
async def test_every_route_answers_whatever_is_sent(service: str, company: Installation) -> None:
    system = company.system
    url = system.addresses[service]
    document = (await system.client.get(f"{url}/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    known = Known()
    await _learn(company, service, schema, known)
    tokens = {person: issue_token(system.issuer, person, 60) for person in PEOPLE}
    api = Api(url, tokens, schema, known)
    told = await asyncio.to_thread(_try_everything, api)
    print(f"{service}: {told}")
    alive = await system.client.get(f"{url}/health/ready")
    assert alive.status_code == httpx2.codes.OK, alive.text


def _try_everything(api: Api) -> dict[str, int]:
    told: dict[str, int] = defaultdict(int)
    for operation in _operations(api.schema):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _try_operation(api, operation, mode, told)
    return dict(sorted(told.items()))


def _try_operation(api: Api, operation: Any, mode: GenerationMode, told: dict[str, int]) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)
        cases.validate()
    except Exception:  # schemathesis has several for "nothing of this operation can be negated"
        if mode is GenerationMode.POSITIVE:
            raise
        return

    @seed(20261125)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, data=st.data())
    def send(case: Any, data: st.DataObject) -> None:
        for name in list(case.path_parameters or {}):
            if (found := api.known.of(name)) and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(found))
        if isinstance(case.body, dict) and case.body and data.draw(st.booleans()):
            case.body[data.draw(st.sampled_from(sorted(case.body)))] = data.draw(st.sampled_from(NASTY))
        person = data.draw(st.sampled_from(PEOPLE))
        headers = {"Authorization": f"Bearer {api.tokens[person]}"}
        if case.method.upper() != "GET" and data.draw(st.booleans()):
            headers["If-Match"] = data.draw(st.sampled_from(['"1"', '"2"', "*", '"x"']))
        answer = case.call(base_url=api.url, headers=headers, timeout=30)
        told[f"{answer.status_code // 100}xx"] += 1
        _check(case, answer)

    send()


def _check(case: Any, answer: Any) -> None:
    if answer.status_code < httpx2.codes.BAD_REQUEST:
        return  # possibly a file
    at = f"{case.method} {case.formatted_path}: {answer.status_code} {answer.content[:500]!r}"
    assert answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR, at
    if case.method.upper() == "HEAD":
        return  # nothing but headers
    if "problem+json" in answer.headers.get("content-type", [""])[0]:
        problem = json.loads(answer.content)
        assert problem["code"], at
        assert problem["detail"] or problem.get("errors"), at
    else:
        assert answer.status_code == httpx2.codes.NOT_FOUND, f"no problem: {at}"
