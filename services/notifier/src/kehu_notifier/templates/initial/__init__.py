"""The words that come with the software, a module per subject; 市场部 words them anew as policy data."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial import dossiers, engagement, qualifications, staff, trade
from kehu_notifier.templates.template import Template, TemplateName

WORDS: Mapping[TemplateName, Template] = {
    **dossiers.WORDS,
    **staff.WORDS,
    **qualifications.WORDS,
    **trade.WORDS,
    **engagement.WORDS,
}
