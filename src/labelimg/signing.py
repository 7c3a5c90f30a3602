"""Tell what this user wrote on this machine from what came from elsewhere, by a key that nobody else has."""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from labelimg import files
from labelimg.errors import LabelimgError

_BYTES = 32


def key_file() -> Path:
    """Where the key is, or would be: in the folder for the state of programs, that of XDG_STATE_HOME if it is set."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return Path(state if os.path.isabs(state) else Path("~/.local/state").expanduser(), "labelimg", "key")


def signature(text: str) -> str:
    """The text's signature, hexadecimal; the key is made where there is none. Empty where none can be kept."""
    key = _key()
    if key is None:
        with suppress(LabelimgError, OSError):  # a home that is read-only, or none at all
            files.make_folder(key_file().parent)
            files.write_private(key_file(), os.urandom(_BYTES))
        key = _key()
    return "" if key is None else _signed(text, key)


def is_ours(text: str, signature: object) -> bool:
    """Whether `signature` is what this user, on this machine, signed the text with."""
    key = _key()
    if key is None or not isinstance(signature, str) or not signature.isascii():
        return False
    return hmac.compare_digest(_signed(text, key), signature)


def _signed(text: str, key: bytes) -> str:
    return blake2b(text.encode("utf-8", "surrogateescape"), key=key, digest_size=32).hexdigest()


def _key() -> bytes | None:
    try:
        key = key_file().read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: nobody has a home
        return None
    return key if len(key) == _BYTES else None
