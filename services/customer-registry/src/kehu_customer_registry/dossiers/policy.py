"""The numbers of R4 that may change: what counts as prompt."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kehu.policies import PolicyKind


class DossierKeeping(BaseModel):
    """Within how many days of its occurring a change is entered promptly (R4.4); later ones are shown as late."""

    model_config = ConfigDict(frozen=True)

    prompt_days: int = Field(ge=0, le=365)


DOSSIER_KEEPING = PolicyKind(
    name="dossier_keeping", model=DossierKeeping, initial=DossierKeeping(prompt_days=5), clause="R4.4"
)
