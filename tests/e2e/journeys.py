"""The running system as people, other systems and operators reach it, and one customer on its way through it."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import xlsxwriter

from kehu import calendar
from kehu.identifiers import uscc_check_digit
from kehu.remote import System
from kehu.scripts import contains
from kehu.testing.papers import small_pdf

R, V, G, E, N = "customer-registry", "vetting", "grading", "engagement", "notifier"
#: Who signs which step of the chain in the sample company's department east (R3.1.3).
CHAIN = (
    ("vetting", "sun"),
    ("finance", "fin"),
    ("manager", "zhao"),
    ("registration", "office"),
    ("general_manager", "boss"),
)
#: The steps of the chain in their order.
CHAIN_ROLES = tuple(step for step, _ in CHAIN)
#: What a company with a unified social credit code brings (R3.1.2).
PAPERS = (
    "business_licence",
    "basic_account",
    "taxpayer_query",
    "invoicing_information",
    "legal_representative_id",
)
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
#: What one service says reaches the next within milliseconds; a broker that was restarted takes longer.
PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.1

T = TypeVar("T")


async def wait_until(
    ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], patience: float = PATIENCE_SECONDS
) -> T:
    """Ask again until the answer is good; fail with the last one after `patience` seconds."""
    last: Any = "nothing"
    try:
        async with asyncio.timeout(patience):
            while not good(last := await ask()):
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pytest.fail(f"It never came; last: {getattr(last, 'text', last)}")
    return last


async def run_example(example: str, *arguments: str) -> tuple[int, str]:
    """Run an example of the documentation as its reader would; its exit code and everything that it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / example), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@dataclass
class Installation:
    """A running system, and how to command it.

    Args:
        system: the services' APIs.
        brokers: Kafka's address for clients outside.
        command: the `kehu` command for this installation.
        directory: where it is run.

    """

    system: System
    brokers: str
    command: tuple[str, ...]
    directory: Path

    async def kehu(self, *arguments: str) -> str:
        """Run a `kehu` command; what it prints."""
        process = await asyncio.create_subprocess_exec(
            *self.command, *arguments, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, errors = await process.communicate()
        assert process.returncode == 0, f"kehu {' '.join(arguments)}: {out.decode()} {errors.decode()}"
        return out.decode()

    async def post(
        self, person: str, service: str, path: str, body: Any = None, *, edits: str | None = None, **headers: str
    ) -> httpx2.Response:
        """A command by a person; `edits` is read first, for its ETag."""
        if edits:
            headers["If-Match"] = await self.system.etag(person, service, edits)
        return await self.system.send(person, service, "POST", path, body=body, headers=headers)

    async def upload(self, person: str, service: str, content: str) -> str:
        """Hand in a small PDF of this content; its digest."""
        answer = await self.system.send(
            person, service, "POST", "/files", files={"file": ("纸.pdf", small_pdf(content))}
        )
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return str(answer.json()["digest"])

    async def get(self, person: str, service: str, path: str) -> Any:
        """What a person reads."""
        answer = await self.system.send(person, service, "GET", path)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return answer.json()

    async def eventually(self, person: str, service: str, path: str, **wanted: Any) -> Any:
        """Wait until what a person reads has these members."""
        answer = await wait_until(
            lambda: self.system.send(person, service, "GET", path),
            lambda answer: answer.status_code == httpx2.codes.OK and contains(answer.json(), wanted),
        )
        return answer.json()

    async def now(self) -> datetime:
        """The policy's time."""
        answer = await self.system.client.get(self.system.addresses[R] + "/health/ready")
        return datetime.fromisoformat(answer.json()["parts"]["clock"]["state"])

    async def today(self) -> date:
        """The policy's date in Shanghai."""
        return calendar.today(await self.now())

    async def advance(self, days: int) -> None:
        """Move the clock, and wait until every service follows."""
        await self._move(timedelta(days=days))

    async def until_morning(self) -> None:
        """Move the clock to ten o'clock in Shanghai, when nothing is held for the night."""
        now = (await self.now()).astimezone(calendar.SHANGHAI)
        ten = now.replace(hour=10, minute=0, second=0, microsecond=0)
        await self._move((ten if ten > now else ten + timedelta(days=1)) - now)

    async def _move(self, length: timedelta) -> None:
        before = await self.now()
        minutes = int(length.total_seconds() // 60) + 1
        await self.kehu("clock", "advance", f"{minutes // 1440}d{minutes // 60 % 24}h{minutes % 60}m")
        for address in self.system.addresses.values():
            await wait_until(
                lambda address=address: self.system.client.get(f"{address}/health/ready"),
                lambda answer: (
                    answer.status_code == httpx2.codes.OK
                    and datetime.fromisoformat(answer.json()["parts"]["clock"]["state"]) - before >= length
                ),
            )


def uscc(number: int) -> str:
    """A valid USCC that no other test uses."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    body = f"E{number:07d}"
    check = 11 - sum(int(character, 36) * weight for character, weight in zip(body, weights, strict=True)) % 11
    organisation = body + {10: "X", 11: "0"}.get(check, str(check))
    return f"91340100{organisation}" + uscc_check_digit(f"91340100{organisation}")


def fields(identity: str, kind: str = "provincial_agent") -> dict[str, Any]:
    """What F4 asks for before it can be submitted."""
    return {
        "kind": kind,
        "nature": "limited_liability",
        "supervising_body": "无",
        # An address and a phone of its own: who shares one with another customer is asked about it.
        "address": f"合肥市蜀山区望江西路 {identity[9:16]} 号",
        "region": "安徽",
        "identity": {"kind": "uscc", "number": identity},
        "contacts": [
            {"name": "刘建国", "title": "总经理", "audience": "I", "phone": f"1380{identity[9:16]}", "main": True}
        ],
    }


async def qualification_form(
    hands_in: Callable[[str, str], Awaitable[str]], name: str, identity: str, taxpayer_checked: str
) -> dict[str, Any]:
    """F1 with everything that a company needs.

    Args:
        hands_in: hands a file of some content in at a service, and gives its digest.
        name: the customer's.
        identity: its USCC.
        taxpayer_checked: the date of the tax bureau's answer.

    """
    return {
        "channel": {"territory": "安徽", "description": "省级代理"},
        "settlement_unit": {
            "name": name,
            "identity_kind": "uscc",
            "identity": identity,
            "bank": "中国银行合肥分行",
            "account": "350000000001",
            "invoicing": {
                "title": name,
                "tax_number": identity,
                "address": "合肥市蜀山区望江西路",
                "phone": "0551-65001234",
                "bank": "中国银行合肥分行",
                "account": "350000000001",
            },
        },
        "legal_representative": {"name": "刘建国", "id_number": "340104197803152018"},
        "capital_fen": 1_000_000_000,
        "scope": "阀门销售",
        "credit": {"rating": "good", "conclusion": "三年往来无逾期", "evidence": "往来对账单"},
        "documents": [
            {
                "type": paper,
                "number": identity if paper == "business_licence" else None,
                "issued_on": taxpayer_checked if paper == "taxpayer_query" else None,
                "copy_held": True,
                "company_seal": True,
                "original_seen": True,
                "file_digest": await hands_in(V, f"{paper} {identity}"),
            }
            for paper in PAPERS
        ],
    }


class Journey:
    """One customer on its way.

    Args:
        at: the running system.
        number: makes its USCC.

    """

    def __init__(self, at: Installation, number: int) -> None:
        self.at = at
        self.serial = number
        self.uscc = uscc(number)
        self.name = f"端到端阀门销售有限公司 {number}"
        self.customer = ""
        self.number = ""

    async def drafted(self, kind: str = "provincial_agent") -> None:
        """A salesperson opens and fills a dossier."""
        answer = await self.at.post("li", R, "/dossiers", {"name": self.name, "department": "east"})
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        self.customer, self.number = answer.json()["id"], answer.json()["number"]
        path = f"/dossiers/{self.customer}"
        tag = await self.at.system.etag("li", R, path)
        edited = await self.at.system.send(
            "li", R, "PATCH", path, body=fields(self.uscc, kind), headers={"If-Match": tag}
        )
        assert edited.status_code == httpx2.codes.OK, edited.text

    async def step(self, person: str, what: str, body: Any = None) -> None:
        """Somebody does something to the dossier."""
        path = f"/dossiers/{self.customer}"
        answer = await self.at.post(person, R, f"{path}/{what}", body, edits=path)
        assert answer.status_code == httpx2.codes.OK, answer.text

    async def registered(self, kind: str = "provincial_agent") -> None:
        """From the draft to the register, and known to every service."""
        await self.drafted(kind)
        await self.step("li", "submit")
        await self.step("zhao", "pass")
        await self.at.eventually("li", G, f"/grades/{self.customer}", number=self.number)
        await self.at.eventually("li", E, f"/customers/{self.customer}")

    async def form(self) -> dict[str, Any]:
        """F1 with everything that a company needs."""

        async def hands_in(service: str, content: str) -> str:
            return await self.at.upload("li", service, content)

        return await qualification_form(hands_in, self.name, self.uscc, "2026-11-01")

    async def submitted_qualification(self) -> str:
        """F1 drafted and handed in, once vetting knows the customer; the qualification's id."""
        form = await self.form()
        answer = await wait_until(
            lambda: self.at.post("li", V, "/qualifications", {"customer": self.customer, "form": form}),
            lambda answer: answer.status_code == httpx2.codes.CREATED,
        )
        path = f"/qualifications/{answer.json()['id']}"
        submitted = await self.at.post("li", V, f"{path}/submit", edits=path)
        assert submitted.status_code == httpx2.codes.OK, submitted.text
        return answer.json()["id"]

    async def signature(self, path: str, step: str) -> dict[str, Any]:
        """What somebody signs with: the digest of the bundle as it is now."""
        return {"step": step, "digest": (await self.at.get("li", V, path))["bundle"]["digest"]}

    async def agreement(self, path: str) -> None:
        """The agreement is signed, from today on."""
        today = (await self.at.today()).isoformat()
        body = {
            "signed_on": today,
            "valid_from": today,
            "file_digest": await self.at.upload("li", V, path),
            "ours": "zhao",
            "theirs": {"name": "刘建国", "title": "总经理"},
        }
        answer = await self.at.post("li", V, f"{path}/agreement", body, edits=path)
        assert answer.status_code == httpx2.codes.OK, answer.text

    async def activated(self) -> None:
        """From the register to an active customer, through the whole chain."""
        path = f"/qualifications/{await self.submitted_qualification()}"
        for step, person in CHAIN:
            answer = await self.at.post(person, V, f"{path}/pass", await self.signature(path, step))
            assert answer.status_code == httpx2.codes.OK, (step, answer.text)
        await self.agreement(path)

    async def upload(self, rows: list[tuple[str, str, str]]) -> httpx2.Response:
        """Send an Excel file of volumes."""
        file = io.BytesIO()
        with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
            sheet = workbook.add_worksheet()
            for number, row in enumerate([("客户编号", "月份", "合同额(元)"), *rows]):
                sheet.write_row(number, 0, row)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return await self.at.system.send(
            "zhao", R, "POST", "/volumes/upload", files={"file": ("volumes.xlsx", file.getvalue(), kind)}
        )
