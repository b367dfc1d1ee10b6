"""The cryptography of personal data, without I/O: sealed values, wrapped keys, derived keys, blind indexes.

AES-256-GCM throughout. The master key itself encrypts nothing: every use has a key derived from it (HKDF-SHA256) under
a purpose of its own, so that no use can be turned against another.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALGORITHM = "A256GCM.v1"
KEY_BYTES = 32
_NONCE_BYTES = 12  # what GCM is specified for; random, so one key may seal 2**32 values (NIST SP 800-38D)


class SealBrokenError(Exception):
    """Something sealed does not open where it stands: it was altered, moved, or sealed under another key."""


class KeyId(NamedTuple):
    """Whose key it is, and how long it may be needed; erasing takes one of them, never a person as a whole."""

    person: str
    retention: str


class MasterKey:
    """The key that everything hangs on; known to services, never to the database.

    Args:
        key: 32 bytes, read from a file.

    Raises:
        ValueError: it has another length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"The master key has {KEY_BYTES} bytes, not {len(key)}.")
        self._key = key
        self._wrapping = AESGCM(self.derive("person keys"))

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for one purpose; the same purpose gives the same key for ever."""
        info = f"kehu/{purpose}/v1".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._key)

    def new_key(self, key_id: KeyId) -> tuple[AESGCM, bytes]:
        """Return a fresh random key, and the same wrapped: it opens for this person and retention class only."""
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return AESGCM(key), _encrypt(self._wrapping, key, _bound(*key_id))

    def unwrap(self, key_id: KeyId, wrapped: bytes) -> AESGCM:
        """Return the key that `new_key` made, from its wrapped form.

        Raises:
            SealBrokenError: it was wrapped for somebody else, under another master key, or altered.
        """
        try:
            return AESGCM(_decrypt(self._wrapping, wrapped, _bound(*key_id)))
        except InvalidTag as exception:
            raise SealBrokenError(
                f"The key of person {key_id.person} ({key_id.retention}) does not open under this master key: "
                "was the right key file given?"
            ) from exception


def nonces(count: int) -> Iterator[bytes]:
    """Return so many fresh ones, drawn at once: asking the system for each takes longer than sealing with it."""
    drawn = os.urandom(_NONCE_BYTES * count)
    return (drawn[start : start + _NONCE_BYTES] for start in range(0, len(drawn), _NONCE_BYTES))


def seal_value(key: AESGCM, key_id: KeyId, stream: str, path: str, text: str, nonce: bytes) -> dict[str, str]:
    """Return what stands in the fact instead of `text`; it opens at this path of this stream only.

    Args:
        key: of the person and retention class.
        key_id: which those are.
        stream: of the fact.
        path: in the fact's JSON.
        text: what is personal.
        nonce: one of `nonces`, used for nothing else.

    """
    return {
        "enc": ALGORITHM,
        "person": key_id.person,
        "retention": key_id.retention,
        "nonce": _base64url(nonce),
        "ciphertext": _base64url(key.encrypt(nonce, text.encode(), _bound(stream, path))),
    }


def is_sealed(value: dict[str, Any]) -> bool:
    """Whether a JSON object is a sealed value."""
    return value.get("enc") == ALGORITHM


def key_of(sealed: dict[str, Any], stream: str, path: str) -> KeyId:
    """Return which key a sealed value needs.

    Raises:
        SealBrokenError: it does not say.
    """
    person, retention = sealed.get("person"), sealed.get("retention")
    if not isinstance(person, str) or not isinstance(retention, str):
        raise _broken(stream, path)
    return KeyId(person, retention)


def open_value(key: AESGCM, sealed: dict[str, Any], stream: str, path: str) -> str:
    """Return the text that was sealed at this path of this stream.

    Raises:
        SealBrokenError: it was altered, or moved from another path or stream.
    """
    try:
        nonce, ciphertext = _bytes(sealed["nonce"]), _bytes(sealed["ciphertext"])
        return key.decrypt(nonce, ciphertext, _bound(stream, path)).decode()
    except (InvalidTag, KeyError, TypeError, ValueError, AttributeError) as exception:
        raise _broken(stream, path) from exception


def seal_bytes(key: bytes, data: bytes, context: str) -> bytes:
    """Return `data` encrypted under `key`, to be opened in the same context only."""
    return _encrypt(AESGCM(key), data, context.encode())


def open_bytes(key: bytes, sealed: bytes, context: str) -> bytes:
    """Return what `seal_bytes` encrypted.

    Raises:
        SealBrokenError: it was altered, or sealed under another key or context.
    """
    try:
        return _decrypt(AESGCM(key), sealed, context.encode())
    except InvalidTag as exception:
        raise SealBrokenError(f"What was sealed for {context} does not open there.") from exception


def seal_chunk(key: AESGCM, chunk: bytes, *place: str) -> bytes:
    """Return a part of something larger, encrypted; it opens at this place only."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, chunk, _bound(*place))


def open_chunk(key: AESGCM, sealed: bytes, *place: str) -> bytes:
    """Return what `seal_chunk` encrypted at the same place.

    Raises:
        SealBrokenError: it was altered, moved, or sealed under another key.
    """
    try:
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(*place))
    except (InvalidTag, ValueError) as exception:
        raise SealBrokenError(f"The chunk at {'/'.join(place)} does not open there: altered or moved.") from exception


def blind_index(key: bytes, normalised: str) -> str:
    """Return a value that views can search by instead of the plaintext: HMAC-SHA256 in base64url, 43 characters.

    Args:
        key: derived for this purpose (`Keyring.index_key`), so that the same phone differs between purposes.
        normalised: the value in its one stable form (`kehu.phones`, `kehu.text`); equal only if equal to the last byte.
    """
    return _base64url(hmac.digest(key, normalised.encode(), hashlib.sha256))


def _encrypt(key: AESGCM, data: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, bound)


def _decrypt(key: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    if len(sealed) < _NONCE_BYTES:
        raise InvalidTag
    return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)


def _bound(*place: str) -> bytes:
    # JSON keeps the parts apart whatever they contain. What json.dumps gives for a list of text, without its encoder.
    return f"[{', '.join(map(encode_basestring_ascii, place))}]".encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _broken(stream: str, path: str) -> SealBrokenError:
    return SealBrokenError(
        f"The sealed value at {path} of a fact in {stream} does not open there: it was altered or moved."
    )
