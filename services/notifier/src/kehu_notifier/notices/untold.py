"""Published facts that nobody is told of, each with the reason; every other one has a reaction in `reactions.py`.

`tests/contract/test_notices.py` holds every published fact to one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerTakenOver,
)
from kehu.contracts.messages import MessageDelivered, MessageRequested
from kehu.contracts.platform import InboundRefused
from kehu.contracts.staff import (
    DepartmentChanged,
    DepartmentClosed,
    DepartmentOpened,
    HandoverProved,
    RoleRevoked,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.contracts.trade import (
    ReceiptRefunded,
    SettlementUnitLinked,
    SettlementUnitQualified,
    SettlementUnitUnlinked,
)
from kehu.facts import Fact

_OF_THE_COMPANY = "Nobody waits for it; GET /staff and GET /departments show who works where, GET /me one's own roles."

UNTOLD: Mapping[type[Fact], str] = {
    DepartmentOpened: _OF_THE_COMPANY,
    DepartmentChanged: _OF_THE_COMPANY,
    DepartmentClosed: _OF_THE_COMPANY,
    StaffMemberAppointed: _OF_THE_COMPANY,
    StaffMemberMoved: _OF_THE_COMPANY,
    RoleRevoked: "Nobody waits for it; whoever had the role is told nothing more that waits for it.",
    HandoverProved: "What is still without proof stands in GET /handovers; the clearance names it.",
    CustomerTakenOver: "Comes with CustomerRegistered, which ends what waited for the second person.",
    ContractVolumeReported: "Part of a report that is told of when due or missing; grading says what follows from it.",
    ContractVolumeCorrected: "Grading says what follows from it: the indicative grade, and drift.",
    SettlementUnitQualified: "Stands in the qualification review whose steps are told.",
    SettlementUnitLinked: "Follows from a qualification or a renewal whose end is told.",
    SettlementUnitUnlinked: "Done by the department itself; orders that name the payer keep it, nothing waits.",
    ReceiptRefunded: "Finance does it itself; what follows from it (ReleaseBlocked, RedLetterDue) is told.",
    MessageRequested: "The telling itself.",
    MessageDelivered: "The telling itself; where its delivery is a proof, the registry takes it (R4.6).",
    InboundRefused: "The answer to the system that sent the message, which reads it on the topic.",
}
