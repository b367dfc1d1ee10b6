"""The registry as people and other systems meet it: its HTTP API and its inbound topic, on real PostgreSQL and broker.

One story, told in order: the later tests lean on what the earlier ones have done.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import docx
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu.calendar import today
from kehu.ids import new_id
from kehu.printing.routes import FormPrinted, printings
from kehu.rebuilding import rebuild
from kehu.settings import OWNER_ROLE
from kehu.testing.platform import Platform
from kehu_customer_registry.testing_world import (
    COMPLETE,
    CONTACT,
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

SECOND_USCC = "9144030071526726XG"
DELEGATED = COMPLETE | {
    "identity": {"kind": "public_body_code", "number": "WT2026"},
    "address": "杭州市滨江区 88 号",
    "contacts": [{"name": "周八", "phone": "13800138888"}],
}
LATE_CONTACT = {"name": "钱七", "phone": "13800138777"}
#: The rest of the form, with people of its own.
FORM: dict[str, Any] = {
    "legal_representative": {"name": "赵一"},
    "bank_tax": {
        "bank": "工商银行杭州分行",
        "account": "1202 0212 3456 7890",
        "tax_number": "91330106MA2CEX7TX1",
        "invoicing_address": "杭州市",
        "invoicing_phone": "0571-88888888",
    },
    "address": "杭州市滨江区 77 号",
    "contacts": [
        {
            "name": "孙六",
            "phone": "13800138666",
            "further_phones": ["010-62345678"],
            "post": "general_manager",
            "birthday": {"calendar": "lunar", "month": 8, "day": 15},
            "consents": [{"purpose": "marketing", "given_at": "2026-01-01T00:00:00+08:00"}],
        }
    ],
}
BODIES: dict[str, Any] = {
    "return": {"remarks": "请补充"},
    "changes": {"region": "江苏"},
    "owner": {"owner": "qian"},
    "close": {"reason": "停业"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform) -> AsyncGenerator[World]:
    async with open_world(World, platform) as found:
        await found.staff(ROLES, key=("market_dept",))
        yield found


# --- staff -----------------------------------------------------------------------------------------------------------


async def test_a_key_role_took_two_admins_and_the_first_two_were_the_systems(world: World) -> None:
    history = (await world.ask("admin", "GET", "/staff/market/history")).json()
    assert [(one["type"], one["actor"]) for one in history] == [
        ("StaffMemberAppointed", "admin"),
        ("RoleProposed", "admin"),
        ("RoleGranted", "admin2"),
    ]
    assert history[2]["data"]["second_by"] == "admin2"
    first = (await world.ask("admin", "GET", "/staff/admin/history")).json()
    assert {one["actor"] for one in first} == {"system:customer-registry/bootstrap"}
    masked = (await world.ask("auditor", "GET", "/staff/market/history")).json()
    assert masked[0]["data"]["name"] == "员*****"


async def test_a_proposed_key_role_waits_for_a_second_admin_and_nobody_else(world: World) -> None:
    async def waiting(person: str) -> list[tuple[str, str]]:
        found = (await world.done(person, "GET", "/staff/proposals?waiting_for=me"))["items"]
        return [(one["person"], one["role"]) for one in found]

    post = {"role": "finance", "department": None}
    await world.done("admin", "POST", "/staff/qian/roles", post)
    assert [await waiting(one) for one in ("admin2", "admin", "qian", "manager")] == [[("qian", "finance")], [], [], []]
    await world.done("admin2", "POST", "/staff/qian/roles/decline", post)
    assert await waiting("admin2") == []
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        assert (await rebuild(world.assembly.running, "role-proposals", owner)).same
    finally:
        await owner.close()


async def test_the_directory_is_listed_by_department_and_role(world: World) -> None:
    found = await world.done("sun", "GET", "/staff?department=east&role=salesperson")
    assert [row["person"] for row in found["items"]] == ["qian", "sun"]
    first = await world.done("sun", "GET", "/staff?limit=5")
    rest = await world.done("sun", "GET", first["next"])
    assert [row["person"] for row in first["items"] + rest["items"]] == sorted([*ROLES, "admin", "admin2"])
    audited = await world.done("auditor", "GET", "/staff?role=market_dept")
    assert [row["name"] for row in audited["items"]] == ["员*****"]
    departments = await world.done("sun", "GET", "/departments")
    assert [row["code"] for row in departments["items"]] == ["east", "west"]


async def test_others_do_not_administer(world: World) -> None:
    appointment = {"person": "zhou", "number": "2001", "name": "周"}
    refused(await world.ask("manager", "POST", "/staff", appointment), 403, "admin-only")
    refused(await world.ask("admin", "POST", "/staff", appointment | {"number": "1001"}), 409, "taken")
    refused(await world.ask("nobody", "GET", "/me"), 403, "not-staff")


# --- dossiers --------------------------------------------------------------------------------------------------------


async def test_from_first_contact_to_a_registered_customer(world: World) -> None:
    drafted = await world.done("sun", "POST", "/dossiers", {"name": "杭州甲乙贸易有限公司", "department": "east"})
    customer, number = drafted["id"], drafted["number"]
    assert re.fullmatch(r"K\d{6}", number)
    incomplete = refused(await world.edit("sun", customer, "submit"), 409, "dossier-incomplete")
    assert incomplete["clause"] == "R4.2"
    assert incomplete["evidence"]["missing"][:2] == ["kind", "nature"]

    assert (await world.edit("sun", customer, "edit", COMPLETE)).status_code == 200
    shown = await world.done("sun", "GET", f"/dossiers/{number}")
    assert (shown["status"], shown["missing"], shown["contacts"][0]["phone"]) == ("draft", [], "+8613800138000")
    assert (await world.edit("sun", customer, "submit")).status_code == 200
    refused(await world.edit("sun", customer, "edit", {"region": "江苏"}), 409, "dossier-status")
    refused(await world.edit("west.manager", customer, "pass"), 403, "forbidden")

    assert (await world.edit("manager", customer, "return", {"remarks": "地址请写到门牌"})).status_code == 200
    assert (await world.done("sun", "GET", f"/dossiers/{customer}"))["remarks"] == "地址请写到门牌"
    assert (await world.edit("sun", customer, "edit", {"address": "杭州市西湖区文三路 1 号 501"})).status_code == 200
    assert (await world.edit("sun", customer, "submit")).status_code == 200
    assert (await world.edit("manager", customer, "pass")).status_code == 200

    history = (await world.ask("sun", "GET", f"/dossiers/{customer}/history")).json()
    assert [(one["type"], one["actor"]) for one in history] == [
        ("DossierDrafted", "sun"),
        ("DossierEdited", "sun"),
        ("DossierSubmitted", "sun"),
        ("DossierReturned", "manager"),
        ("DossierEdited", "sun"),
        ("DossierSubmitted", "sun"),
        ("CustomerRegistered", "manager"),
    ]


async def test_what_leaves_the_service_holds_no_name_or_phone_in_the_clear(world: World) -> None:
    async def registered() -> dict[str, Any] | None:
        async for message in topic(world):
            if message["type"] == "kehu.CustomerRegistered.v1":
                return message
        return None

    message = await until(registered)
    contact = message["data"]["contacts"][0]
    assert contact["name"]["enc"] == contact["phone"]["enc"] == "A256GCM.v1"
    assert message["data"]["identity"] == USCC
    assert "王小明" not in json.dumps(message, ensure_ascii=False)


async def test_an_edit_names_its_version_and_two_at_once_do_not_overwrite_each_other(world: World) -> None:
    drafted = await world.done("sun", "POST", "/dossiers", {"name": "两人同改公司", "department": "east"})
    path = f"/dossiers/{drafted['id']}"
    refused(await world.ask("sun", "PATCH", path, {"region": "浙江"}), 428, "if-match-required")
    answers = await asyncio.gather(
        *(world.ask("sun", "PATCH", path, {"region": region}, If_Match='"1"') for region in ("浙江", "江苏"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_the_same_draft_sent_again_is_the_same_dossier(world: World) -> None:
    body = {"name": "重发公司", "department": "east", "contacts": [CONTACT]}
    first = await world.done("sun", "POST", "/dossiers", body, Idempotency_Key="draft-1")
    again = await world.ask("sun", "POST", "/dossiers", body, Idempotency_Key="draft-1")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    other = await world.ask("sun", "POST", "/dossiers", body | {"name": "别的"}, Idempotency_Key="draft-1")
    refused(other, 422, "idempotency-key-reused")


async def test_a_second_dossier_with_the_same_identity_is_refused_and_the_first_one_named(world: World) -> None:
    (first,) = (await world.done("admin", "GET", f"/register?q={USCC}"))["items"]
    body: dict[str, Any] = {
        "name": "另一个名字",
        "department": "west",
        "identity": {"kind": "uscc", "number": f" {USCC.lower()} "},
    }
    problem = refused(await world.ask("west.sales", "POST", "/dossiers", body), 409, "identity-taken")
    assert problem["evidence"] == {
        "number": first["number"],
        "department": "east",
        "next": f"/dossiers/{first['number']}/relations",
    }
    assert "甲乙" not in json.dumps(problem, ensure_ascii=False)

    # A draft that gives its identity up leaves it to others.
    body["identity"]["number"] = SECOND_USCC
    mistaken = await world.done("sun", "POST", "/dossiers", body | {"department": "east"})
    refused(await world.ask("west.sales", "POST", "/dossiers", body), 409, "identity-taken")
    assert (await world.edit("sun", mistaken["id"], "edit", {"identity": None})).status_code == 200
    await world.done("west.sales", "POST", "/dossiers", body)


async def test_nobody_sees_other_peoples_customers_and_the_auditor_sees_them_masked(world: World) -> None:
    customer = (await world.done("admin", "GET", f"/register?q={USCC}"))["items"][0]["customer"]
    for stranger in ("west.sales", "west.manager", "qian"):
        refused(await world.ask(stranger, "GET", f"/dossiers/{customer}"), 404, "dossier-not-found")
        refused(await world.ask(stranger, "GET", f"/dossiers/{customer}/history"), 404, "dossier-not-found")
        refused(await world.ask(stranger, "GET", f"/volumes/{customer}"), 404, "dossier-not-found")
    refused(await world.ask("admin", "GET", f"/dossiers/{new_id()}"), 404, "dossier-not-found")
    (masked,) = (await world.done("auditor", "GET", f"/dossiers/{customer}"))["contacts"]
    assert (masked["name"], masked["phone"]) == ("王**", "+***********00")
    history = (await world.ask("auditor", "GET", f"/dossiers/{customer}/history")).text
    assert "王小明" not in history
    assert "13800138000" not in history
    refused(await world.edit("auditor", customer, "changes", {"region": "江苏"}), 403, "forbidden")


async def test_an_archived_customer_changes_by_those_who_may(world: World) -> None:
    customer, _ = await world.register("变更公司", **complete("91440300708461136T"))
    assert (await world.edit("sun", customer, "changes", {"region": "江苏", "address": "南京 1 号"})).status_code == 200
    change = (await world.edit("sun", customer, "changes", {"name": "新名公司"})).json()["change"]
    refused(await world.edit("sun", customer, f"changes/{change}/pass"), 403, "forbidden")
    waiting = (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=change"))["items"]
    assert [(one["task"], one["fields"], one["asked_by"]) for one in waiting] == [(change, ["name"], "sun")]
    assert (await world.edit("manager", customer, f"changes/{change}/pass")).status_code == 200
    assert (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=change"))["items"] == []
    affiliation = {"affiliation": "joint_venture", "proof": "合资合同"}
    refused(await world.edit("manager", customer, "affiliation", affiliation), 403, "forbidden")
    assert (await world.edit("market", customer, "affiliation", affiliation)).status_code == 200
    new_owner = {"owner": "qian", "collaborators": ["sun"]}
    assert (await world.edit("manager", customer, "owner", new_owner)).status_code == 200
    refused(await world.edit("manager", customer, "owner", {"owner": "west.sales"}), 404, "salesperson-unknown")

    shown = await world.done("qian", "GET", f"/dossiers/{customer}")
    found = [shown[field] for field in ("name", "region", "address", "affiliation", "owner", "collaborators")]
    assert found == ["新名公司", "江苏", "南京 1 号", "joint_venture", "qian", ["sun"]]
    (row,) = (await world.done("qian", "GET", "/register?q=新名"))["items"]
    assert [row[field] for field in ("region", "affiliation", "owner", "collaborators")] == [
        "江苏",
        "joint_venture",
        "qian",
        ["sun"],
    ]


# --- register --------------------------------------------------------------------------------------------------------


async def test_the_register_is_filtered_paged_and_shows_each_what_is_theirs(world: World) -> None:
    async def names(person: str, query: str = "") -> list[str]:
        return [row["name"] for row in (await world.done(person, "GET", f"/register{query}"))["items"]]

    everything = await names("market")
    assert await names("auditor") == await names("admin") == everything
    assert len(await names("manager")) == len(everything) - 1
    assert await names("west.manager") == await names("west.sales") == ["另一个名字"]
    assert await names("qian") == ["新名公司"]
    assert await names("market", "?status=archived&kind=provincial_agent&region=江苏&owner=qian") == ["新名公司"]
    assert await names("market", "?q=（甲乙）") == ["杭州甲乙贸易有限公司"]
    assert await names("market", "?q=%25") == []
    day = today(world.assembly.running.clock.now())
    assert len(await names("market", f"?registered_from={day}&registered_to={day}")) == 2
    assert await names("market", f"?registered_to={day.replace(year=2000)}") == []

    paged: list[str] = []
    following: str | None = "/register?limit=2"
    while following:
        page = await world.done("market", "GET", following)
        paged += [row["name"] for row in page["items"]]
        following = page["next"]
    assert paged == everything
    for bad in ("status=gone", "registered_from=0001-01-01", "registered_to=2026-02-30", "limit=0", "cursor=x"):
        assert (await world.ask("market", "GET", f"/register?{bad}")).status_code == 422


async def test_the_register_is_exported_with_a_reason_that_is_kept_and_formulas_do_not_run(world: World) -> None:
    await world.done("west.sales", "POST", "/dossiers", {"name": '=HYPERLINK("x")', "department": "west"})
    refused(await world.ask("west.manager", "GET", "/register/export"), 422, "reason-required")
    reason = quote("季度汇报")
    book = await world.ask("west.manager", "GET", "/register/export?department=west&q=HYP", Kehu_Reason=reason)
    assert book.status_code == 200
    assert "filename*=UTF-8''" in book.headers["content-disposition"]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert [row[1] for row in sheet] == ["客户名称 Name", '=HYPERLINK("x")']
    assert b"<f>" not in book.content
    history = (await world.ask("auditor", "GET", "/staff/west.manager/history")).json()
    assert history[-1]["type"] == "ListExported"
    assert history[-1]["data"] | {"person": ""} == {
        "person": "",
        "name": "register",
        "filters": {"department": "west", "q": "*"},
        "rows": 1,
        "reason": "季度汇报",
    }


async def test_a_rebuilt_register_has_the_same_rows(world: World) -> None:
    before = await world.done("market", "GET", "/register?limit=200")
    running = world.assembly.running
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        found = await rebuild(running, "register", owner)
    finally:
        await owner.close()
    assert found.same, found
    assert await world.done("market", "GET", "/register?limit=200") == before


# --- delegations ----------------------------------------------------------------------------------------------------


async def test_a_delegate_passes_for_the_absent_manager_and_is_refused_once_it_is_ended(world: World) -> None:
    day = today(world.assembly.running.clock.now()).isoformat()
    body = {
        "delegate": "west.manager",
        "steps": ["dossier:review"],
        "first_day": day,
        "last_day": day,
        "reason": "出差",
    }
    refused(await world.ask("sun", "POST", "/delegations", body), 403, "step-not-yours")
    refused(await world.ask("manager", "POST", "/delegations", body | {"delegate": "manager"}), 422, "delegate-self")
    made = await world.done("manager", "POST", "/delegations", body)
    assert re.fullmatch(r"WT\d{6}", made["number"])
    (mandate,) = (await world.done("west.manager", "GET", "/me"))["mandates"]
    assert (mandate["principal"], mandate["steps"]) == ("manager", ["dossier:review"])
    (row,) = (await world.done("sun", "GET", f"/delegations?person=manager&on={day}"))["items"]
    assert (row["delegate"], row["number"]) == ("west.manager", made["number"])

    drafted = await world.done("sun", "POST", "/dossiers", {"name": "委托公司", "department": "east", **DELEGATED})
    for person, step in (("sun", "submit"), ("west.manager", "pass")):
        response = await world.edit(person, drafted["id"], step)
        assert response.status_code == 200, response.text
    last = (await world.ask("sun", "GET", f"/dossiers/{drafted['id']}/history")).json()[-1]["data"]
    assert (last["registered_by"], last["on_behalf_of"]) == ("west.manager", "manager")

    path = f"/delegations/{made['number']}"
    assert (await world.done("sun", "GET", path))["holds"] is True
    refused(await world.ask("sun", "POST", f"{path}/end"), 403, "forbidden")
    await world.done("west.manager", "POST", f"{path}/end")
    assert (await world.done("sun", "GET", path))["holds"] is False
    assert (await world.done("west.manager", "GET", "/me"))["mandates"] == []
    refused(await world.ask("west.manager", "GET", f"/dossiers/{drafted['id']}"), 404, "dossier-not-found")
    refused(await world.ask("sun", "GET", "/delegations/WT999999"), 404, "delegation-unknown")


# --- the whole dossier -----------------------------------------------------------------------------------------------


async def test_a_number_serves_wherever_an_id_does(world: World) -> None:
    drafted = await world.done("sun", "POST", "/dossiers", {"name": "编号公司", "department": "east"})
    number = drafted["number"]
    assert (await world.edit("sun", number, "edit", complete("51330000MJ8UKEHU57") | FORM)).status_code == 200
    for person, step in (("sun", "submit"), ("manager", "pass")):
        assert (await world.edit(person, number, step)).status_code == 200
    for body in ({"region": "江苏"}, {"dealings": "2019 年起合作"}):
        assert (await world.edit("sun", number, "changes", body)).status_code == 200
    assert (await world.edit("manager", number, "owner", {"owner": "qian"})).status_code == 200
    affiliation = {"affiliation": "joint_venture", "proof": "章程"}
    assert (await world.edit("market", number, "affiliation", affiliation)).status_code == 200
    shown = await world.done("qian", "GET", f"/dossiers/{number}")
    assert (shown["customer"], shown["region"], shown["dealings"]) == (drafted["id"], "江苏", "2019 年起合作")
    assert [one["type"] for one in (await world.ask("qian", "GET", f"/dossiers/{number}/history")).json()][-1] == (
        "CustomerChanged"
    )
    for step in ("submit", "pass", "return", "changes", "owner", "close"):
        unknown = await world.ask("manager", "POST", f"/dossiers/K999999/{step}", BODIES.get(step), If_Match='"1"')
        refused(unknown, 404, "not-found")


async def test_the_whole_form_is_kept_shown_and_masked(world: World) -> None:
    (row,) = (await world.done("admin", "GET", "/register?q=编号公司"))["items"]
    shown = await world.done("qian", "GET", f"/dossiers/{row['number']}")
    assert shown["legal_representative"]["name"] == "赵一"
    assert shown["bank_tax"] | {"person": ""} == {
        "person": "",
        "bank": "工商银行杭州分行",
        "account": "1202021234567890",
        "tax_number": "91330106MA2CEX7TX1",
        "invoicing_address": "杭州市",
        "invoicing_phone": "+8657188888888",
    }
    contact = shown["contacts"][0]
    assert contact["birthday"] == {"calendar": "lunar", "month": 8, "day": 15, "leap": False}
    assert contact["further_phones"] == ["+861062345678"]
    assert contact["consents"][0]["purpose"] == "marketing"
    masked = await world.done("auditor", "GET", f"/dossiers/{row['number']}")
    assert masked["bank_tax"]["account"] == "1*************90"
    assert (masked["legal_representative"]["name"], masked["contacts"][0]["birthday"]) == ("赵*", None)
    again = {"contacts": shown["contacts"], "bank_tax": shown["bank_tax"]}
    answer = await world.edit("manager", row["number"], "changes", again)
    assert answer.status_code == 200, answer.text
    assert len((await world.done("qian", "GET", f"/dossiers/{row['number']}"))["changes"]) == 0
    lists = await world.done("sun", "GET", "/dossiers/lists")
    assert {"code": "330000", "zh": "浙江", "en": "浙江"} in lists["region"]


async def test_a_dossier_is_shown_as_of_any_day_and_a_field_through_time(world: World) -> None:
    customer, number = await world.register("时间公司", **complete("91310000MA2KEHU9X0"))
    now = world.assembly.running.clock.now()
    happened = (now - timedelta(days=30)).isoformat()
    change = {"region": "江苏", "occurred_on": happened}
    registered = await world.etag(customer)
    assert (await world.edit("sun", customer, "changes", change)).status_code == 200

    async def region(**query: Any) -> str:
        asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        found: str = (await world.done("sun", "GET", f"/dossiers/{number}?{asked}"))["region"]
        return found

    (first, second) = (await world.ask("sun", "GET", f"/dossiers/{number}/fields/region")).json()
    assert [(one["value"], one["late"]) for one in (first, second)] == [("浙江", False), ("江苏", True)]
    assert await region() == await region(as_of=second["recorded_at"]) == "江苏"
    assert await region(known_at=first["recorded_at"]) == "浙江"
    before = (now - timedelta(days=1)).isoformat()
    refused(await world.ask("sun", "GET", f"/dossiers/{number}?as_of={quote(before)}"), 404, "dossier-not-found")
    refused(await world.ask("sun", "GET", f"/dossiers/{number}/fields/soul"), 404, "field-unknown")
    assert registered != await world.etag(customer)


async def test_what_resembles_another_dossier_is_shown_while_typing_and_decided_before_submission(world: World) -> None:
    (first,) = (await world.done("admin", "GET", "/register?q=时间公司"))["items"]
    seen = await world.ask("sun", "GET", f"/dossiers/duplicates?name={quote('（时间）公司')}")
    assert [(one["number"], one["matches"], one["name"]) for one in seen.json()] == [
        (first["number"], ["name"], "时间公司")
    ]
    phone = complete("91310000MA2KEHU9X0")["contacts"][0]["phone"]
    hidden = await world.ask(
        "west.sales", "GET", f"/dossiers/duplicates?phone={phone[:3]}-{phone[3:]}&identity=91310000MA2KEHU9X0"
    )
    (one,) = [one for one in hidden.json() if one["number"] == first["number"]]
    assert one == {
        "number": first["number"],
        "department": "east",
        "matches": ["identity", "phone"],
        "customer": None,
        "name": None,
        "because": None,
    }
    west = {"name": "时间有限责任公司", "department": "west", **complete("91510000MA2KEHU7XB")}
    await world.done("west.sales", "POST", "/dossiers", west | {"name": "时间公司", "address": "成都市锦江区 1 号"})
    (mine,) = (await world.done("west.sales", "GET", "/register?q=时间公司"))["items"]
    problem = refused(await world.edit("west.sales", mine["number"], "submit"), 409, "duplicates-undecided")
    found = {one["number"] for one in problem["evidence"]["duplicates"]}
    assert first["number"] in found
    for number in found:
        decided = await world.edit(
            "west.sales", mine["number"], "duplicates", {"number": number, "because": "异地同名"}
        )
        assert decided.status_code == 200, decided.text
    assert (await world.edit("west.sales", mine["number"], "submit")).status_code == 200
    shown = await world.done("west.manager", "GET", f"/dossiers/{mine['number']}")
    assert {one["because"] for one in shown["duplicates"]} == {"异地同名"}
    assert (await world.edit("west.manager", mine["number"], "pass")).status_code == 200


async def test_phones_are_looked_up_by_a_blind_index_alone(world: World) -> None:
    rows = await world.assembly.running.pool.fetch("SELECT phone_personal FROM dossier_phones")
    assert rows
    assert not any("138" in row["phone_personal"] and "00138000" in row["phone_personal"] for row in rows)
    running = world.assembly.running
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("resembling", "dossier_tasks"):
            found = await rebuild(running, view, owner)
            assert found.same, found
    finally:
        await owner.close()


async def test_who_is_refused_a_second_dossier_asks_for_a_relation(world: World) -> None:
    identity = {"kind": "uscc", "number": "91310000MA2KEHU9X0"}
    body = {"name": "另写", "department": "west", "identity": identity}
    problem = refused(await world.ask("west.sales", "POST", "/dossiers", body), 409, "identity-taken")
    asking = {"kind": "dealer", "region": "四川", "reason": "四川另有门店"}
    asked = await world.done("west.sales", "POST", problem["evidence"]["next"], asking)
    customer = problem["evidence"]["number"]
    refused(await world.ask("west.sales", "GET", f"/dossiers/{customer}"), 404, "dossier-not-found")
    (task,) = (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=relation"))["items"]
    assert (task["task"], task["number"]) == (asked["relation"], customer)
    assert (await world.edit("manager", customer, f"relations/{asked['relation']}/pass")).status_code == 200
    shown = await world.done("west.sales", "GET", f"/dossiers/{customer}")
    assert shown["relations"] == [{"kind": "dealer", "region": "四川", "salesperson": "west.sales"}]
    assert shown["collaborators"] == ["west.sales"]


async def test_an_existing_customer_is_taken_over_with_its_volumes_by_a_second_person(world: World) -> None:
    body = {"name": "老客户公司", "department": "east", **complete("91120000MA2KEHU5XJ"), "contacts": [LATE_CONTACT]}
    drafted = await world.done("sun", "POST", "/dossiers", body | {"address": "天津市和平区 8 号"})
    stands = {
        "evidence_digest": "a" * 64,
        "active_since": "2024-03-01",
        "agreement_signed_on": "2024-02-20",
        "agreement_digest": "b" * 64,
        "visited_on": "2026-01-05",
        "grade": "A",
        "graded_year": 2025,
        "volumes": [{"month": month(back, world), "amount_fen": 100 * back} for back in range(1, 13)],
    }
    assert (await world.edit("sun", drafted["id"], "take-over", stands)).status_code == 200
    refused(await world.edit("manager", drafted["id"], "pass"), 409, "dossier-status")
    refused(await world.edit("sun", drafted["id"], "take-over/confirm"), 403, "forbidden")
    (task,) = (await world.done("market", "GET", "/dossiers?waiting_for=me"))["items"]
    assert (task["kind"], task["number"]) == ("take_over", drafted["number"])
    assert (await world.edit("market", drafted["number"], "take-over/confirm")).status_code == 200
    assert (await world.facts(f"customer-{drafted['id']}"))[-2:] == ["CustomerRegistered", "CustomerTakenOver"]
    months = (await world.done("sun", "GET", f"/volumes/{drafted['number']}"))["months"]
    assert [one["amount_fen"] for one in months] == [100 * back for back in range(1, 13)]


async def test_a_customer_is_closed_and_reopened(world: World) -> None:
    (row,) = (await world.done("admin", "GET", "/register?q=老客户公司"))["items"]
    refused(await world.edit("sun", row["number"], "close", {"reason": "停业"}), 403, "forbidden")
    assert (await world.edit("manager", row["number"], "close", {"reason": "停业"})).status_code == 200
    assert [one["number"] for one in (await world.done("sun", "GET", "/register?status=closed"))["items"]] == [
        row["number"]
    ]
    refused(await world.edit("sun", row["number"], "changes", {"region": "江苏"}), 409, "dossier-status")
    assert (await world.edit("manager", row["number"], "reopen", {"reason": "复业"})).status_code == 200


async def test_merged_numbers_lead_to_the_survivor_until_the_merge_is_undone(world: World) -> None:
    survivor, number = await world.register("合并公司", **complete("91150000MA2KEHU3XW"))
    merged, other = await world.register("合并公司分部", **complete("91150000MA2KEHU4XX"))
    for customer, fen in ((number, 100), (other, 10)):
        report = {"customer": customer, "month": month(30, world), "amount_fen": fen}
        await world.done("manager", "POST", "/volumes", {"reports": [report]})
    body = {"merged": other, "reason": "同一营业执照"}
    refused(await world.edit("sun", number, "merges", body), 403, "forbidden")
    refused(await world.edit("market", number, "merges", body | {"merged": number}), 422, "merge-same")
    merge = (await world.edit("market", number, "merges", body)).json()["merge"]
    refused(await world.edit("market", number, f"merges/{merge}/confirm"), 403, "own-submission")
    (task,) = (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=merge"))["items"]
    assert (task["task"], task["number"]) == (merge, number)
    confirmed = await world.edit("manager", number, f"merges/{merge}/confirm")
    assert confirmed.status_code == 200, confirmed.text

    for named in (other, merged):
        shown = await world.done("sun", "GET", f"/dossiers/{named}")
        assert (shown["customer"], shown["merged"]) == (survivor, [other])
        (one,) = (await world.done("sun", "GET", f"/volumes/{named}"))["months"]
        assert one["amount_fen"] == 110
    assert [one["number"] for one in (await world.done("sun", "GET", f"/register?q={other}"))["items"]] == [number]
    assert (await world.edit("sun", other, "changes", {"region": "江苏"})).status_code == 200
    later = {"customer": other, "month": month(29, world), "amount_fen": 7}
    await world.done("manager", "POST", "/volumes", {"reports": [later]})
    assert await world.facts(f"volumes-{merged}") == ["ContractVolumeReported"]

    undo = (await world.edit("market", number, f"merged/{other}/undo", {"reason": "误并"})).json()["merge"]
    refused(await world.edit("market", number, f"merges/{undo}/confirm"), 403, "own-submission")
    (task,) = (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=unmerge"))["items"]
    assert (task["task"], task["number"]) == (undo, number)
    undone = await world.edit("manager", number, f"merges/{undo}/confirm")
    assert undone.status_code == 200, undone.text
    assert (await world.done("manager", "GET", "/dossiers?waiting_for=me&kind=unmerge"))["items"] == []
    shown = await world.done("sun", "GET", f"/dossiers/{other}")
    assert (shown["customer"], shown["status"], shown["region"]) == (merged, "archived", "浙江")
    assert (await world.done("sun", "GET", f"/dossiers/{number}"))["region"] == "江苏"
    amounts = [one["amount_fen"] for one in (await world.done("sun", "GET", f"/volumes/{number}"))["months"]]
    assert amounts == [7, 100]


# --- printed -------------------------------------------------------------------------------------------------------


async def test_f4_is_printed_for_who_may_see_it_and_recorded(world: World) -> None:
    name = "温州印刷贸易有限公司"
    drafted = await world.done(
        "west.sales", "POST", "/dossiers", {"name": name, "department": "west", "contacts": [CONTACT]}
    )
    path = f"/dossiers/{drafted['number']}/print"
    own = await world.ask("west.sales", "GET", f"{path}?format=pdf")
    assert (own.status_code, own.headers["content-type"], own.content[:5]) == (200, "application/pdf", b"%PDF-")
    refused(await world.ask("west.manager", "GET", f"{path}?format=docx"), 422, "reason-required")
    assert (await world.ask("sun", "GET", f"{path}?format=pdf")).status_code == 404
    assert (await world.ask("west.sales", "GET", f"{path}?format=exe")).status_code == 422
    for person, sees in (("west.manager", True), ("auditor", False)):
        answer = await world.ask(person, "GET", f"{path}?format=docx", Kehu_Reason=quote("存档"))
        assert answer.status_code == 200, answer.text
        text = "".join(docx.Document(io.BytesIO(answer.content)).element.itertext())
        assert name in text
        assert (CONTACT["name"] in text) is sees
    history = await world.assembly.running.commands.history(printings("customer_registry"), "auditor")
    assert [
        (one.fact.form, one.fact.reason, one.fact.masked) for one in history if isinstance(one.fact, FormPrinted)
    ] == [("F4", "存档", True)]


async def test_f5_is_printed_with_a_reason(world: World) -> None:
    refused(await world.ask("west.manager", "GET", "/register/print?format=pdf"), 422, "reason-required")
    answer = await world.ask("west.manager", "GET", "/register/print?format=docx&q=HYP", Kehu_Reason=quote("例会"))
    assert answer.status_code == 200, answer.text
    text = "".join(docx.Document(io.BytesIO(answer.content)).element.itertext())
    assert '=HYPERLINK("x")' in text
    history = await world.assembly.running.commands.history(printings("customer_registry"), "west.manager")
    assert (await world.facts("customer_registry_print-west.manager"))[-1] == "FormPrinted"
    assert [one.fact.reason for one in history if isinstance(one.fact, FormPrinted)][-1] == "例会"
