"""Numbers and amounts of money as people and programs write them. Pure."""

from __future__ import annotations

import re

# An amount of money as people write it: a sign, digits with either separator, a currency before or behind.
AMOUNT = re.compile(r"(?:[A-Z]{3}|[$€£¥])?\s?([+-]?)\s?(?:[$€£¥]\s?)?(\d[\d.,'\u00a0\u202f ]*)\s?(?:[A-Z]{3}|[$€£¥])?")
THOUSANDS = re.compile(r"\d{1,3}(?:([.,'\u00a0\u202f ])\d{3})(?:\1\d{3})*")


def number_in(text: str) -> float | None:
    """Return the number that a text writes, or None.

    Besides what Python reads, amounts of money are read: `12,50 EUR`, `€1.234,50`, `USD 1,234.50`, `1 234,50`. One
    separator before exactly three digits (`1,234`) could mean either number, so it is not read.
    """
    if "_" in text:  # Python's own notation, nobody else's
        return None
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError:
        pass
    match = AMOUNT.fullmatch(text.strip())
    if match is None:
        return None
    sign, digits = match[1], match[2].strip()
    decimal = max(digits.rfind("."), digits.rfind(","))
    if decimal >= 0 and digits.count(digits[decimal]) == 1:
        whole, fraction = digits[:decimal], digits[decimal + 1 :]
        if len(fraction) == 3 and whole.isdecimal():
            return None
    else:
        whole, fraction = digits, ""
    grouped = THOUSANDS.fullmatch(whole)
    if not (whole.isdecimal() or grouped) or (fraction and not fraction.isdecimal()):
        return None
    return float(f"{sign}{''.join(filter(str.isdecimal, whole))}.{fraction or 0}")
