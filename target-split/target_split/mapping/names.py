"""Names that Split accepts, made from any text: readable, and different for different texts. Pure.

A text is cleaned to the allowed characters. Where another, more usual text gives the same result, a short hash of the
text follows, so that names never collide; which one goes without the hash is a fixed rule (`usual_text`),
because a name must come out the same in every run, whatever else that run holds.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

HASH_DIGITS = 8

# Amplitude puts these words in brackets before the names of its own events.
# https://amplitude.com/docs/sdks/analytics/browser/autocapture, https://amplitude.com/docs/experiment/exposure
BRACKETED = frozenset({"Amplitude", "Experiment", "Guides-Surveys"})


@dataclass(frozen=True)
class NameRule:
    """What a kind of name may look like.

    Attributes:
        foreign: Finds runs of characters that are not allowed.
        first: Fits the first character.
        longest: Most characters.
        fallback: Stands in front where a name would not begin rightly.
        reserved: Names that are not allowed.
    """

    foreign: re.Pattern[str]
    first: re.Pattern[str]
    longest: int
    fallback: str
    reserved: frozenset[str] = frozenset()


def event_type_rule(longest: int) -> NameRule:
    """Return the rule of `eventTypeId`.

    The narrowest of the published rules: https://docs.split.io/reference/events-overview allows letters, digits, `-`,
    `_` and `.`, begun by a letter or digit, up to 63 (in its pattern) or 80 characters (in its text).
    """
    return NameRule(re.compile(r"[^-_.a-zA-Z0-9]+"), re.compile(r"[a-zA-Z0-9]"), longest, "event")


# https://docs.split.io/reference/create-segment: begins with a letter, then letters, digits, `-`, `_`; three words are
# reserved. Up to 100 characters, as the clients of the API have it.
SEGMENT_RULE = NameRule(
    re.compile(r"[^-_a-zA-Z0-9]+"),
    re.compile(r"[a-zA-Z]"),
    100,
    "segment",
    frozenset({"datetime", "string", "integer"}),
)


def is_clean(rule: NameRule, text: str) -> bool:
    """Whether a text holds only allowed characters."""
    return rule.foreign.search(text) is None


def clean_part(rule: NameRule, text: str) -> str:
    """Return a text in allowed characters, for use as a part of a name. Different texts give different parts."""
    plain = rule.foreign.sub("_", unaccented(text))
    if plain != text:
        plain = plain.strip("_")
    return plain if plain and text == usual_text(plain) else f"{plain or rule.fallback}_{digest(text)}"


def complete(rule: NameRule, name: str, text: str) -> str:
    """Return a name that keeps the whole rule: its beginning, its length, the reserved words.

    Args:
        rule: Of this kind of name.
        name: Made of cleaned parts.
        text: What the name stands for: different names that would be cut to the same one differ in it.
    """
    whole = name if rule.first.match(name) else f"{rule.fallback}_{name.lstrip('-_.')}"
    if whole == name and len(name) <= rule.longest and name not in rule.reserved:
        return name
    return f"{whole[: rule.longest - HASH_DIGITS - 1]}_{digest(text)}"


def event_type_name(rule: NameRule, prefix: str, text: str) -> str:
    """Return the event type's name: `amp.` and `[Amplitude] Page Viewed` give `amp.Amplitude_Page_Viewed`."""
    return complete(rule, prefix + clean_part(rule, text), text)


def usual_text(plain: str) -> str:
    """Return the one text that is written as this cleaned one without a hash.

    Names in Title Case are usually written with spaces (`Page_Viewed` stands for `Page Viewed`), all others usually as
    they are (`page_viewed` stands for itself).
    """
    first, underscore, rest = plain.partition("_")
    if not underscore or not plain[:1].isupper():
        return plain
    words = rest.replace("_", " ")
    return f"[{first}] {words}" if first in BRACKETED else f"{first} {words}"


def unaccented(text: str) -> str:
    """Return a text with letters bare of their accents; letters that have no bare form are left."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def digest(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_DIGITS // 2).hexdigest()
