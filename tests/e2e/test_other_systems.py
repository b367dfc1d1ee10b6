"""The examples of docs/facts.md do what it says: another system reads facts, and publishes one, with aiokafka alone."""

from __future__ import annotations

from pathlib import Path

from journeys import G, Installation, Journey, R, run_example

from kehu.calendar import Month
from kehu.ids import new_id

FIFTEEN_MILLION_YUAN = 1_500_000_000


async def report(
    at: Installation, journey: Journey, month: Month, fen: int, message: str, *more: str
) -> tuple[int, str]:
    """Report a month as the contract system does."""
    return await run_example(
        "report_volume.py",
        at.brokers,
        f"--customer={journey.number}",
        f"--month={month}",
        f"--fen={fen}",
        f"--id={message}",
        *more,
    )


async def test_a_reader_outside_keeps_a_list_of_customers_and_grades(journey: Journey, tmp_path: Path) -> None:
    await journey.registered()
    listed = f"{journey.number} {journey.name} C"
    code, said = await run_example("read_facts.py", journey.at.brokers, str(tmp_path / "list.db"), "--idle=5")
    assert code == 0, said
    assert "kehu.CustomerRegistered.v1 R4.3 customer-" in said
    assert listed in said
    # The group goes on where it was: nothing has its effect twice, and the list stays.
    code, said = await run_example("read_facts.py", journey.at.brokers, str(tmp_path / "list.db"), "--idle=5")
    assert code == 0, said
    assert f"customer-{journey.customer}" not in said
    assert listed in said


async def test_a_reader_that_misses_facts_reads_its_partition_again(journey: Journey, tmp_path: Path) -> None:
    """Guard: the gap check in read_facts.py. The list is lost while the group keeps its place."""
    await journey.registered()
    await run_example("read_facts.py", journey.at.brokers, str(tmp_path / "lost.db"), "--idle=5")
    await journey.step("li", "changes", {"region": "浙江"})
    code, said = await run_example("read_facts.py", journey.at.brokers, str(tmp_path / "new.db"), "--idle=5")
    assert code == 0, said
    assert said.index("kehu.CustomerRegistered.v1 R4.3 customer-" + journey.customer) < said.index(
        "kehu.CustomerChanged.v1 R4.4 customer-" + journey.customer
    )
    assert f"{journey.number} {journey.name}" in said


async def test_a_report_from_another_system_changes_a_grade(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    await journey.activated()
    first_full_month = Month.of(await at.today()) + 1
    await at.advance(130)
    code, said = await report(at, journey, first_full_month, FIFTEEN_MILLION_YUAN, f"HT-{new_id()}")
    assert (code, said) == (
        0,
        f"recorded: {journey.customer} {first_full_month} {FIFTEEN_MILLION_YUAN} fen, late\n",
    )
    grade = await at.eventually("li", G, f"/grades/{journey.customer}", indicative="A", official="C", drifting=True)
    assert grade["indicative_explained"]["clause"] == "R5.2.A"


async def test_what_is_refused_is_told_to_its_sender_and_what_is_repeated_changes_nothing(journey: Journey) -> None:
    at = journey.at
    await journey.registered()
    month = Month.of(await at.today()) - 1
    message = f"HT-{new_id()}"
    stranger = await report(at, journey, month, 100, message, "--source=/nobody-knows")
    assert stranger[0] == 1
    assert stranger[1].startswith("refused: source-not-allowed")
    assert (await report(at, journey, month, 100, message))[0] == 0
    repeated = await report(at, journey, month, 100, message, "--wait=3")
    assert repeated[0] == 2
    other = await report(at, journey, month, 101, f"HT-{new_id()}")
    assert other[0] == 1
    assert other[1].startswith("refused: already-reported R5.3.5")
    shown = await at.get("li", R, f"/volumes/{journey.customer}")
    assert [(one["month"], one["amount_fen"]) for one in shown["months"]] == [(str(month), 100)]


async def test_an_erp_a_warehouse_and_a_bank_are_answered_by_the_running_system(journey: Journey) -> None:
    """docs/examples/send_trade.py, from outside: what it is told under its numbers can be asked for by these."""
    at = journey.at
    await journey.registered()
    await journey.activated()
    day, number = f"--day={await at.today()}", f"HT-{new_id()}"
    digest = f"--digest={'ab' * 32}"
    signed = (f"--customer={journey.number}", "--item=阀门", "--quantity=10", "--fen=1000", digest, day)
    code, said = await run_example("send_trade.py", at.brokers, "order", *signed, f"--id={number}")
    assert code == 0, said
    assert said.startswith("recorded: DD")
    leaves = (f"--order={number}", day, f"--id=WH-{number}")
    code, said = await run_example("send_trade.py", at.brokers, "shipment", *leaves)
    assert (code, said.split()[:3]) == (1, ["refused:", "not-released", "R3.2.1"]), said
    code, said = await run_example("send_trade.py", at.brokers, "receipt", "--fen=1000", day, f"--id=BK-{number}")
    assert code == 0, said
    taken = (f"--receipt=BK-{number}", "--fen=400", "--reason=付错", day, f"--id=BR-{number}")
    code, said = await run_example("send_trade.py", at.brokers, "reversal", *taken)
    assert (code, said[:12], said[-8:]) == (0, "recorded: SK", "400 fen\n"), said
    back = ("--shipment=nothing", "--item=阀门", "--quantity=1", "--reason=质量", day, f"--id=WR-{number}")
    code, said = await run_example("send_trade.py", at.brokers, "return", *back)
    assert (code, said.split()[1]) == (1, "shipment-unknown"), said
