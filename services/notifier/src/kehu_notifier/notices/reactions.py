"""What happens elsewhere and makes people wait, or is news to them (Notifications); a module per subject."""

from __future__ import annotations

from kehu_notifier.notices import (
    of_dossiers,
    of_grades,
    of_invoices,
    of_messages,
    of_orders,
    of_papers,
    of_qualifications,
    of_quarters,
    of_staff,
    of_visits,
)

REACTIONS = (
    *of_dossiers.REACTIONS,
    *of_quarters.REACTIONS,
    *of_staff.REACTIONS,
    *of_qualifications.REACTIONS,
    *of_papers.REACTIONS,
    *of_orders.REACTIONS,
    *of_invoices.REACTIONS,
    *of_grades.REACTIONS,
    *of_visits.REACTIONS,
    *of_messages.REACTIONS,
)
