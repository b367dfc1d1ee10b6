"""R4.6 and the roles as people live them: who leaves, who stands in, and who may not sign what they had a part in."""

from __future__ import annotations

from typing import Any

from journeys import E, Installation, R, V
from people import Customer, Person, World
from trade import in_days

# --- R4.6: a departure -----------------------------------------------------------------------------------------------


async def test_r4_6_whoever_leaves_takes_nothing_and_leaves_nobody_without_care(
    world: World, clock: Installation
) -> None:
    hr, zhao, wang = world.hr, world.zhao, world.wang
    await clock.until_morning()  # service messages are held at night, and one of them is a proof
    liu, lu = await world.hires("liu", "salesperson"), await world.hires("lu", "salesperson")
    await world.known(liu, lu)
    told, called, out_of_reach = [await with_phone(world, liu, mobile=mobile) for mobile in (True, False, False)]
    left = await with_phone(world, lu, mobile=False)
    visit = {
        "planned_on": await in_days(world, 1),
        "visitors": [liu.id, wang.id],
        "purpose": "对账",
        "preparation": "往来明细",
    }
    planned = await liu.eventually_does(E, f"/customers/{told.id}/visits", visit)

    # HR or the manager starts it, never the person; it holds at once.
    last_day = await in_days(world, 5)
    body = {"person": liu.id, "last_day": last_day, "reason": "辞职"}
    await liu.may_not(R, "/departures", body, code="not-the-manager", clause="R4.6")
    await hr.may_not(
        R, "/departures", body | {"last_day": await in_days(world, -1)}, code="last-day-over", clause="R4.6"
    )
    departure = "/departures/" + (await hr.does(R, "/departures", body))["number"]
    await hr.does(R, "/departures", body | {"person": lu.id})
    await hr.may_not(R, "/departures", body, code="leaving", clause="R4.6")
    await zhao.is_told("successors-to-propose")
    await nothing_goes_with_them(world, liu, told)
    await a_successor_and_a_proof_for_each(world, departure, liu, (told, called, out_of_reach))

    # Refused, naming what is open, until there is nothing any more.
    refused = await hr.may_not(R, f"{departure}/clear", code="departure-open", clause="R4.6")
    assert planned["visit"] in refused["detail"]
    await clock.advance(4)
    await zhao.does(R, f"{departure}/customers/{out_of_reach.id}/accept")
    await a_waiver_after_two_attempts(world, departure, out_of_reach)
    record = {
        "visited_at": f"{visit['planned_on']}T10:00:00+08:00",
        "attendees": [liu.id, wang.id],
        "needs": "年度用量约 200 台",
        "next_step": "由接手人跟进",
    }
    await liu.does(E, f"/customers/{told.id}/visits/{planned['visit']}/record", record)
    await hr.eventually_sees(R, departure, clear=True)
    await zhao.may_not(R, f"{departure}/clear", code="hr-only", clause="R4.6")
    await hr.does(R, f"{departure}/clear")
    certificate = await hr.sees(R, f"{departure}/certificate")
    proofs = {
        one["data"]["customer"]: one["data"]["proof"] for one in certificate["facts"] if one["type"] == "HandoverProved"
    }
    assert proofs == {told.id: "delivery", called.id: "call", out_of_reach.id: "waived"}
    ids = {fact["id"] for fact in await world.facts(told)}
    assert {one["id"] for one in certificate["facts"] if one["data"].get("customer") == told.id} <= ids

    # Access ends at 24:00 of the last day, whatever is open: the rest passes to the manager.
    await liu.sees(R, "/me")
    await clock.advance(2)
    for person in (liu, lu):
        gone = await person.at.system.send(person.id, R, "GET", "/me")
        assert (gone.status_code, gone.json()["code"], gone.json()["clause"]) == (403, "access-ended", "R4.6")
    await zhao.eventually_sees(R, left.dossier, owner=zhao.id)


async def with_phone(world: World, owner: Person, *, mobile: bool) -> Customer:
    """A customer of theirs; without a mobile number no text message reaches it."""
    customer = world.customer(owner)
    digits = customer.identity[9:16]
    contact = {
        "name": "刘建国",
        "title": "总经理",
        "phone": f"1380{digits}" if mobile else f"0551-6{digits}",
        "main": True,
    }
    await customer.is_drafted()
    await customer.is_filled_in(contacts=[contact])
    await customer.is_submitted()
    await customer.is_passed()
    return customer


async def nothing_goes_with_them(world: World, leaver: Person, own: Customer) -> None:
    """No list, no export, no print, no name in the clear, and nothing new is theirs."""
    assert (await leaver.sees(R, "/me"))["departing"]
    for path in ("/register", "/register/export", f"/timeline/{own.id}", f"{own.dossier}/print?format=pdf"):
        answer = await leaver.at.system.send(leaver.id, R, "GET", path, headers={"Kehu-Reason": "x"})
        assert (answer.status_code, answer.json()["code"], answer.json()["clause"]) == (403, "departing", "R4.6"), path
    (contact,) = (await leaver.sees(R, own.dossier))["contacts"]
    assert contact["name"] == "刘**"
    assert own.identity[9:16] not in contact["phone"]
    draft = {"name": "新客户", "department": world.department}
    await leaver.may_not(R, "/dossiers", draft, code="departing", clause="R4.6")
    await leaver.may_not(R, f"{own.dossier}/changes", {"region": "江苏"}, code="departing", clause="R4.6")
    other = await world.registered()
    await world.zhao.may_not(
        R, f"{other.dossier}/owner", {"owner": leaver.id}, code="salesperson-unknown", clause="R4.2"
    )
    post = {"role": "verifier", "department": world.department}
    await world.admin.may_not(R, f"/staff/{leaver.id}/roles", post, code="leaving", clause="R4.6")


async def a_successor_and_a_proof_for_each(
    world: World, departure: str, liu: Person, customers: tuple[Customer, Customer, Customer]
) -> None:
    """The manager assigns, the successor acknowledges, and every customer is told by a receipt or by somebody else."""
    zhao, wang = world.zhao, world.wang
    told, called, out_of_reach = customers
    shown = await zhao.sees(R, departure)
    assert {one["customer"]: one["lacks"] for one in shown["customers"]} == {
        one.id: "successor-missing" for one in customers
    }
    offer = f"{departure}/customers/{told.id}/successor"
    await zhao.may_not(R, offer, {"successor": liu.id}, code="successor-self", clause="R4.6")
    for customer in customers:
        await zhao.does(R, f"{departure}/customers/{customer.id}/successor", {"successor": wang.id})
    await wang.is_told("succession-to-accept", customer=told)
    await wang.finds(R, "/handovers?waiting_for=me", customer=told.id, leaver=liu.id)
    await liu.does(R, f"{departure}/customers/{told.id}/notes", {"text": "每月 5 日对账"})
    await zhao.may_not(R, f"{departure}/customers/{out_of_reach.id}/accept", code="answer-not-due", clause="R4.6")
    for customer in (told, called):
        await wang.does(R, f"{departure}/customers/{customer.id}/accept")
        assert (await wang.sees(R, customer.dossier))["owner"] == wang.id
    # The delivered notice proves it by itself; a call is recorded by somebody other than who leaves.
    await zhao.eventually_sees(R, departure, customers=[{"customer": told.id, "proof": "delivery", "lacks": None}])
    proof, call = f"{departure}/customers/{called.id}/proof", {"proof": "call", "remark": "已电话告知"}
    await liu.may_not(R, proof, call, code="departing", clause="R4.6")
    await wang.may_not(R, proof, {"proof": "letter", "remark": "回执"}, code="digest-missing", clause="R4.6")
    await wang.does(R, proof, call)
    await wang.may_not(R, proof, call, code="already-proved", clause="R4.6")


async def a_waiver_after_two_attempts(world: World, departure: str, customer: Customer) -> None:
    """Whom nobody reaches: the manager waives the proof after two failed attempts, with the reason."""
    waive = f"{departure}/customers/{customer.id}/waive"
    refused = await world.zhao.may_not(R, waive, {"reason": "停业"}, code="too-few-attempts", clause="R4.6")
    for _ in range(refused["evidence"]["failed"], refused["evidence"]["wanted"]):
        attempt = {"method": "call", "remark": "停机"}
        await world.wang.does(R, f"{departure}/customers/{customer.id}/attempts", attempt)
    await world.wang.may_not(R, waive, {"reason": "停业"}, code="not-the-manager", clause="R4.6")
    await world.zhao.does(R, waive, {"reason": "停业"})


# --- People: four eyes, delegates, escalation ------------------------------------------------------------------------


async def test_roles_take_four_eyes_delegates_sign_as_such_and_silence_never_approves(
    world: World, clock: Installation
) -> None:
    await key_roles_take_two(world)
    await separation_outlives_a_change_of_role(world)
    await a_delegate_signs_as_one(world)
    await what_nobody_answers_goes_up(world, clock)


async def key_roles_take_two(world: World) -> None:
    """One admin proposes, another one confirms; nobody appoints themselves; rights are those of this moment."""
    new = await world.hires("xin", department=None)
    post = {"role": "finance", "department": None}
    await world.zhao.may_not(R, f"/staff/{new.id}/roles", post, code="admin-only", clause="People")
    await world.admin.may_not(R, f"/staff/{world.admin.id}/roles", post, code="second-person-needed", clause="People")
    await world.admin.does(R, f"/staff/{new.id}/roles", post)
    assert (await new.sees(R, "/me"))["posts"] == []
    await world.admin.may_not(R, f"/staff/{new.id}/roles/confirm", post, code="second-person-needed", clause="People")
    await world.admin2.does(R, f"/staff/{new.id}/roles/confirm", post)
    assert [one["role"] for one in (await new.sees(R, "/me"))["posts"]] == ["finance"]
    await world.admin.does(R, f"/staff/{new.id}/roles/revoke", post)
    assert (await new.sees(R, "/me"))["posts"] == []
    manager = {"role": "dept_manager", "department": world.department}
    await world.admin.may_not(R, f"/staff/{world.wang.id}/roles", manager, code="post-taken", clause="People")


async def separation_outlives_a_change_of_role(world: World) -> None:
    """Whoever signed a step signs no other one of it, also in another role."""
    customer = await world.registered()
    await customer.is_proposed()
    await customer.is_signed("vetting")
    post = {"role": "finance", "department": None}
    await world.admin.does(R, f"/staff/{world.sun.id}/roles", post)
    await world.admin2.does(R, f"/staff/{world.sun.id}/roles/confirm", post)
    passing, signature = f"{customer.f1}/pass", await customer.signature("finance")
    await role_arrives(world.sun, passing, signature)
    await world.sun.misses(V, "/qualifications?waiting_for=me", customer=customer.id)
    await world.admin.does(R, f"/staff/{world.sun.id}/roles/revoke", post)
    await customer.is_signed("finance", "manager")


async def role_arrives(person: Person, path: str, body: dict[str, Any]) -> None:
    """Once vetting knows of the new role, it is the person that is barred and no longer the role that is missing."""
    refused = await person.eventually_refused(V, path, body, code="separation-of-duties")
    assert refused["clause"] == "R3.1.3"
    assert refused["evidence"]["signed"] == "vetting"


async def a_delegate_signs_as_one(world: World) -> None:
    """委托: dated, for named steps, of the same or a higher post, no chain; shown as B代A, both barred alike."""
    zhao, wang = world.zhao, world.wang
    gao = await world.hires("gao", "dept_manager", department=await world.another_department())
    body = {
        "delegate": gao.id,
        "steps": ["dossier:review"],
        "first_day": await in_days(world, 0),
        "last_day": await in_days(world, 2),
        "reason": "出差",
    }
    await wang.may_not(R, "/delegations", body, code="step-not-yours", clause="People")
    await zhao.may_not(R, "/delegations", body | {"delegate": wang.id}, code="lower-post", clause="People")
    await zhao.may_not(R, "/delegations", body | {"delegate": zhao.id}, code="delegate-self", clause="People")
    backwards = body | {"last_day": await in_days(world, -1)}
    await zhao.may_not(R, "/delegations", backwards, code="delegation-days", clause="People")
    number = (await zhao.does(R, "/delegations", body))["number"]
    await gao.is_told("delegate-appointed")
    onwards = body | {"delegate": world.person("he").id}
    await gao.may_not(R, "/delegations", onwards, code="delegation-chained", clause="People")
    customer = await world.prospect()
    await customer.is_submitted()
    await gao.finds(R, "/dossiers?waiting_for=me", number=customer.number)
    await gao.may_not(R, f"{customer.dossier}/changes", {"region": "江苏"}, code="forbidden", clause="R4.4")
    await gao.does(R, f"{customer.dossier}/pass")
    last = (await world.li.sees(R, f"{customer.dossier}/history"))[-1]["data"]
    assert (last["registered_by"], last["on_behalf_of"]) == (gao.id, zhao.id)
    # What the absent manager had a part in is barred for both.
    await world.admin.does(R, f"/staff/{zhao.id}/roles", {"role": "salesperson", "department": world.department})
    own = await world.prospect(zhao)
    await own.is_submitted()
    await gao.may_not(R, f"{own.dossier}/pass", code="own-submission", clause="R4.3")
    await world.li.may_not(R, f"/delegations/{number}/end", code="forbidden", clause="People")
    await zhao.does(R, f"/delegations/{number}/end")
    await gao.cannot_see(R, customer.dossier)


async def what_nobody_answers_goes_up(world: World, clock: Installation) -> None:
    """Three days unanswered: the superior is told; it still waits, and silence approves nothing."""
    zhao, boss = world.zhao, world.boss
    customer = await world.prospect()
    await customer.is_submitted()
    await boss.misses(R, "/escalations?waiting_for=me", customer=customer.id)
    await clock.advance(4)
    row = await boss.finds(R, "/escalations?waiting_for=me", customer=customer.id, step="dossier:review")
    assert row["superior"] == "general_manager"
    await boss.is_told("customer-step-escalated", customer=customer)
    await zhao.misses(R, "/escalations?waiting_for=me", customer=customer.id)
    assert (await world.li.sees(R, customer.dossier))["status"] == "submitted"
    await zhao.does(R, f"{customer.dossier}/pass")
    await boss.misses(R, "/escalations?waiting_for=me", customer=customer.id)
