"""The first customer from first contact to grade and message, through all five services, by HTTP alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journeys import CHAIN, E, G, Installation, Journey, N, R, V

from kehu.calendar import Month
from kehu.ids import new_id

FIVE_MILLION_YUAN = 500_000_000
ONE_FEN = 1


async def messages(at: Installation, person: str, journey: Journey) -> list[dict[str, Any]]:
    """What the notifier has told a person about a customer."""
    return (await at.get(person, N, f"/messages?customer={journey.customer}"))["items"]


# --- first contact to grade ------------------------------------------------------------------------------------------


async def test_a_dossier_is_returned_once_then_passed_listed_and_graded(journey: Journey) -> None:
    at = journey.at
    await journey.drafted()
    await journey.step("li", "submit")
    await at.eventually("zhao", N, f"/messages?customer={journey.customer}", items=[{"recipient": "zhao"}])
    await journey.step("zhao", "return", {"remarks": "请补充第二联系人。"})
    shown = await at.get("li", R, f"/dossiers/{journey.customer}")
    assert (shown["status"], shown["remarks"]) == ("returned", "请补充第二联系人。")
    await journey.step("li", "submit")
    await journey.step("zhao", "pass")
    listed = await at.eventually("zhao", R, f"/register?q={journey.number}", items=[{"number": journey.number}])
    assert len(listed["items"]) == 1
    grade = await at.eventually("li", G, f"/grades/{journey.customer}", official="C", clause="R5.2.C", provisional=True)
    assert grade["indicative_explained"]["limbs"], grade


async def test_a_second_dossier_with_the_same_uscc_is_refused_and_names_the_first(journey: Journey) -> None:
    await journey.registered()
    twin = Journey(journey.at, journey.serial)
    answer = await twin.at.post("chen", R, "/dossiers", {"name": "另一家", "department": "west"})
    path = f"/dossiers/{answer.json()['id']}"
    refused = await twin.at.system.send(
        "chen",
        R,
        "PATCH",
        path,
        body={"identity": {"kind": "uscc", "number": journey.uscc}},
        headers={"If-Match": answer.headers["ETag"], "Accept-Language": "en"},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "identity-taken")
    assert journey.number in refused.text


async def test_nobody_passes_what_they_submitted_and_no_stranger_sees_it(journey: Journey) -> None:
    await journey.drafted()
    await journey.step("li", "submit")
    path = f"/dossiers/{journey.customer}"
    own = await journey.at.post("li", R, f"{path}/pass", edits=path)
    assert own.status_code == 403
    stranger = await journey.at.system.send("chen", R, "GET", path)
    assert stranger.status_code in (403, 404)


# --- qualification ---------------------------------------------------------------------------------------------------


async def test_the_chain_is_signed_in_order_by_different_people_to_activation(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    path = f"/qualifications/{await journey.submitted_qualification()}"
    early = await at.post("boss", V, f"{path}/pass", await journey.signature(path, "general_manager"))
    assert early.status_code in (403, 409)
    for step, person in CHAIN:
        await at.eventually(person, V, "/qualifications?waiting_for=me", items=[{"customer": journey.customer}])
        signed = await at.post(person, V, f"{path}/pass", await journey.signature(path, step))
        assert signed.status_code == 200, (step, signed.text)
        again = await at.post(person, V, f"{path}/pass", await journey.signature(path, step))
        assert again.status_code in (403, 409)
    await journey.agreement(path)
    shown = await at.get("li", V, path)
    assert shown["status"] == "active"
    for person in ("sun", "fin", "zhao", "office", "boss"):
        await at.eventually(person, N, f"/messages?customer={journey.customer}", items=[{"recipient": person}])


# --- volumes and grade -----------------------------------------------------------------------------------------------


async def test_closed_months_move_the_grade_to_the_fen_and_bad_credit_bars_it(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    await journey.activated()
    begun = Month.of(await at.today()) + 1
    await at.advance(130)
    months = [begun, begun + 1, begun + 2]
    reports = [
        {"customer": journey.number, "month": str(month), "amount_fen": FIVE_MILLION_YUAN} for month in months[:2]
    ]
    reports.append({"customer": journey.number, "month": str(months[2]), "amount_fen": FIVE_MILLION_YUAN - ONE_FEN})
    answer = await at.post("zhao", R, "/volumes", {"reports": reports})
    assert answer.status_code == 200, answer.text
    grade = await at.eventually("li", G, f"/grades/{journey.customer}", indicative="B", drifting=True)
    assert "0.01" in str(grade["indicative_explained"]), grade["indicative_explained"]
    corrected = await at.post(
        "zhao",
        R,
        f"/volumes/{journey.customer}/corrections",
        {"month": str(months[2]), "amount_fen": FIVE_MILLION_YUAN, "reason": "漏报一份合同"},
    )
    assert corrected.status_code == 201, corrected.text
    await at.eventually("li", G, f"/grades/{journey.customer}", indicative="A", official="C", drifting=True)
    await at.eventually("market", G, "/watch-list?limit=200", items=[{"customer": journey.customer}])
    incident = await at.post(
        "fin",
        V,
        f"/credit/{journey.customer}/incidents",
        {"occurred_on": (await at.today()).isoformat(), "description": "货款逾期", "evidence": "催款函 2026-07"},
    )
    assert incident.status_code == 201, incident.text
    await at.eventually("li", G, f"/grades/{journey.customer}", indicative="C", drifting=False)


async def test_an_excel_file_is_taken_whole_or_refused_by_row(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    ended = Month.of(await at.today()) - 1
    refused = await journey.upload([(journey.number, str(ended), "1,000.00"), ("K999999999", "2026-13", "很多")])
    assert refused.status_code == 422, refused.text
    assert "3" in refused.text
    assert (await at.get("zhao", R, f"/volumes/{journey.customer}"))["months"] == []
    taken = await journey.upload([(journey.number, str(ended), "1,000.00")])
    assert taken.status_code == 200, taken.text
    assert taken.json()["reported"] == 1


async def test_a_month_that_has_not_ended_is_refused(journey: Journey) -> None:
    await journey.registered()
    this_month = str(Month.of(await journey.at.today()))
    answer = await journey.at.post(
        "zhao", R, "/volumes", {"reports": [{"customer": journey.number, "month": this_month, "amount_fen": 1}]}
    )
    assert answer.status_code in (409, 422)
    assert answer.json()["errors"] if "errors" in answer.json() else answer.json()["clause"] == "R5.3.5"


# --- visits ----------------------------------------------------------------------------------------------------------


async def test_a_first_visit_takes_two_and_its_record_is_reminded_of(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    path = f"/customers/{journey.customer}/visits"
    tomorrow = (await at.today() + timedelta(days=1)).isoformat()
    plan = {"planned_on": tomorrow, "visitors": ["li"], "purpose": "了解需求", "preparation": "产品样本与报价单"}
    alone = await at.post("li", E, path, plan)
    assert (alone.status_code, alone.json()["clause"]) == (409, "R6.2.1b")
    planned = await at.post("li", E, path, plan | {"visitors": ["li", "wang"]})
    assert planned.status_code == 201, planned.text
    visit = f"{path}/{planned.json()['visit']}"
    await at.advance(5)
    await at.eventually("li", E, visit, state="overdue")
    await at.eventually("li", N, f"/messages?customer={journey.customer}", items=[{"template": "visit-record-overdue"}])
    record = {
        "visited_at": f"{tomorrow}T10:00:00+08:00",
        "attendees": ["li", "wang"],
        "needs": "年度用量约 200 台",
        "next_step": "两周内报价",
    }
    logged = await at.post("li", E, f"{visit}/record", record, edits=visit)
    assert logged.status_code == 200, logged.text
    standing = await at.eventually("li", E, f"/customers/{journey.customer}", new=False)
    assert standing["customer"] == journey.customer


# --- the same request twice ------------------------------------------------------------------------------------------


async def test_the_same_command_sent_twice_has_one_effect_and_one_answer(installation: Installation) -> None:
    key = f"e2e-{new_id()}"
    body = {"name": "重复提交测试有限公司", "department": "east"}
    first = await installation.post("li", R, "/dossiers", body, **{"Idempotency-Key": key})
    second = await installation.post("li", R, "/dossiers", body, **{"Idempotency-Key": key})
    other = await installation.post("li", R, "/dossiers", body | {"name": "另一家"}, **{"Idempotency-Key": key})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_an_edit_names_the_version_it_was_made_from(journey: Journey) -> None:
    await journey.drafted()
    path = f"/dossiers/{journey.customer}"
    missing = await journey.at.system.send("li", R, "PATCH", path, body={"region": "浙江"})
    stale = await journey.at.system.send("li", R, "PATCH", path, body={"region": "浙江"}, headers={"If-Match": '"1"'})
    assert (missing.status_code, stale.status_code) == (428, 409)
    assert (stale.json()["code"], stale.headers["ETag"]) == ("version-conflict", '"2"')


async def test_the_audit_tells_who_did_what_and_why(journey: Journey) -> None:
    await journey.registered()
    told = await journey.at.kehu("audit", "customer", journey.customer)
    assert "CustomerRegistered" in told
    assert "GradeAssigned" in told
    assert "zhao" in told
    assert "13800001001" not in told
