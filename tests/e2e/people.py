"""The words that scenarios are told in: people who do, may not, find and are told things, and their customers.

A scenario has a department of its own with its own people (`World`), so it runs in any order and beside whatever else
the system holds. Nobody sleeps: what another service has to hear of first is asked for until it is there.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import docx
import httpx2
from journeys import CHAIN_ROLES, E, G, Installation, N, R, V, fields, qualification_form, uscc, wait_until
from python_calamine import CalamineWorkbook

from kehu.ids import new_id
from kehu.scripts import contains

#: Lists and views of the service that was asked are up to date when it answers, or after so many seconds.
SETTLED = {"Prefer": "wait=20"}
PROBLEM = "application/problem+json"
#: Whoever reads for everybody: the version that an edit names is no secret.
READER = "auditor"


def thing_of(path: str) -> str:
    """Where the thing is read whose version an edit at this address names."""
    parts = path.split("?", maxsplit=1)[0].split("/")
    match parts[1:]:
        case ["customers", customer, "visits", visit, *_]:
            return f"/customers/{customer}/visits/{visit}"
        case ["customers", customer, *_]:
            return f"/customers/{customer}/standing"
        case ["monthly-reports", department, month, *_]:
            return f"/monthly-reports/{department}/{month}"
        case _:
            return "/".join(parts[:3])


@dataclass(frozen=True)
class Person:
    """Somebody at work.

    Args:
        at: the running system.
        id: as in their token.

    """

    at: Installation
    id: str

    async def send(
        self, service: str, path: str, body: Any = None, *, method: str = "POST", **headers: str
    ) -> httpx2.Response:
        """A command, with the version that it was made from where that is asked for."""
        sent = SETTLED | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.at.system.send(self.id, service, method, path, body=body, headers=sent)
        if answer.status_code == httpx2.codes.PRECONDITION_REQUIRED:
            sent["If-Match"] = await self.at.system.etag(READER, service, thing_of(path))
            answer = await self.at.system.send(self.id, service, method, path, body=body, headers=sent)
        return answer

    async def does(self, service: str, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Any:
        """A command that is carried out; what is answered."""
        answer = await self.send(service, path, body, method=method, **headers)
        assert answer.is_success, f"{self.id} {method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def eventually_does(self, service: str, path: str, body: Any = None) -> Any:
        """The same, once the service has heard from another one of what it is about."""
        answer = await wait_until(lambda: self.send(service, path, body), lambda answer: answer.is_success)
        return answer.json()

    async def may_not(
        self,
        service: str,
        path: str,
        body: Any = None,
        *,
        code: str,
        clause: str | None,
        method: str = "POST",
        **headers: str,
    ) -> dict[str, Any]:
        """A command that is refused: by this code and clause, saying in Chinese what is wrong; the problem."""
        answer = await self.send(service, path, body, method=method, **headers)
        told = f"{self.id} {method} {path}: {answer.status_code} {answer.text}"
        assert httpx2.codes.is_client_error(answer.status_code), told
        assert answer.headers["content-type"] == PROBLEM, told
        problem: dict[str, Any] = answer.json()
        assert (problem["code"], problem.get("clause")) == (code, clause), told
        assert problem["type"] == f"urn:kehu:problem:{code}", told
        # What to do next stands in the policy's own sentence, or beside it. A right says whose it is.
        assert _says_what_next(problem), told
        return problem

    async def eventually_refused(self, service: str, path: str, body: Any, *, code: str) -> dict[str, Any]:
        """A command that is refused for this reason once the service has heard of it; for others until then."""
        answer = await wait_until(
            lambda: self.send(service, path, body),
            lambda answer: answer.is_success or answer.json().get("code") == code,
        )
        assert not answer.is_success, f"{self.id} {path}: {answer.text}"
        problem: dict[str, Any] = answer.json()
        return problem

    async def sees(self, service: str, path: str) -> Any:
        """What they read."""
        return await self.at.get(self.id, service, path)

    async def cannot_see(self, service: str, path: str) -> None:
        """There is nothing there for them."""
        answer = await self.at.system.send(self.id, service, "GET", path)
        assert answer.status_code in (httpx2.codes.FORBIDDEN, httpx2.codes.NOT_FOUND), answer.text

    async def eventually_sees(self, service: str, path: str, **members: Any) -> Any:
        """What they read once it has these members."""
        return await self.at.eventually(self.id, service, path, **members)

    async def rows(self, service: str, path: str) -> list[dict[str, Any]]:
        """A whole list, page by page."""
        found: list[dict[str, Any]] = []
        following: str | None = path + ("&" if "?" in path else "?") + "limit=200"
        while following:
            page = await self.sees(service, following)
            found += page["items"]
            following = page.get("next")
        return found

    async def finds(self, service: str, path: str, **members: Any) -> dict[str, Any]:
        """The first row of a list that has these members, once it is there."""
        rows = await wait_until(
            lambda: self.rows(service, path), lambda rows: any(contains(row, members) for row in rows)
        )
        return next(row for row in rows if contains(row, members))

    async def misses(self, service: str, path: str, **members: Any) -> None:
        """No row of a list has these members, once what took it off has arrived."""
        await wait_until(lambda: self.rows(service, path), lambda rows: not any(contains(row, members) for row in rows))

    async def is_told(self, template: str, *, customer: Customer | None = None, **members: Any) -> dict[str, Any]:
        """The notifier's ledger has a message of this kind to them; its entry, which names the fact that is the reason.

        Whether it has left yet is the hour's to say: at night it is held.
        """
        about = f"&customer={customer.id}" if customer else ""
        return await self.finds(N, f"/messages?recipient={self.id}&template={template}{about}", **members)

    async def prints(self, service: str, path: str, reason: str = "") -> str:
        """A form as PDF, and what stands on the same form as docx."""
        headers = {"Kehu-Reason": quote(reason)} if reason else {}
        ask = "&" if "?" in path else "?"
        pdf = await self.at.system.send(self.id, service, "GET", f"{path}{ask}format=pdf", headers=headers)
        assert pdf.content.startswith(b"%PDF"), pdf.text
        word = await self.at.system.send(self.id, service, "GET", f"{path}{ask}format=docx", headers=headers)
        assert word.is_success, word.text
        return text_of(word.content)

    async def exports(self, service: str, path: str, reason: str) -> list[list[Any]]:
        """A list as Excel, with the reason that is recorded; its rows, the columns' names first."""
        answer = await self.at.system.send(self.id, service, "GET", path, headers={"Kehu-Reason": quote(reason)})
        assert answer.is_success, answer.text
        return CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()

    async def hands_in(self, service: str, content: str) -> str:
        """Hand a file of this content in; its digest."""
        return await self.at.upload(self.id, service, content)


#: A refusal says what to do, what has to be first, or whose it is.
#: Or there is nothing to do any more.
_DONE_ALREADY = ("already-proved", "already-suspended", "collected", "voided")
_DIRECTIONS = ("请", "须", "只有", "只能", "由", "才能", "应", "方可", "等待", "严格按顺序", "无需")


def _says_what_next(problem: dict[str, Any]) -> bool:
    said = problem["detail"] + (problem.get("next") or "")
    nothing_to_do = problem["status"] == httpx2.codes.NOT_FOUND or problem["code"] in _DONE_ALREADY
    return nothing_to_do or any(word in said for word in _DIRECTIONS)


def text_of(word: bytes) -> str:
    """Everything that a docx says: paragraphs, tables in tables, heads and feet."""
    document = docx.Document(io.BytesIO(word))
    parts = [document.element.body]
    for section in document.sections:
        parts += [section.header._element, section.footer._element]
    return "\n".join("".join(part.itertext()) for part in parts)


@dataclass
class Customer:
    """A customer of a scenario, as its people know it.

    Args:
        world: whose.
        owner: its salesperson.
        name: invented.
        identity: a valid USCC of its own.

    """

    world: World
    owner: Person
    name: str
    identity: str
    id: str = ""
    number: str = ""
    qualification: str = ""

    @property
    def dossier(self) -> str:
        """Its address in the registry."""
        return f"/dossiers/{self.id}"

    @property
    def f1(self) -> str:
        """The address of its qualification."""
        return f"/qualifications/{self.qualification}"

    async def is_drafted(self) -> None:
        """First contact: a name and a department."""
        body = {"name": self.name, "department": self.world.department}
        answer = await self.owner.does(R, "/dossiers", body)
        self.id, self.number = answer["id"], answer["number"]

    async def is_filled_in(self, kind: str = "provincial_agent", **more: Any) -> None:
        """F4 with everything that it takes to submit it."""
        await self.owner.does(R, self.dossier, fields(self.identity, kind) | more, method="PATCH")

    async def is_submitted(self) -> None:
        """F4 handed in for review."""
        await self.owner.does(R, f"{self.dossier}/submit")

    async def is_passed(self) -> None:
        """Archived by the department's manager."""
        await self.world.zhao.does(R, f"{self.dossier}/pass")

    async def form(self, **more: Any) -> dict[str, Any]:
        """F1 with everything that a company needs."""
        taxpayer_checked = (await self.world.at.today() - timedelta(days=10)).isoformat()
        return await qualification_form(self.owner.hands_in, self.name, self.identity, taxpayer_checked) | more

    async def is_proposed(self, **more: Any) -> None:
        """F1 drafted and handed in by its salesperson, once vetting knows the customer."""
        body = {"customer": self.id, "form": await self.form(**more)}
        self.qualification = (await self.owner.eventually_does(V, "/qualifications", body))["id"]
        await self.owner.does(V, f"{self.f1}/submit")

    async def signature(self, step: str) -> dict[str, Any]:
        """What somebody signs with: the step, and the digest of the bundle as it is shown to them."""
        return {"step": step, "digest": (await self.owner.sees(V, self.f1))["bundle"]["digest"]}

    async def is_signed(self, *steps: str) -> None:
        """These steps of the chain, each by whose it is."""
        for step in steps:
            await self.world.signer(step).does(V, f"{self.f1}/pass", await self.signature(step))

    async def agreement(self, valid_until: date | None = None) -> dict[str, Any]:
        """An agreement that is signed today."""
        today = (await self.world.at.today()).isoformat()
        return {
            "signed_on": today,
            "valid_from": today,
            "valid_until": valid_until.isoformat() if valid_until else None,
            "file_digest": await self.owner.hands_in(V, f"agreement {new_id()}"),
            "ours": self.world.zhao.id,
            "theirs": {"name": "刘建国", "title": "总经理"},
        }

    async def standing(self) -> dict[str, Any]:
        """How it stands in vetting: papers, payers, what bars orders."""
        return await self.owner.sees(V, f"/customers/{self.id}/standing")

    async def unit(self) -> str:
        """Its default settlement unit."""
        linked = (await self.standing())["payers"]
        return next(one["unit"] for one in linked if one["default"])


#: Posts of the whole company that the sample company has one person for, and a scenario of four eyes needs more of.
SECONDS = (("fei", "finance"), ("qin", "finance"), ("tong", "market_dept"), ("store", "warehouse"))
ADMINS = ("admin", "admin2")


@dataclass
class World:
    """A department of its own, with its manager, its vetter and two salespeople, in a company that everybody shares.

    Args:
        at: the running system.
        tag: makes everything that the scenario makes its own.

    """

    at: Installation
    tag: str = field(default_factory=lambda: new_id().hex[-8:])
    made: int = 0

    def __post_init__(self) -> None:
        """Name everybody; `opens` appoints them."""
        self.department = f"d{self.tag}"
        self.li, self.wang, self.zhao, self.sun = (self.person(f"{who}.{self.tag}") for who in DEPARTMENT)
        self.fin, self.fei, self.qin = (self.person(who) for who in ("fin", "fei", "qin"))
        self.office, self.boss, self.hr = (self.person(who) for who in ("office", "boss", "hr"))
        self.market, self.tong = (self.person(who) for who in ("market", "tong"))
        self.store, self.auditor = (self.person(who) for who in ("store", "auditor"))
        self.admin, self.admin2 = (self.person(who) for who in ADMINS)

    def person(self, who: str) -> Person:
        """Somebody by their id."""
        return Person(self.at, who)

    async def opens(self) -> World:
        """The department is opened and its people take their posts; known to every service before anybody acts."""
        department = {"code": self.department, "name": f"营销部 {self.tag}", "region": "安徽"}
        await self.admin.does(R, "/departments", department)
        people = await asyncio.gather(*(self.hires(who, role) for who, role in DEPARTMENT.items()))
        await self.known(*people)
        return self

    async def hires(self, who: str, *roles: str, department: str | None = "") -> Person:
        """Somebody new, with these roles in the scenario's department (or in the one named)."""
        person = self.person(f"{who}.{self.tag}")
        place = self.department if department == "" else department
        appointment = {"person": person.id, "number": f"{who}-{self.tag}", "name": who.title(), "department": place}
        await self.admin.does(R, "/staff", appointment)
        for role in roles:
            await self.admin.does(R, f"/staff/{person.id}/roles", {"role": role, "department": place})
        return person

    async def another_department(self) -> str:
        """One more department, without people; its code."""
        code = f"n{self.tag}"
        await self.admin.does(R, "/departments", {"code": code, "name": f"邻部 {self.tag}", "region": "江苏"})
        return code

    async def known(self, *people: Person) -> None:
        """Wait until every service knows of these people: of each it is asked what only the staff may read."""

        async def knows(service: str, person: Person) -> None:
            await wait_until(
                lambda: self.at.system.send(person.id, service, "GET", "/policies"), lambda answer: answer.is_success
            )

        await asyncio.gather(*(knows(service, person) for service in (V, G, E, N) for person in people))

    def signer(self, step: str) -> Person:
        """Who signs a step of the chain here (R3.1.3)."""
        return {
            "vetting": self.sun,
            "finance": self.fin,
            "manager": self.zhao,
            "registration": self.office,
            "general_manager": self.boss,
        }[step]

    def customer(self, owner: Person | None = None, name: str = "") -> Customer:
        """Somebody who could become a customer, before first contact."""
        self.made += 1
        number = int(new_id().hex[-12:], 16) % 10_000_000
        named = name or f"场景阀门{self.tag}{self.made}有限公司"
        return Customer(self, owner or self.li, named, uscc(number))

    async def prospect(self, owner: Person | None = None) -> Customer:
        """A customer in draft, complete."""
        customer = self.customer(owner)
        await customer.is_drafted()
        await customer.is_filled_in()
        return customer

    async def registered(self, owner: Person | None = None, kind: str = "provincial_agent", **more: Any) -> Customer:
        """A registered customer that vetting knows."""
        customer = self.customer(owner)
        await customer.is_drafted()
        await customer.is_filled_in(kind, **more)
        await customer.is_submitted()
        await customer.is_passed()
        return customer

    async def active(self, owner: Person | None = None, *, until: date | None = None, **form: Any) -> Customer:
        """A customer that has come through the whole chain, to its signed agreement."""
        customer = await self.registered(owner)
        await customer.is_proposed(**form)
        await customer.is_signed(*CHAIN_ROLES)
        await customer.owner.does(V, f"{customer.f1}/agreement", await customer.agreement(until))
        return customer

    async def facts(self, customer: Customer) -> list[dict[str, Any]]:
        """Everything recorded about a customer in all services, as `kehu audit` tells an auditor."""
        told = await self.at.kehu("audit", "customer", customer.id, "--json", "--limit", "1000")
        return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


DEPARTMENT = {"li": "salesperson", "wang": "salesperson", "zhao": "dept_manager", "sun": "vetter"}


async def appoint_seconds(at: Installation) -> None:
    """The company's further people, once for all scenarios; whoever is there already is not appointed again."""
    admin, second = (Person(at, who) for who in ADMINS)
    for who, role in SECONDS:
        key = {"Idempotency_Key": f"scenarios-{who}"}
        appointment = {"person": who, "number": f"S-{who}", "name": who.title(), "department": None}
        post = {"role": role, "department": None}
        await admin.does(R, "/staff", appointment, **key)
        await admin.does(R, f"/staff/{who}/roles", post, Idempotency_Key=f"scenarios-{who}-role")
        if role != "warehouse":
            await second.does(R, f"/staff/{who}/roles/confirm", post, Idempotency_Key=f"scenarios-{who}-second")


def name_of(fact: dict[str, Any]) -> str:
    """What a fact of the audit is called."""
    return str(fact["type"]).split(".")[1]


def fact_names(history: Sequence[dict[str, Any]]) -> list[str]:
    """The facts of a history that was read, in order."""
    return [one["type"] for one in history]
