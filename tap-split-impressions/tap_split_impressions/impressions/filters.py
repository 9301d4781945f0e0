"""Which impressions are wanted: by environment, flag and treatment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tap_split_impressions.common.record_paths import glob_matcher
from tap_split_impressions.impressions.item import Item

MOST_SEEN = 50


class Filters:
    """The settings `environments`, `flags` and `exclude_treatments`; an empty list selects everything.

    So does `*` among the environments: also impressions whose source names none, such as the Evaluator's.

    Attributes:
        active: Whether any of them is set.
        seen: The environments and flags that came, by the name of the setting, at most 50 each.
    """

    def __init__(
        self, environments: Iterable[str] = (), flags: Iterable[str] = (), exclude_treatments: Iterable[str] = ()
    ) -> None:
        environments = () if "*" in environments else environments
        self._environments = glob_matcher(environments) if environments else None
        self._flags = glob_matcher(flags) if flags else None
        self._treatments = glob_matcher(exclude_treatments) if exclude_treatments else None
        self.active = bool(environments or flags or exclude_treatments)
        self.seen: dict[str, set[str]] = {"environments": set(), "flags": set()}
        self._reason = lru_cache(maxsize=65536)(self._decide)

    def reason_against(self, item: Item, environment_name: str | None) -> str | None:
        """Return why an item is skipped (`environment`, `flag` or `treatment`), or None when it is wanted."""
        return self._reason(item.split, item.treatment, item.environment_id, environment_name)

    def _decide(
        self, flag: str, treatment: str, environment_id: str | None, environment_name: str | None
    ) -> str | None:
        name_and_id = f"{environment_name} ({environment_id})" if environment_name and environment_id else None
        environment = name_and_id or environment_name or environment_id or "none given"
        for setting, text in (("environments", environment), ("flags", flag)):
            if len(self.seen[setting]) < MOST_SEEN:
                self.seen[setting].add(text)
        if self._flags and not self._flags(flag):
            return "flag"
        if self._treatments and self._treatments(treatment):
            return "treatment"
        if self._environments and not any(
            self._environments(text) for text in (environment_id, environment_name) if text is not None
        ):
            return "environment"
        return None
