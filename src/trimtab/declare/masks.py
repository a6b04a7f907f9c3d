"""Masks what looks like a secret in a text that others will read: a lock, a message, a log."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_TOKENS: Final = re.compile(
    r"\bsk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}|\b[srp]k_(?:live|test)_\w{8,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{10,}|\b(?:AKIA|ASIA)[0-9A-Z]{16,}|\bAIza[\w-]{30,}"
    r"|\btt_[\w-]{40,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*-----END [A-Z ]*PRIVATE KEY-----)?"
)
"""Keys and tokens whose issuers give them a form of their own."""
_TOKEN_MARKS: Final = (
    "sk-", "k_live_", "k_test_", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA",
    "ASIA", "AIza", "tt_", "eyJ", "-----BEGIN ",
)  # fmt: skip
_HEADER_MARKS: Final = ("earer ", "EARER ", "asic ", "ASIC ")
"""What stands in every text that the slower patterns can match."""
_SHORTEST: Final = 8
"""Characters of the shortest text that can hold any of these, credentials in a URL among them."""
_USERINFO: Final = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,31}://)[^/\s?#\"'<>@]*@")
_PARAMETER: Final = re.compile(r"([?&;]([A-Za-z0-9_.-]{1,64})=)[^&;\s\"'#]+")
_HEADER: Final = re.compile(
    r"\b((?:[Bb]earer|BEARER|[Bb]asic|BASIC) +)(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{16,}"
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TELLING: Final = frozenset({
    "apikey", "auth", "authorization", "credential", "credentials", "key", "passphrase", "passwd", "password", "pat",
    "pwd", "secret", "secrets", "sig", "signature", "token",
})  # fmt: skip
"""Words by which a name tells that its value is a secret."""


def without_secrets(text: str) -> str:
    """A text with credentials in URLs and headers, and keys of well-known forms, masked."""
    if len(text) < _SHORTEST:
        return text
    if "://" in text:
        text = _USERINFO.sub(rf"\1{MASK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(_parameter, text)
    if any(mark in text for mark in _HEADER_MARKS):
        text = _HEADER.sub(rf"\1{MASK}", text)
    return _TOKENS.sub(MASK, text) if any(mark in text for mark in _TOKEN_MARKS) else text


def holds_secret(text: str) -> bool:
    """Whether a text holds what looks like a secret."""
    return without_secrets(text) != text


def names_secret(name: str) -> bool:
    """Whether a variable, an option or a parameter of this name holds a secret ("HF_TOKEN", "--api-key")."""
    return bool(_TELLING & {word.lower() for word in _WORDS.findall(name)})


def _parameter(match: re.Match[str]) -> str:
    return match[1] + MASK if names_secret(match[2]) else match[0]
