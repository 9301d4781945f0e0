"""Secrets in every encoding in which a service or a library may echo them."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.redact import RedactingFilter, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(
    lambda text: text.strip("*")
)


def encodings(key: str, secret: str) -> list[str]:
    both = f"{key}:{secret}".encode()
    texts = [key, secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)]
    texts += [base64.b64encode(raw).decode() for raw in (key.encode(), secret.encode(), both, f"{key}:".encode())]
    texts += [base64.urlsafe_b64encode(both).decode(), base64.urlsafe_b64encode(both).decode().rstrip("=")]
    return texts


@given(SECRETS, SECRETS)
def test_no_encoding_survives(key: str, secret: str):
    redactor = Redactor([key, secret])
    for text in encodings(key, secret):
        redacted = redactor.redact(f"the service says {text!s} !")
        assert "***" in redacted
        assert text not in redacted or text in "the service says *** !"


@pytest.mark.parametrize("text", ["nothing to hide", "", "an api_key of ours"])
def test_other_texts_stay(text: str):
    assert Redactor(["k3y-0123456789", "s3cret+/="]).redact(text) == text


def test_a_very_short_secret_does_not_blank_out_words():
    assert Redactor(["a", ""]).redact("a cat") == "a cat"
    assert Redactor([]).redact("a cat") == "a cat"


def test_url_encoding_in_lower_case_is_found():
    assert Redactor(["k3y+/=="]).redact("?key=k3y%2b%2f%3d%3d") == "?key=***"


def test_what_is_logged_is_redacted(caplog: pytest.LogCaptureFixture):
    logger = logging.getLogger("redact.test")
    caplog.handler.addFilter(hide := RedactingFilter(Redactor(["k3y-0123456789"])))
    try:
        logger.warning("The key is %s.", "k3y-0123456789")
        logger.warning("Read %d.", 7)
    finally:
        caplog.handler.removeFilter(hide)
    assert caplog.messages == ["The key is ***.", "Read 7."]
