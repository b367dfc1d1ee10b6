"""Templates as policy data: what each message says, through which channel, and until when it is worth saying.

A template's name and variables are the software's, since reactions fill them; its words are 市场部's. A version names
the templates that it words anew; of all others the words that came with the software hold.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu.deciding import Context
from kehu.policies import PolicyKind
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.template import LIVE_VARIABLES, TOLD_VARIABLES, Template, TemplateName


class Templates(BaseModel):
    """The templates that a version words anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: dict[TemplateName, Template] = Field(default_factory=dict[TemplateName, Template])

    def of(self, name: TemplateName) -> Template:
        """The words of a template under this version."""
        return self.templates.get(name) or WORDS[name]

    @model_validator(mode="after")
    def _only_known_variables(self) -> Self:
        for name, template in self.templates.items():
            known = LIVE_VARIABLES | TOLD_VARIABLES.get(name, frozenset())
            unknown = sorted(set(template.variables) - known)
            if unknown or not template.well_formed:
                raise PydanticCustomError(
                    "template_variables",
                    "模板 {name} 只能使用这些变量（写作 {{变量}}）：{known}。"
                    "The template {name} can use these variables, in braces: {known}.",
                    {"name": name.value, "known": ", ".join(sorted(known))},
                )
        return self


TEMPLATES = PolicyKind(name="templates", model=Templates, initial=Templates(), clause="Notifications")


def templates_in_force(context: Context) -> Templates:
    """The version that a decision is made under."""
    found: Templates = context.policies[TEMPLATES.name]
    return found
