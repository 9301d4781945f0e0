"""Keys in texts, however they are encoded: services and proxies echo them in errors. Pure."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MARK = "***"
# A shorter one would be found in ordinary words.
SHORTEST = 4


class Redactor:
    """Replaces secrets: plain, JSON-escaped, URL-encoded, and base64 of each alone or of two as `user:password`.

    Args:
        secrets: API keys, passwords, tokens.

    Example:
        >>> Redactor(["k3y-1234"]).redact("no such key: k3y-1234")
        'no such key: ***'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [secret for secret in dict.fromkeys(secrets) if len(secret) >= SHORTEST]
        forms = set(itertools.chain.from_iterable(map(_forms, known)))
        forms |= {
            form for first, second in itertools.product([*known, ""], repeat=2) for form in _base64(f"{first}:{second}")
        }
        longest_first = sorted(filter(None, forms), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if known else None

    def redact(self, text: str) -> str:
        """Return a text with `***` in place of every secret."""
        return text if self._pattern is None else self._pattern.sub(MARK, text)


class RedactingFilter(logging.Filter):
    """Redacts whatever is logged. Points of metrics and clean messages pass untouched."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that holds a secret."""
        message = record.getMessage()
        redacted = self._redactor.redact(message)
        if redacted != message:
            record.msg, record.args = redacted, ()
        return True


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield from _base64(secret)


def _base64(text: str) -> Iterator[str]:
    """Yield base64 of a text in both alphabets, without padding, so that it is found with and without."""
    if text.strip(":"):
        raw = text.encode()
        yield base64.b64encode(raw).decode().rstrip("=")
        yield base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hide_in_logs(secrets: Iterable[str]) -> None:
    """Redact these secrets in whatever the handlers of the root logger write from now on."""
    redacting = RedactingFilter(Redactor(secrets))
    for handler in logging.getLogger().handlers:
        for earlier in [one for one in handler.filters if isinstance(one, RedactingFilter)]:
            handler.removeFilter(earlier)
        handler.addFilter(redacting)
