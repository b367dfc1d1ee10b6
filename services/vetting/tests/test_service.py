"""The service as others meet it, on a real PostgreSQL and a real broker: customers come by Kafka, people by HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import docx
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from python_calamine import CalamineWorkbook

from kehu import calendar, clock
from kehu.contracts.customers import CustomerChanged, CustomerKind, CustomerRegistered, IdentityKind, OwnerAssigned
from kehu.contracts.staff import STAFF_FACTS, DepartureStarted, Role, RoleGranted, StaffMemberAppointed
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.printing.routes import FormPrinted, printings
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_vetting.app import service as vetting
from kehu_vetting.exports import EXPORTS, ListExported
from kehu_vetting.testing import FILE, SCAN, SCAN_DIGEST, USCC, form_body

PATIENCE = 60
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
DOSSIERS = Category("dossier", (CustomerRegistered, CustomerChanged, OwnerAssigned), None, lambda state, _: state)
PEOPLE = {
    "sales": (Role.SALESPERSON, "east"),
    "other": (Role.SALESPERSON, "east"),
    "vera": (Role.VETTER, "east"),
    "fang": (Role.FINANCE, None),
    "mei": (Role.DEPT_MANAGER, "east"),
    "gao": (Role.GM_OFFICE, None),
    "wang": (Role.GENERAL_MANAGER, None),
    "auditor": (Role.AUDITOR, None),
    "west": (Role.DEPT_MANAGER, "west"),
    "leaving": (Role.FINANCE, None),
}
#: Who signs which step, in order.
CHAIN = {"vetting": "vera", "finance": "fang", "manager": "mei", "registration": "gao", "general_manager": "wang"}


@dataclass
class World:
    """The vetting service, the registry's facts, and people who work with it."""

    assembly: Assembly
    registry: Running
    http: httpx2.AsyncClient
    settings: Settings

    async def publish(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        context = Context(actor=system_actor("test", "publisher"), now=self.registry.clock.now())
        await self.registry.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )

    async def register(self, customer: str, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "customer": customer,
            "number": f"K-{customer}",
            "name": FILE.name,
            "kind": CustomerKind.PROVINCIAL_AGENT,
            "nature": "limited",
            "identity_kind": IdentityKind.USCC,
            "identity": USCC,
            "region": "浙江",
            "department": "east",
            "owner": "sales",
            "registered_by": "mei",
        }
        await self.publish(DOSSIERS, customer, CustomerRegistered(**fields | changes))

        async def known() -> bool:
            # By its number: that is found through a view, which comes a moment after the fact.
            return (await self.ask("GET", f"/credit/K-{customer}", "fang")).status_code == 200

        await until(known)

    async def ask(
        self,
        method: str,
        path: str,
        person: str,
        body: Any = None,
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)}"}
        headers["Prefer"] = f"wait={PATIENCE}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, path, json=body, headers=headers)

    async def upload(self, content: bytes, digest: str) -> None:
        headers = {"Authorization": f"Bearer {issue_token(self.settings.secret(TOKEN_ISSUER), 'sales', 5)}"}
        answer = await self.http.post("/files", files={"file": ("证件.pdf", content)}, headers=headers)
        assert (answer.status_code, answer.json().get("digest")) == (201, digest), answer.text

    async def do(self, path: str, person: str, body: Any = None, *, method: str = "POST") -> Any:
        """A command on a qualification as it stands now; it has to be carried out."""
        thing = "/".join(path.split("/")[:3])
        version = (await self.show(thing, person)).headers["etag"].strip('"')
        response = await self.ask(method, path, person, body, version=int(version))
        assert response.status_code == 200, response.text
        return response.json()

    async def show(self, path: str, person: str) -> httpx2.Response:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response

    async def draft(self, customer: str, form: dict[str, Any] | None = None) -> str:
        body = {"customer": customer, "form": form_body() if form is None else form}
        response = await self.ask("POST", "/qualifications", "sales", body)
        assert response.status_code == 201, response.text
        return f"/qualifications/{response.json()['id']}"

    async def submitted(self, customer: str) -> str:
        await self.register(customer)
        path = await self.draft(customer)
        await self.do(f"{path}/submit", "sales")
        return path

    async def sign(self, path: str, step: str, **more: Any) -> httpx2.Response:
        digest = (await self.show(path, CHAIN[step])).json()["bundle"]["digest"]
        return await self.ask("POST", f"{path}/pass", CHAIN[step], {"step": step, "digest": digest, **more})

    async def approved(self, customer: str) -> str:
        path = await self.submitted(customer)
        for step in CHAIN:
            response = await self.sign(path, step)
            assert response.status_code == 200, response.text
        return path

    async def waiting_for(self, person: str) -> list[str]:
        rows = (await self.show("/qualifications?waiting_for=me", person)).json()["items"]
        return [row["customer"] for row in rows]

    @property
    def today(self) -> date:
        return calendar.today(self.assembly.running.clock.now())

    def agreement(self, **other: Any) -> dict[str, Any]:
        today = self.today.isoformat()
        body = {"signed_on": today, "valid_from": today, "file_digest": SCAN_DIGEST.upper(), "ours": "wang"}
        return {**body, "theirs": {"name": "李四", "title": "总经理"}, **other}


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    nothing = tmp_path_factory.mktemp("no-migrations")
    registry = Service("customer-registry", "r", [Feature("published", categories=[STAFF, DOSSIERS])], nothing)
    database = await platform.postgres.create_database(services=[registry, vetting])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        running = await stack.enter_async_context(connect(registry, settings))
        relay = Relay(registry, running.store, settings)
        running.wakes.append(relay.wake)
        loop = Loop("relay", relay.run)
        loop.start()
        stack.push_async_callback(loop.stop, 10)
        assembly = await stack.enter_async_context(assemble(vetting, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://vetting"))
        world = World(assembly, running, http, settings)
        for number, (person, (role, department)) in enumerate(PEOPLE.items()):
            appointed = StaffMemberAppointed(person=person, number=str(number), name=person, department=department)
            granted = RoleGranted(person=person, role=role, department=department, granted_by="admin")
            await world.publish(STAFF, person, appointed, granted)
        await world.publish(STAFF, "leaving", DepartureStarted(person="leaving", last_day=date(2099, 1, 1)))

        async def known() -> bool:
            return bool(await assembly.running.pool.fetchval("SELECT last_day FROM staff WHERE person = 'leaving'"))

        await until(known)
        await world.upload(SCAN, SCAN_DIGEST)
        yield world


async def test_from_draft_to_active_agent(world: World) -> None:
    """The whole of R3.1.3, each step by the person whose it is, who finds it on their own worklist."""
    await world.register("agent")
    path = await world.draft("agent", {"scope": "销售"})
    incomplete = await world.ask("POST", f"{path}/submit", "sales", version=1)
    assert incomplete.status_code == 422
    problem = incomplete.json()
    assert (problem["code"], problem["clause"]) == ("incomplete", "R3.1.2")
    assert {"channel", "documents.business_licence"} <= {error["field"] for error in problem["errors"]}

    assert (await world.ask("PUT", f"{path}/form", "sales", form_body())).status_code == 428
    await world.do(f"{path}/form", "sales", form_body(), method="PUT")
    assert (await world.ask("PUT", f"{path}/form", "sales", form_body(), version=1)).status_code == 409
    assert await world.waiting_for("sales") == ["agent"]
    await world.do(f"{path}/submit", "sales")
    assert await world.waiting_for("sales") == []

    for step, person in CHAIN.items():
        waiting = {name: await world.waiting_for(name) for name in CHAIN.values()}
        assert waiting == {name: ["agent"] if name == person else [] for name in CHAIN.values()}
        shown = (await world.show(path, person)).json()
        assert (shown["step"], shown["may_sign"]) == (step, True)
        assert not (await world.show(path, "sales")).json()["may_sign"]
        assert (await world.sign(path, step)).status_code == 200

    shown = (await world.show("/customers/K-agent/qualification", "sales")).json()
    assert (shown["status"], shown["approved_on"]) == ("approved", world.today.isoformat())
    assert [(one["step"], one["signed_by"], one["holds"]) for one in shown["sign_offs"]] == [
        (step, person, True) for step, person in CHAIN.items()
    ]
    satisfied = {one["requirement"]: one["document"] for one in shown["bundle"]["satisfied"]}
    assert (satisfied["tax_registration"], satisfied["account_opening_permit"]) == ("business_licence", "basic_account")

    await world.do(f"{path}/agreement", "sales", world.agreement())
    shown = (await world.show(path, "sales")).json()
    assert (shown["status"], shown["agreement"]["theirs"]) == ("active", "李四")
    row = next(row for row in (await world.show("/qualifications?status=active", "mei")).json()["items"])
    assert (row["number"], row["activated_on"]) == ("K-agent", world.today.isoformat())


async def test_the_approval_makes_the_payer_a_unit_of_its_own(world: World) -> None:
    """Two customers name one identity: it is one unit, linked with both (R3.1.1)."""
    standing = (await world.show("/customers/K-agent/standing", "sales")).json()
    assert standing["may_order"], standing
    (payer,) = standing["payers"]
    assert (payer["number"][:2], payer["default"], payer["suspended"]) == ("JS", True, False)
    assert {paper["type"] for paper in standing["papers"]} >= {"business_licence", "taxpayer_query"}
    by_identity = (await world.show(f"/settlement-units/{USCC}", "sales")).json()
    assert by_identity["unit"] == payer["unit"]
    assert [one["customer"] for one in by_identity["customers"]] == ["agent"]
    assert (await world.show(f"/settlement-units/{payer['number']}", "auditor")).json()["account"] == "3*********01"

    third = form_body()
    third["settlement_unit"]["identity"] = "9144030071526726XG"
    third["settlement_unit"]["name"] = "深圳丙丁供应链有限公司"
    paper = third["documents"][0]
    third["settlement_unit"]["documents"] = [paper | {"number": "9144030071526726XG"}]
    third["documents"].append(paper | {"type": "three_party_agreement", "number": "1", "issued_on": "2026-11-02"})
    for customer in ("pays-1", "pays-2"):
        await world.register(customer)
        path = await world.draft(customer, third)
        await world.do(f"{path}/submit", "sales")
        for step in CHAIN:
            assert (await world.sign(path, step)).status_code == 200
        assert not (await world.show(f"/customers/{customer}/standing", "sales")).json()["may_order"]
    shared = (await world.show("/settlement-units/9144030071526726XG", "fang")).json()
    assert {one["customer"] for one in shared["customers"]} == {"pays-1", "pays-2"}
    assert (await world.ask("GET", f"/settlement-units/{shared['unit']}", "west")).status_code == 404

    refused = await world.ask("POST", f"/settlement-units/{shared['unit']}/suspend", "fang", {"reason": "涉诉"})
    assert refused.status_code == 428
    await world.do(f"/settlement-units/{shared['unit']}/suspend", "fang", {"reason": "涉诉"})
    rows = (await world.show("/settlement-units?suspended=true", "fang")).json()["items"]
    assert [(row["unit"], row["customers"]) for row in rows] == [(shared["unit"], 2)]
    bars = (await world.show("/customers/pays-1/standing", "sales")).json()["bars"]
    assert {bar["code"] for bar in bars} == {"not-active", "unit-suspended"}
    await world.do(f"/settlement-units/{shared['unit']}/restore", "fang")
    assert (await world.show("/settlement-units?suspended=true", "fang")).json()["items"] == []
    assert (await world.show("/settlement-units?q=供应链", "fang")).json()["items"][0]["unit"] == shared["unit"]


async def test_a_customer_suspended_by_hand_may_not_order_until_that_is_lifted(world: World) -> None:
    path = "/customers/agent"
    version = int((await world.show(f"{path}/standing", "mei")).headers["etag"].strip('"'))
    refused = await world.ask("POST", f"{path}/suspend", "sales", {"reason": "涉诉"}, version=version)
    assert (refused.status_code, refused.json()["code"]) == (403, "role-required")
    done = await world.ask("POST", f"{path}/suspend", "mei", {"reason": "涉诉"}, version=version)
    assert done.status_code == 200, done.text
    shown = (await world.show(f"{path}/standing", "sales")).json()
    assert (shown["may_order"], [bar["code"] for bar in shown["bars"]]) == (False, ["suspended"])
    stale = await world.ask("POST", f"{path}/lift-suspension", "fang", {"reason": "和解"}, version=version)
    assert stale.status_code == 409
    version = done.json()["version"]
    done = await world.ask("POST", f"{path}/lift-suspension", "fang", {"reason": "和解"}, version=version)
    assert done.status_code == 200, done.text
    assert (await world.show("/customers/K-agent/standing", "sales")).json()["may_order"]


async def test_renewed_papers_are_passed_by_vetting_and_finance(world: World) -> None:
    paper = form_body()["documents"][0] | {"valid_until": "2031-01-01"}
    wrong = {"papers": [paper | {"file_digest": "ab" * 32}]}
    refused = await world.ask("POST", "/customers/K-agent/renewals", "sales", wrong)
    assert [(one["field"], one["code"]) for one in refused.json()["errors"]] == [
        ("papers.0.file_digest", "file-missing")
    ]
    handed_in = await world.ask("POST", "/customers/K-agent/renewals", "sales", {"papers": [paper]}, key="renew-1")
    assert handed_in.status_code == 201, handed_in.text
    again = await world.ask("POST", "/customers/K-agent/renewals", "sales", {"papers": [paper]}, key="renew-1")
    assert again.json() == handed_in.json()
    path = f"/renewals/{handed_in.json()['id']}"

    async def waiting(person: str) -> list[str]:
        rows = (await world.show("/renewals?waiting_for=me", person)).json()["items"]
        return [row["renewal"] for row in rows]

    for step, person in (("vetting", "vera"), ("finance", "fang")):
        assert {name: bool(await waiting(name)) for name in ("vera", "fang")} == {
            name: name == person for name in ("vera", "fang")
        }
        assert (await world.ask("POST", f"{path}/pass", person, {"step": step})).status_code == 428
        await world.do(f"{path}/pass", person, {"step": step})
    shown = (await world.show(path, "auditor")).json()
    assert (shown["status"], [one["shown_as"] for one in shown["sign_offs"]]) == ("passed", ["vera", "fang"])
    assert (await world.ask("GET", path, "west")).status_code == 404
    papers = (await world.show("/customers/agent/standing", "sales")).json()["papers"]
    assert [one["last_day"] for one in papers if one["type"] == "business_licence"] == ["2031-01-01"]
    assert (await world.show("/renewals?customer=K-agent&status=passed", "mei")).json()["items"]
    (payer,) = (await world.show("/customers/agent/standing", "sales")).json()["payers"]
    unit = (await world.show(f"/settlement-units/{payer['unit']}", "fang")).json()
    assert [one["last_day"] for one in unit["papers"]] == ["2031-01-01"]
    # It pays for itself: the same licence ends as the customer's and as its payer's.
    rows = (await world.show("/expiring-papers?within_days=3650", "mei")).json()["items"]
    ends = {(row["unit"], row["last_day"]) for row in rows if row["what"] == "business_licence"}
    assert ends == {(None, "2031-01-01"), (payer["unit"], "2031-01-01")}


async def test_an_active_customer_is_qualified_anew_and_its_agreement_renewed(world: World) -> None:
    former = await world.approved("anew")
    await world.do(f"{former}/agreement", "sales", world.agreement())

    async def drafted() -> bool:
        answer = await world.ask("POST", "/qualifications", "sales", {"customer": "anew", "form": form_body()})
        return answer.status_code == 201

    await until(drafted)
    path = f"/qualifications/{(await world.show('/customers/anew/qualification', 'sales')).json()['qualification']}"
    await world.do(f"{path}/submit", "sales")
    for step in CHAIN:
        assert (await world.show("/customers/anew/standing", "sales")).json()["may_order"]
        assert (await world.sign(path, step)).status_code == 200
    assert (await world.show(path, "sales")).json()["status"] == "active"
    assert (await world.show(former, "sales")).json()["status"] == "superseded"
    standing = (await world.show("/customers/anew/standing", "sales")).json()
    assert (f"/qualifications/{standing['qualification']}", standing["may_order"]) == (path, True)
    version = int((await world.show("/customers/anew/standing", "sales")).headers["etag"].strip('"'))
    body = world.agreement(valid_until="2040-12-31")
    done = await world.ask("POST", "/customers/anew/agreements", "sales", body, version=version)
    assert done.status_code == 200, done.text
    agreements = (await world.show("/customers/anew/standing", "sales")).json()["agreements"]
    assert [one["in_force"] for one in agreements] == [True, True]


async def test_what_ends_and_who_is_suspended_are_worklists_and_files(world: World) -> None:
    rows = (await world.show("/expiring-papers?within_days=3650&waiting_for=me", "sales")).json()["items"]
    assert ("K-agent", "business_licence", None) in {(row["number"], row["what"], row["unit"]) for row in rows}
    assert all(not row["over"] for row in rows)
    assert (await world.show("/expiring-papers?within_days=3650", "west")).json()["items"] == []
    assert (await world.show("/expiring-papers?state=over", "fang")).json()["items"] == []
    found: list[str] = []
    following: str | None = "/expiring-papers?within_days=3650&limit=2"
    while following:
        page = (await world.show(following, "fang")).json()
        found += [row["key"] for row in page["items"]]
        following = page["next"]
    assert len(found) == len(set(found)) >= 3

    version = int((await world.show("/customers/agent/standing", "mei")).headers["etag"].strip('"'))
    done = await world.ask("POST", "/customers/agent/suspend", "mei", {"reason": "涉诉"}, version=version)
    rows = (await world.show("/suspended-customers?cause=by_hand", "fang")).json()["items"]
    assert [(row["number"], row["bars"]) for row in rows] == [("K-agent", ["by_hand"])]
    assert (await world.show("/suspended-customers", "west")).json()["items"] == []
    for path in ("/suspended-customers/export", "/expiring-papers/export"):
        assert (await world.ask("GET", path, "fang")).json()["code"] == "reason-required"
        assert (await world.ask("GET", path, "leaving")).status_code == 403
        headers = {"Authorization": f"Bearer {issue_token(world.settings.secret(TOKEN_ISSUER), 'fang', 5)}"}
        file = await world.http.get(path, headers=headers | {"Kehu-Reason": "quarterly"})
        assert (file.status_code, file.content[:2]) == (200, b"PK")
    version = done.json()["version"]
    await world.ask("POST", "/customers/agent/lift-suspension", "mei", {"reason": "和解"}, version=version)
    assert (await world.show("/suspended-customers", "fang")).json()["items"] == []
    standing = (await world.show("/customers/agent/standing", "fang")).json()
    assert (standing["credit"]["rating"], standing["credit_concluded_on"]) == ("good", world.today.isoformat())


async def test_the_lists_go_out_as_files_with_a_reason_only(world: World) -> None:
    """What stands in them is text, whatever it begins with; nobody who is leaving takes them."""
    await world.register("taken-out", name="=HYPERLINK(1)贸易")
    await world.draft("taken-out")
    reason = {"Kehu-Reason": quote("核对")}
    for path in ("/qualifications", "/settlement-units", "/renewals"):
        assert (await world.ask("GET", f"{path}/export", "mei")).json()["code"] == "reason-required"
        for person, status in (("mei", 200), ("leaving", 403)):
            token = issue_token(world.settings.secret(TOKEN_ISSUER), person, 5)
            headers = {"Authorization": f"Bearer {token}", **reason}
            answer = await world.http.get(f"{path}/export", headers=headers)
            assert answer.status_code == status, (path, answer.text)
    token = issue_token(world.settings.secret(TOKEN_ISSUER), "mei", 5)
    out = await world.http.get(
        "/qualifications/export?status=draft", headers={"Authorization": f"Bearer {token}", **reason}
    )
    rows = CalamineWorkbook.from_filelike(io.BytesIO(out.content)).get_sheet_by_index(0).to_python()
    listed = (await world.show("/qualifications?status=draft&limit=200", "mei")).json()["items"]
    assert [row[0] for row in rows[1:]] == [one["number"] for one in listed]
    assert "=HYPERLINK(1)贸易" in [row[1] for row in rows]
    (fact,) = [one.fact for one in await world.assembly.running.commands.history(EXPORTS, "mei")][-1:]
    assert isinstance(fact, ListExported)
    assert (fact.list, fact.rows, fact.reason) == ("资质审核 Qualifications", len(listed), "核对")


async def test_a_second_one_of_the_same_customer_is_refused_by_name(world: World) -> None:
    await world.register("twice")
    body = {"customer": "K-twice"}
    answers = await asyncio.gather(*(world.ask("POST", "/qualifications", "sales", body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    first = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["evidence"]) == ("qualification-exists", {"qualification": first})
    await world.do(f"/qualifications/{first}/withdraw", "sales", {"reason": "客户放弃"})
    assert (await world.ask("POST", "/qualifications", "sales", body)).status_code == 201


async def test_a_repeated_request_has_one_effect(world: World) -> None:
    await world.register("again")
    body = {"customer": "again", "form": form_body()}
    one = await world.ask("POST", "/qualifications", "sales", body, key="k-1")
    two = await world.ask("POST", "/qualifications", "sales", body, key="k-1")
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json() == two.json()
    other = await world.ask("POST", "/qualifications", "sales", {"customer": "again"}, key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_signature_for_what_has_changed_since_is_refused(world: World) -> None:
    path = await world.submitted("changes")
    assert (await world.sign(path, "vetting")).status_code == 200
    seen = (await world.show(path, "fang")).json()["bundle"]["digest"]
    await world.do(f"{path}/form", "sales", form_body() | {"scope": "销售与服务"}, method="PUT")
    late = await world.ask("POST", f"{path}/pass", "fang", {"step": "vetting", "digest": seen})
    assert (late.status_code, late.json()["code"]) == (403, "role-required")
    late = await world.ask("POST", f"{path}/pass", "vera", {"step": "vetting", "digest": seen})
    assert (late.status_code, late.json()["code"], late.json()["evidence"]["bundle"]) == (409, "bundle-changed", 2)
    shown = (await world.show(path, "vera")).json()
    assert [(one["step"], one["holds"]) for one in shown["sign_offs"]] == [("vetting", False)]

    await world.do(f"{path}/form", "sales", form_body() | {"scope": "销售与服务"}, method="PUT")
    assert (await world.show(path, "vera")).json()["bundle"] == shown["bundle"]


async def test_it_goes_back_with_remarks_and_may_be_refused_for_good(world: World) -> None:
    path = await world.submitted("back")
    found = [{"field": "channel", "text": "渠道已核实"}]
    assert (await world.sign(path, "vetting", findings=found)).status_code == 200
    remarks = [{"field": "legal_representative", "text": "请核对证件"}]
    await world.do(f"{path}/return", "fang", {"step": "finance", "to_step": None, "remarks": remarks})
    assert "back" in await world.waiting_for("sales")
    shown = (await world.show(path, "sales")).json()
    assert (shown["status"], shown["outcomes"][0]["text"]) == ("returned", "legal_representative:请核对证件")
    assert [one["text"] for one in shown["remarks"]] == ["渠道已核实", "请核对证件"]
    await world.do(f"{path}/submit", "sales")
    await world.do(f"{path}/reject", "vera", {"step": "vetting", "reason": "资料不实"})
    assert (await world.show(path, "sales")).json()["status"] == "rejected"


async def test_finances_facts_are_signed_from_its_step_on(world: World) -> None:
    path = await world.submitted("finance")
    for step in ("vetting", "finance", "manager"):
        assert (await world.sign(path, step)).status_code == 200
    facts = {"credit_review": "授信资料已复核", "evidence": "征信查询", "taxpayer_checked_on": "2026-11-01"}
    await world.do(f"{path}/finance-facts", "fang", facts, method="PUT")
    shown = (await world.show(path, "fang")).json()
    assert (shown["step"], shown["bundle"]["number"], shown["finance"]["evidence"]) == ("finance", 2, "征信查询")
    assert [(one["step"], one["holds"]) for one in shown["sign_offs"]] == [
        ("vetting", True),
        ("finance", False),
        ("manager", False),
    ]


async def test_a_change_in_the_dossier_counts_and_another_owner_does_not(world: World) -> None:
    path = await world.submitted("dossier")
    assigned = OwnerAssigned(customer="dossier", owner="other", previous_owner="sales", department="east")
    changed = CustomerChanged(customer="dossier", region="江苏")
    await world.publish(DOSSIERS, "dossier", assigned, changed)

    async def handed_over() -> bool:
        return (await world.ask("GET", path, "other")).status_code == 200

    await until(handed_over)
    assert (await world.ask("GET", path, "sales")).status_code == 404
    assert (await world.sign(path, "vetting")).status_code == 200

    await world.publish(DOSSIERS, "dossier", CustomerChanged(customer="dossier", name="杭州丙丁贸易有限公司"))

    async def renamed() -> bool:
        return (await world.show(path, "fang")).json()["name"] == "杭州丙丁贸易有限公司"

    await until(renamed)

    async def given_back() -> bool:
        return (await world.show(path, "fang")).json()["status"] == "returned"

    await until(given_back)
    shown = (await world.show(path, "other")).json()
    assert [(one["step"], one["holds"]) for one in shown["sign_offs"]] == [("vetting", False)]
    assert "documents.basic_account.issued_on" in [one["field"] for one in shown["lacking"]]
    newer = form_body()
    newer["documents"][1]["issued_on"] = world.today.isoformat()
    await world.do(f"{path}/form", "other", newer, method="PUT")
    await world.do(f"{path}/submit", "other")
    assert (await world.show(path, "fang")).json()["step"] == "vetting"


async def test_what_is_signed_has_its_files(world: World) -> None:
    await world.register("no-file")
    missing = form_body()
    missing["documents"][0]["file_digest"] = "ab" * 32
    path = await world.draft("no-file", missing)
    refused = await world.ask("POST", f"{path}/submit", "sales", version=1)
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [
        ("documents.business_licence.file_digest", "file-missing")
    ]
    approved = await world.approved("no-agreement-file")
    version = int((await world.show(approved, "sales")).headers["etag"].strip('"'))
    body = world.agreement(file_digest="cd" * 32)
    refused = await world.ask("POST", f"{approved}/agreement", "sales", body, version=version)
    assert (refused.status_code, refused.json()["code"]) == (422, "file-missing")


async def test_lists_show_what_one_may_see_filtered_and_paged(world: World) -> None:
    async def customers(path: str, person: str) -> set[str]:
        return {row["customer"] for row in (await world.show(path, person)).json()["items"]}

    everybodys = await customers("/qualifications", "fang")
    assert {"agent", "twice", "again", "changes", "back", "finance", "dossier"} <= everybodys
    assert await customers("/qualifications", "mei") == everybodys
    assert await customers("/qualifications", "west") == set()
    assert (await world.ask("GET", "/qualifications", "leaving")).json()["code"] == "departing"
    assert await customers("/qualifications", "other") == {"dossier"}
    assert await customers("/qualifications?status=rejected", "wang") == {"back"}
    assert await customers("/qualifications?step=finance&department=east", "wang") == {"finance"}
    found: list[str] = []
    following: str | None = "/qualifications?limit=3"
    while following:
        page = (await world.show(following, "wang")).json()
        found += [row["qualification"] for row in page["items"]]
        following = page["next"]
    assert found == sorted(found, reverse=True)
    assert len(found) == len(set(found)) >= 7


async def test_auditors_see_people_in_outline_and_strangers_see_nothing(world: World) -> None:
    shown = (await world.show("/customers/agent/qualification", "auditor")).json()
    assert shown["form"]["legal_representative"]["name"] == "王**"
    assert shown["form"]["legal_representative"]["id_number"] == "1***************11"
    assert shown["agreement"]["theirs"] == "李*"
    full = (await world.show("/customers/agent/qualification", "fang")).json()
    assert full["form"]["legal_representative"]["name"] == "王小明"
    assert "blind" not in full["form"]["legal_representative"]
    for stranger, status in (("other", 404), ("west", 404), ("leaving", 403)):
        assert (await world.ask("GET", "/customers/agent/qualification", stranger)).status_code == status
    refused = await world.ask("POST", "/credit/agent/incidents", "auditor", _incident(world))
    assert refused.status_code == 403


async def test_nothing_about_a_person_is_stored_in_the_open(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        rows = await owner.fetch("SELECT data::text || metadata::text AS stored FROM event_store.events")
        rows += await owner.fetch("SELECT value || coalesce(answer::text, '') AS stored FROM event_store.claims")
    finally:
        await owner.close()
    everything = "".join(row["stored"] for row in rows)
    assert FILE.name in everything
    for secret in ("王小明", "110101199003070011", "李四"):
        assert secret not in everything


def _incident(world: World, **other: Any) -> dict[str, Any]:
    day = (world.today - timedelta(days=3)).isoformat()
    return {"occurred_on": day, "description": "拖欠货款", "evidence": "对账单", "amount_fen": 500_000, **other}


async def test_finance_records_settles_and_takes_back_bad_credit(world: World) -> None:
    await world.register("debtor", name="杭州戊己贸易有限公司")
    assert (await world.show("/credit/debtor", "sales")).json()["incidents"] == []
    refused = await world.ask("POST", "/credit/debtor/incidents", "sales", _incident(world))
    assert (refused.status_code, refused.json()["clause"]) == (403, "R5.2")
    tomorrow = (world.today + timedelta(days=1)).isoformat()
    late = await world.ask("POST", "/credit/debtor/incidents", "fang", _incident(world, occurred_on=tomorrow))
    assert (late.status_code, late.json()["code"]) == (422, "date-in-future")
    unknown = await world.ask("POST", "/credit/nobody/incidents", "fang", _incident(world))
    assert unknown.status_code == 404

    recorded = await world.ask("POST", "/credit/K-debtor/incidents", "fang", _incident(world))
    assert recorded.status_code == 201, recorded.text
    path = f"/credit/debtor/incidents/{recorded.json()['incident']}"
    settled = {"resolved_on": world.today.isoformat(), "evidence": "银行回单"}
    assert (await world.ask("POST", f"{path}/resolve", "fang", settled)).status_code == 428
    assert (await world.ask("POST", f"{path}/resolve", "fang", settled, version=1)).status_code == 200
    (shown,) = (await world.show("/credit/debtor", "sales")).json()["incidents"]
    assert (shown["status"], shown["resolution"], shown["recorded_by"]) == ("resolved", "银行回单", "fang")
    assert (await world.ask("POST", f"{path}/withdraw", "fang", {"reason": "误记"}, version=2)).status_code == 200
    rows = (await world.show("/credit?status=withdrawn", "mei")).json()["items"]
    assert [row["number"] for row in rows] == ["K-debtor"]
    assert (await world.show("/credit", "west")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/qualifications", {}, "body.customer"),
        ("/qualifications", {"customer": "agent", "horoscope": 1}, "body.horoscope"),
        ("/qualifications", {"customer": "agent", "form": {"capital_fen": -1}}, "body.form.capital_fen"),
        ("/qualifications", {"customer": "agent", "form": {"capital_fen": "1"}}, "body.form.capital_fen"),
        ("/qualifications", {"customer": "agent", "form": {"scope": "\u202e"}}, "body.form.scope"),
        (
            "/qualifications",
            {"customer": "agent", "form": {"documents": [{"type": "x", "file_digest": "zz"}]}},
            "body.form.documents.0.file_digest",
        ),
        (
            "/credit/agent/incidents",
            {"occurred_on": "2026-02-30", "description": "x", "evidence": "y"},
            "body.occurred_on",
        ),
        (
            "/credit/agent/incidents",
            {"occurred_on": "2026-02-01", "description": " ", "evidence": "y"},
            "body.description",
        ),
    ],
)
async def test_bad_input_is_told_by_field(world: World, path: str, body: dict[str, Any], field: str) -> None:
    answer = await world.ask("POST", path, "fang", body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


async def test_a_payers_code_with_a_wrong_digit_is_refused(world: World) -> None:
    wrong = form_body()
    wrong["settlement_unit"]["identity"] = "91110000600037341K"
    answer = await world.ask("POST", "/qualifications", "sales", {"customer": "agent", "form": wrong})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "uscc_check_digit"


async def test_the_list_of_papers_can_be_asked_for(world: World) -> None:
    found = (await world.show("/required-documents", "sales")).json()
    assert "power_of_attorney" in [one["code"] for one in found["types"]]
    assert set(found["required_of"]) == set(CustomerKind)


async def test_views_rebuilt_from_the_log_are_what_they_were(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in (
            "customer_files",
            "qualifications",
            "credit_incidents",
            "settlement_units",
            "standings",
            "renewals",
            "ends",
            "settlement_unit_ends",
        ):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same, view
    finally:
        await owner.close()


async def test_other_systems_read_the_activation_as_a_cloudevent(world: World) -> None:
    consumer = AIOKafkaConsumer(
        vetting.topic, bootstrap_servers=world.settings.brokers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    told: list[tuple[str, Any]] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not any(kind == "kehu.AgentActivated.v1" for kind, _ in told):
                record = await consumer.getone()
                headers = {name: value.decode() for name, value in record.headers}
                if record.key == b"agent":
                    told.append((headers["ce_type"].split(".")[1], json.loads(record.value or b"")))
                    if headers["ce_type"] == "kehu.AgentActivated.v1":
                        break
    finally:
        await consumer.stop()
    assert [kind for kind, _ in told] == [
        "QualificationSubmitted",
        *["QualificationStepPassed"] * 5,
        "QualificationApproved",
        "SettlementUnitLinked",
        "AgreementSigned",
        "AgentActivated",
    ]
    activated = told[-1][1]
    assert (activated["customer"], activated["agent"], activated["department"]) == ("agent", True, "east")


async def test_an_agreement_signed_ahead_activates_on_its_first_day(world: World) -> None:
    """The last test of the module: it moves the clock."""
    path = await world.approved("ahead")
    first_day = world.today + timedelta(days=2)
    await world.do(f"{path}/agreement", "gao", world.agreement(valid_from=first_day.isoformat()))
    assert (await world.show(path, "sales")).json()["status"] == "signed"
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        ahead = calendar.start_of_day(first_day) - world.assembly.running.clock.now() + timedelta(minutes=1)
        await clock.advance(owner, ahead, demonstration=True)
    finally:
        await owner.close()

    async def active() -> bool:
        return (await world.show(path, "sales")).json()["status"] == "active"

    await until(active)
    rows = (await world.show("/qualifications?status=active", "sales")).json()["items"]
    assert first_day.isoformat() in [row["activated_on"] for row in rows]


# --- printed, and files --------------------------------------------------------------------------------------------


async def test_f1_is_printed_for_who_may_see_it_and_recorded(world: World) -> None:
    path = await world.submitted("printed")
    own = await world.ask("GET", f"{path}/print?format=pdf", "sales")
    assert (own.status_code, own.headers["content-type"], own.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert "attachment" in own.headers["content-disposition"]
    other = await world.ask("GET", f"{path}/print?format=docx", "vera")
    assert (other.status_code, other.json()["code"]) == (422, "reason-required")
    for person, status in (("west", 404), ("leaving", 403)):
        assert (await world.ask("GET", f"{path}/print?format=pdf", person)).status_code == status
    assert (await world.ask("GET", f"{path}/print?format=exe", "sales")).status_code == 422
    reason = {"Kehu-Reason": quote("签批用")}
    for person in ("vera", "auditor"):
        token = issue_token(world.settings.secret(TOKEN_ISSUER), person, 5)
        answer = await world.http.get(
            f"{path}/print?format=docx", headers={"Authorization": f"Bearer {token}", **reason}
        )
        assert answer.status_code == 200, answer.text
        text = "".join(docx.Document(io.BytesIO(answer.content)).element.itertext())
        assert ("王小明" in text) is (person == "vera")
    for person, why, masked in (("sales", None, False), ("vera", "签批用", False), ("auditor", "签批用", True)):
        (fact,) = [one.fact for one in await world.assembly.running.commands.history(printings("vetting"), person)]
        assert isinstance(fact, FormPrinted)
        assert (fact.form, fact.of, fact.reason, fact.masked) == ("F1", "K-printed", why, masked)


async def test_a_scan_is_read_by_who_sees_the_customer_of_the_form_that_names_it(world: World) -> None:
    await world.register("scanned")
    token = issue_token(world.settings.secret(TOKEN_ISSUER), "sales", 5)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", b"x"), (b"IEND", b""))
    )
    headers = {"Authorization": f"Bearer {token}"}
    uploaded = await world.http.post("/files", files={"file": ("执照.png", png, "image/png")}, headers=headers)
    assert uploaded.status_code == 201, uploaded.text
    file = f"/files/{uploaded.json()['digest']}"
    assert (await world.ask("GET", file, "vera")).status_code == 404
    form = form_body()
    form["documents"][0]["file_digest"] = uploaded.json()["digest"]
    await world.draft("scanned", form)
    found = await world.ask("GET", file, "vera")
    assert (found.status_code, found.content) == (200, png)
    assert (await world.ask("GET", file, "west")).status_code == 404
    assert (await world.ask("GET", file, "auditor")).json()["code"] == "reason-required"
