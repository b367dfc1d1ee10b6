"""Personal data in facts: marked in the model, sealed before it reaches the store, gone when its key is erased."""

from kehu.privacy.fields import ERASED, Personal, PersonalField, has_personal, personal_paths
from kehu.privacy.keyring import Keyring
from kehu.privacy.sealing import SealBrokenError, blind_index

__all__ = [
    "ERASED",
    "Keyring",
    "Personal",
    "PersonalField",
    "SealBrokenError",
    "blind_index",
    "has_personal",
    "personal_paths",
]
