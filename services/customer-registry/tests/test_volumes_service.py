"""Contract volumes as people and other systems report them: HTTP, Excel and the inbound topic.

One story, told in order: the later tests lean on what the earlier ones have done.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from kehu.spreadsheets import write_rows
from kehu.testing.platform import Platform
from kehu_customer_registry.testing_world import (
    COMPLETE,
    ROLES,
    USCC,
    complete,
    month,
    open_world,
    refused,
    topic,
    until,
)
from kehu_customer_registry.testing_world import DossierWorld as World
from kehu_customer_registry.volumes.sheet import COLUMNS

FIVE_MILLION = 500_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform) -> AsyncGenerator[World]:
    async with open_world(World, platform) as found:
        await found.staff(ROLES, key=("market_dept",))
        await found.register("杭州甲乙贸易有限公司", **COMPLETE)
        yield found


async def test_volumes_are_reported_in_rows_all_or_nothing(world: World) -> None:
    customer, number = await world.register("合同公司", **complete("92330106MA2CEX7TXM"))
    draft = await world.done("sun", "POST", "/dossiers", {"name": "潜在客户", "department": "east"})
    good = {"customer": number, "month": month(2, world), "amount_fen": FIVE_MILLION}
    bad = [
        {"customer": "K999999", "month": month(2, world), "amount_fen": 1},
        {"customer": draft["number"], "month": month(2, world), "amount_fen": 1},
        {"customer": customer, "month": month(0, world), "amount_fen": 1},
        good | {"amount_fen": 2},
    ]
    problem = refused(await world.ask("manager", "POST", "/volumes", {"reports": [good, *bad]}), 422, "volumes-refused")
    assert [(one["row"], one["code"]) for one in problem["evidence"]["problems"]] == [
        (2, "customer-unknown"),
        (3, "customer-not-registered"),
        (4, "month-not-ended"),
        (5, "already-reported"),
    ]
    assert "row 3" in problem["detail"]
    assert await world.facts(f"volumes-{customer}") == []

    assert await world.done("manager", "POST", "/volumes", {"reports": [good]}, Idempotency_Key="v-1") == {
        "reported": 1,
        "unchanged": 0,
        "late": 1,
    }
    again = await world.ask("manager", "POST", "/volumes", {"reports": [good]}, Idempotency_Key="v-1")
    assert (again.json()["reported"], again.headers["idempotent-replayed"]) == (1, "true")
    assert await world.done("manager", "POST", "/volumes", {"reports": [good]}) == {
        "reported": 0,
        "unchanged": 1,
        "late": 0,
    }
    reused = await world.ask(
        "manager", "POST", "/volumes", {"reports": [good | {"amount_fen": 9}]}, Idempotency_Key="v-1"
    )
    refused(reused, 422, "idempotency-key-reused")
    for person in ("sun", "west.manager", "auditor"):
        problem = refused(await world.ask(person, "POST", "/volumes", {"reports": [good]}), 422, "volumes-refused")
        assert problem["evidence"]["problems"][0]["code"] == "not-your-department"
    assert await world.facts(f"volumes-{customer}") == ["ContractVolumeReported"]


async def test_a_month_is_corrected_with_a_reason(world: World) -> None:
    (row,) = (await world.done("manager", "GET", "/register?q=合同公司"))["items"]
    path = f"/volumes/{row['number']}"
    correction = {"month": month(2, world), "amount_fen": -1, "reason": "合同取消"}
    refused(await world.ask("sun", "POST", f"{path}/corrections", correction), 403, "not-your-department")
    never = correction | {"month": month(3, world)}
    refused(await world.ask("manager", "POST", f"{path}/corrections", never), 409, "not-reported")
    await world.done("manager", "POST", f"{path}/corrections", correction)
    shown = await world.done("sun", "GET", path)
    assert shown["months"] == [
        {
            "month": month(2, world),
            "amount_fen": -1,
            "amount_yuan": "-0.01",
            "late": True,
            "corrections": 1,
            "last_reason": "合同取消",
        }
    ]


async def test_volumes_are_uploaded_from_excel_all_or_nothing(world: World) -> None:
    number = (await world.done("manager", "GET", "/register?q=合同公司"))["items"][0]["number"]
    other = (await world.done("manager", "GET", f"/register?q={USCC}"))["items"][0]["number"]

    async def upload(*rows: tuple[Any, ...], **headers: str) -> httpx2.Response:
        files = {"file": ("volumes.xlsx", write_rows(list(COLUMNS), rows))}
        return await world.ask("manager", "POST", "/volumes/upload", files=files, **headers)

    unreadable = refused(
        await upload((number, month(4, world), "abc"), (number, "2026-13", 1)), 422, "spreadsheet-invalid"
    )
    assert [(one["row"], one["column"]) for one in unreadable["evidence"]["problems"]] == [
        (2, "合同额(元)"),
        (3, "月份"),
    ]
    unknown = refused(
        await upload((number, month(4, world), 1), ("K999999", month(4, world), 1)), 422, "volumes-refused"
    )
    assert [(one["row"], one["code"]) for one in unknown["evidence"]["problems"]] == [(3, "customer-unknown")]
    assert "客户信息一览表" in unknown["evidence"]["problems"][0]["zh"]
    assert unknown["detail"].splitlines()[1].startswith("row 3: ")
    assert len((await world.done("sun", "GET", f"/volumes/{number}"))["months"]) == 1

    rows = [(number, month(4, world), "5,000,000.00"), (other, month(4, world), 0.01), (number, month(5, world), -3)]
    taken = await upload(*rows, Idempotency_Key="file-1")
    assert taken.json() == {"reported": 3, "unchanged": 0, "late": 3}
    assert (await upload(*rows, Idempotency_Key="file-1")).headers["idempotent-replayed"] == "true"
    months = (await world.done("sun", "GET", f"/volumes/{number}"))["months"]
    assert [(one["month"], one["amount_fen"]) for one in months] == [
        (month(2, world), -1),
        (month(4, world), FIVE_MILLION),
        (month(5, world), -300),
    ]
    refused(await upload(), 422, "volumes-refused")
    files = {"file": ("volumes.xlsx", b"no excel")}
    refused(await world.ask("manager", "POST", "/volumes/upload", files=files), 422, "spreadsheet-invalid")


async def test_another_system_reports_by_number_once_and_is_told_what_is_refused(world: World) -> None:
    row = (await world.done("manager", "GET", "/register?q=合同公司"))["items"][0]
    report = {"customer": row["number"], "month": month(6, world), "amount_fen": 700}
    await send(world, "C-1", "ContractVolumeReported", report)
    await send(world, "C-1", "ContractVolumeReported", report)
    await send(world, "C-2", "ContractVolumeReported", report | {"amount_fen": 800})
    await send(world, "C-3", "ContractVolumeReported", report | {"customer": "K999999"})
    await send(world, "C-4", "ContractVolumeReported", report | {"month": month(0, world)})
    await send(world, "C-5", "ContractVolumeReported", report, source="/somebody-else")
    await send(world, "C-6", "ContractVolumeReported", {"customer": row["number"]})
    correction = report | {"amount_fen": 900, "previous_fen": 700, "reason": "补签"}
    await send(world, "C-7", "ContractVolumeCorrected", correction)

    async def corrected() -> Any:
        months = (await world.done("sun", "GET", f"/volumes/{row['number']}"))["months"]
        return [one for one in months if one["month"] == month(6, world) and one["corrections"] == 1]

    (found,) = await until(corrected)
    assert (found["amount_fen"], found["last_reason"]) == (900, "补签")

    async def answers() -> dict[str, str] | None:
        told = {
            message["data"]["message_id"]: message["data"]["code"]
            async for message in topic(world)
            if message["type"] == "kehu.InboundRefused.v1"
        }
        return told if len(told) == 5 else None

    assert await until(answers) == {
        "C-2": "already-reported",
        "C-3": "customer-unknown",
        "C-4": "month-not-ended",
        "C-5": "source-not-allowed",
        "C-6": "message-invalid",
    }
    facts = await world.facts(f"volumes-{row['customer']}")
    assert facts[-2:] == ["ContractVolumeReported", "ContractVolumeCorrected"]


async def test_sixteen_reports_of_overlapping_customers_at_once_lose_and_double_nothing(world: World) -> None:
    customers = [row["number"] for row in (await world.done("manager", "GET", "/register?status=archived"))["items"]]

    async def report(back: int) -> httpx2.Response:
        order = customers if back % 2 else customers[::-1]
        rows = [{"customer": number, "month": month(20 + back, world), "amount_fen": back} for number in order]
        return await world.ask("manager", "POST", "/volumes", {"reports": rows})

    answers = await asyncio.gather(*(report(back) for back in range(16)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    for number in customers:
        months = (await world.done("admin", "GET", f"/volumes/{number}"))["months"]
        amounts = {one["month"]: one["amount_fen"] for one in months}
        assert [amounts[month(20 + back, world)] for back in range(16)] == list(range(16))


async def send(world: World, message_id: str, fact: str, data: Any, source: str = "/contract-system") -> None:
    """A CloudEvent as any other system would send it, with a plain Kafka client."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_type": f"kehu.{fact}.v1",
        "ce_source": source,
        "content-type": "application/json",
    }
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.brokers)
    await producer.start()
    try:
        await producer.send_and_wait(
            "kehu.inbound.customer-registry",
            json.dumps(data).encode(),
            key=b"K1",
            headers=[(name, value.encode()) for name, value in headers.items()],
        )
    finally:
        await producer.stop()
