"""Words about grades and visits (R5, R6.2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial.wording import CUSTOMER, TWO_WEEKS, to_staff
from kehu_notifier.templates.template import Template, TemplateName

WORDS: Mapping[TemplateName, Template] = {
    TemplateName.GRADE_ASSIGNED: to_staff(
        f"客户 {CUSTOMER} 的正式等级为 {{grade}} 类，请按该等级安排拜访和维护。",
        f"The official grade of {CUSTOMER} is {{grade}}: visit and look after it accordingly.",
    ),
    TemplateName.INDICATIVE_GRADE_CHANGED: to_staff(
        f"客户 {CUSTOMER} 的动态等级由 {{previous}} 类变为 {{grade}} 类，正式等级不变。",
        f"The indicative grade of {CUSTOMER} has gone from {{previous}} to {{grade}}; the official one stays.",
    ),
    TemplateName.GRADE_DRIFT: to_staff(
        f"客户 {CUSTOMER} 的动态等级（{{indicative}} 类）与正式等级（{{official}} 类）不一致，已列入关注名单。",
        f"{CUSTOMER} is on the watch list: its indicative grade is {{indicative}}, the official one {{official}}.",
    ),
    TemplateName.GRADE_DRIFT_ENDED: to_staff(
        f"客户 {CUSTOMER} 的动态等级与正式等级（{{official}} 类）恢复一致，已移出关注名单。",
        f"The indicative grade of {CUSTOMER} agrees with the official one, {{official}}, again: it is off the watch "
        "list.",
    ),
    TemplateName.VISIT_PLANNED: to_staff(
        f"您已列入{{day}}拜访客户 {CUSTOMER} 的人员，请查看拜访登记表并提前做好准备。",
        f"You are to visit {CUSTOMER} on {{day}}: see the visit register, and prepare.",
        TWO_WEEKS,
    ),
    TemplateName.VISIT_CANCELLED: to_staff(
        f"原定{{day}}对客户 {CUSTOMER} 的拜访已取消。",
        f"The visit to {CUSTOMER} on {{day}} has been cancelled.",
    ),
    TemplateName.VISIT_RECORD_OVERDUE: to_staff(
        f"{{day}}拜访客户 {CUSTOMER} 的记录表逾期未交，请立即补填。",
        f"The record of the visit to {CUSTOMER} on {{day}} is overdue: fill it in now.",
        TWO_WEEKS,
    ),
    TemplateName.VISIT_DEVIATES: to_staff(
        f"{{day}}对客户 {CUSTOMER} 的拜访未事先登记或与规定不符，请查看拜访记录。",
        f"The visit to {CUSTOMER} on {{day}} was not planned, or not as the policy wants: see its record.",
    ),
}
