"""Words about dossiers, their verification, monthly reports and purchases (R4, R5.3.5)."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial.wording import CUSTOMER, QUARTER, TWO_WEEKS, to_staff
from kehu_notifier.templates.template import Template, TemplateName

WORDS: Mapping[TemplateName, Template] = {
    TemplateName.DOSSIER_TO_REVIEW: to_staff(
        f"客户档案 {CUSTOMER} 已提交，请审核：通过，或写明意见退回。办理期限：{{due}}。",
        f"The dossier {CUSTOMER} has been submitted: pass it, or give it back with remarks. Until: {{due}}.",
        TWO_WEEKS,
    ),
    TemplateName.DOSSIER_RETURNED: to_staff(
        f"客户档案 {CUSTOMER} 被退回，请按退回意见修改后再提交。",
        f"The dossier {CUSTOMER} was given back: mend what the remarks say, and submit it again.",
        TWO_WEEKS,
    ),
    TemplateName.TAKE_OVER_TO_CONFIRM: to_staff(
        f"现有客户 {CUSTOMER} 申请按现状接收，请核对证明材料：确认接收，或写明意见退回。办理期限：{{due}}。",
        f"The existing customer {CUSTOMER} is to be taken over as it stands: check the evidence, then confirm it or "
        f"give it back with remarks. Until: {{due}}.",
        TWO_WEEKS,
    ),
    TemplateName.CHANGE_TO_REVIEW: to_staff(
        f"客户 {CUSTOMER} 有一项重大变更（{{fields}}）待您审批：通过，或写明意见退回。办理期限：{{due}}。",
        f"A major change of {CUSTOMER} ({{fields}}) waits for you: pass it, or say why not. Until: {{due}}.",
        TWO_WEEKS,
    ),
    TemplateName.CHANGE_DECLINED: to_staff(
        f"客户 {CUSTOMER} 的重大变更未获通过，意见见客户档案；如仍需变更，请修改后重新提出。",
        f"The major change of {CUSTOMER} was not passed; the remarks stand in the dossier. Mend it, then propose it "
        "anew.",
    ),
    TemplateName.CHANGE_PASSED: to_staff(
        f"客户 {CUSTOMER} 的重大变更已通过，即时生效。",
        f"The major change of {CUSTOMER} was passed and holds from now on.",
    ),
    TemplateName.OWNER_ASSIGNED: to_staff(
        f"客户 {CUSTOMER} 现由您负责，请查看客户档案和未办结事项，并与客户联系。",
        f"{CUSTOMER} is yours now: look at its dossier and at what is open, and get in touch.",
        TWO_WEEKS,
    ),
    TemplateName.RELATION_TO_REVIEW: to_staff(
        f"有营销员申请在{{region}}协作客户 {CUSTOMER}，待您审批：同意，或写明意见退回。办理期限：{{due}}。",
        f"A salesperson asks to deal with {CUSTOMER} in {{region}} as well: agree, or say why not. Until: {{due}}.",
        TWO_WEEKS,
    ),
    TemplateName.RELATION_DECLINED: to_staff(
        f"您协作客户 {CUSTOMER} 的申请未获同意，意见见客户档案。",
        f"You will not deal with {CUSTOMER} as well; the remarks stand in its dossier.",
    ),
    TemplateName.RELATION_AGREED: to_staff(
        f"客户 {CUSTOMER} 新增协作关系，请负责人与协作人商定分工。",
        f"Another salesperson deals with {CUSTOMER} as well: owner and collaborators, agree on who does what.",
    ),
    TemplateName.MERGE_TO_CONFIRM: to_staff(
        "有人提出将客户 {merged} 并入客户 {survivor}，请核对是否为同一客户：确认合并，或写明意见拒绝。"
        "提出人不能自行确认。",
        "Customer {merged} may be the same as {survivor}: confirm the merge, or decline it with remarks. Whoever "
        "proposed it cannot.",
        TWO_WEEKS,
    ),
    TemplateName.UNMERGE_TO_CONFIRM: to_staff(
        "有人提出撤销客户 {merged} 与 {survivor} 的合并，请核对：确认撤销，或写明意见拒绝。提出人不能自行确认。",
        "The merge of {merged} into {survivor} may have been mistaken: confirm its undoing, or decline it with "
        "remarks. Whoever proposed it cannot.",
        TWO_WEEKS,
    ),
    TemplateName.MERGE_DECLINED: to_staff(
        f"您提出的客户合并或撤销合并（保留 {CUSTOMER}）未获确认，意见见客户档案。",
        f"The merge (into {CUSTOMER}), or its undoing, that you proposed was not confirmed; the remarks stand in the "
        "dossier.",
    ),
    TemplateName.CUSTOMERS_MERGED: to_staff(
        "客户 {merged} 已并入 {survivor}，两个客户编号均指向保留的档案；请只在该档案上办理业务。",
        "Customer {merged} was merged into {survivor}: both numbers lead to that dossier, where all work is done now.",
    ),
    TemplateName.CUSTOMERS_UNMERGED: to_staff(
        f"客户 {CUSTOMER} 的合并已撤销，两份档案恢复独立；请核对合并期间的业务归属。",
        f"The merge of {CUSTOMER} was undone: both dossiers stand for themselves. See to whom the work since then "
        "belongs.",
    ),
    TemplateName.CUSTOMER_CLOSED: to_staff(
        f"客户 {CUSTOMER} 已停止往来，档案保留备查。",
        f"{CUSTOMER} is a customer no longer; its dossier stays.",
    ),
    TemplateName.CUSTOMER_REOPENED: to_staff(
        f"客户 {CUSTOMER} 已恢复往来，请核对档案内容是否仍然准确。",
        f"{CUSTOMER} is a customer again: see whether its dossier still holds.",
    ),
    TemplateName.VERIFICATION_DUE: to_staff(
        f"请在{{day}}前核实客户 {CUSTOMER} 的档案（{{quarter}}）：电话、传真、信函或回访均可。",
        f"Verify the dossier of {CUSTOMER} for {{quarter}} by {{day}}: by phone, fax, mail or a visit.",
        QUARTER,
    ),
    TemplateName.VERIFICATION_REMINDER: to_staff(
        f"客户 {CUSTOMER} 的档案（{{quarter}}）尚未核实，请在季度结束前办理。",
        f"The dossier of {CUSTOMER} is still to be verified for {{quarter}}, before the quarter ends.",
        TWO_WEEKS,
    ),
    TemplateName.VERIFICATION_OVERDUE: to_staff(
        f"客户 {CUSTOMER} 的档案（{{quarter}}）核实已逾期，请立即办理。",
        f"The verification of {CUSTOMER} for {{quarter}} is overdue: do it at once.",
        TWO_WEEKS,
    ),
    TemplateName.VERIFIER_NEEDED: to_staff(
        f"客户 {CUSTOMER} 的档案（{{quarter}}）没有可用的核实人，请指定一人，须在{{day}} "
        "前完成核实（不得为该客户的营销员）。",
        f"Nobody can verify the dossier of {CUSTOMER} for {{quarter}} by {{day}}: appoint somebody, not its "
        "salesperson.",
        TWO_WEEKS,
    ),
    TemplateName.CONTACTS_UNREACHABLE: to_staff(
        f"核实客户 {CUSTOMER} 的档案（{{quarter}}）时三次均联系不上，请查明联系方式并更新档案。",
        f"{CUSTOMER} was out of reach three times ({{quarter}}): find out how to reach it, and mend the dossier.",
        TWO_WEEKS,
    ),
    TemplateName.REPORT_DUE: to_staff(
        "请在{day} 24:00 前提交{department_name} {month}的月度报告（无内容也须零报告）。",
        "Submit the report of {department_name} for {month} by 24:00 on {day}, also if it is nil.",
        TWO_WEEKS,
    ),
    TemplateName.REPORT_MISSING: to_staff(
        "{department_name} {month}的月度报告逾期未交，请立即补报（无内容也须零报告）。",
        "The report of {department_name} for {month} is missing: submit it at once, also if it is nil.",
        TWO_WEEKS,
    ),
    TemplateName.REPORT_NOT_RECEIVED: to_staff(
        "{department_name}未按时提交{month}的月度报告，请督促补报；未报月份按 0 计入合同量。",
        "{department_name} has not submitted its report for {month}: see that it does. The month counts as 0 until "
        "then.",
    ),
    TemplateName.MEASURE_ASSIGNED: to_staff(
        f"请在{{day}}前落实客户 {CUSTOMER} 采购情况（{{quarter}}）的改进措施，完成后登记结果。",
        f"See to the measure about the purchases of {CUSTOMER} ({{quarter}}) by {{day}}, and record what came of it.",
        TWO_WEEKS,
    ),
    TemplateName.MEASURE_TAKEN_OFF: to_staff(
        f"客户 {CUSTOMER} 采购情况（{{quarter}}）的改进措施已改由他人负责，您无须再办理。",
        f"The measure about the purchases of {CUSTOMER} ({{quarter}}) is somebody else's now.",
    ),
    TemplateName.MEASURE_OVERDUE: to_staff(
        f"客户 {CUSTOMER} 采购情况（{{quarter}}）的改进措施应于{{day}}前完成，现已逾期，请立即办理并登记结果。",
        f"The measure about the purchases of {CUSTOMER} ({{quarter}}) was due by {{day}}: do it now, and record it.",
        TWO_WEEKS,
    ),
    TemplateName.MEASURE_WITHDRAWN: to_staff(
        f"客户 {CUSTOMER} 采购情况（{{quarter}}）的改进措施已撤销，您无须再办理。",
        f"The measure about the purchases of {CUSTOMER} ({{quarter}}) was taken back: nothing is left to do.",
    ),
}
