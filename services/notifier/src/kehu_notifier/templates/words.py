"""How values that reasons tell are said in messages, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kehu.contracts.vetting import Step

Language = Literal["zh", "en"]

#: The chain's steps (R3.1.3), and the salesperson whom something is given back to.
STEPS: Mapping[str, tuple[str, str]] = {
    Step.VETTING: ("营销部审核", "vetting by the department"),
    Step.FINANCE: ("财务部复核", "finance's re-check"),
    Step.MANAGER: ("部门经理同意", "the department manager's consent"),
    Step.REGISTRATION: ("总经理办公室登记", "registration by the general manager's office"),
    Step.GENERAL_MANAGER: ("总经理批准", "the general manager's approval"),
    Step.AGREEMENT: ("签订协议", "the agreement"),
    "salesperson": ("营销员", "the salesperson"),
}
#: How an invoice request ended without an invoice (R3.2.3).
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "refused": ("未获通过", "refused"),
    "withdrawn": ("已撤回", "withdrawn"),
    "lapsed": ("已过期失效", "lapsed"),
}
_WORDED: Mapping[str, Mapping[str, tuple[str, str]]] = {"step": STEPS, "back_to": STEPS, "outcome": OUTCOMES}


def worded(variable: str, value: str, language: Language) -> str:
    """A variable's value as a reader of that language is told it."""
    words = _WORDED.get(variable, {}).get(value)
    return value if words is None else words[0 if language == "zh" else 1]
