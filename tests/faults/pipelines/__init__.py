"""The pipelines of the campaign: what goes in, how they are set up, what must come out."""

from __future__ import annotations

from faults.pipelines.amplitude import (
    CohortsToSegments,
    CohortsToSegmentsInBatches,
    EventsToAmplitudeInBatches,
    EventsToSplit,
    EventsToSplitInBatches,
)
from faults.pipelines.base import Pipeline
from faults.pipelines.impressions import Exposures, Impressions, UserProperties
from faults.pipelines.routes import CohortChangesToSegments, FilesToSplit, StreamedEventsToSplit

PIPELINES: dict[str, type[Pipeline]] = {
    "impressions-as-events": Impressions,
    "impressions-as-exposures": Exposures,
    "impressions-as-user-properties": UserProperties,
    "events-to-split": EventsToSplit,
    "cohorts-to-segments": CohortsToSegments,
    "events-to-split-in-batches": EventsToSplitInBatches,
    "cohorts-to-segments-in-batches": CohortsToSegmentsInBatches,
    "events-to-amplitude-in-batches": EventsToAmplitudeInBatches,
    "files-to-split": FilesToSplit,
    "streamed-events-to-split": StreamedEventsToSplit,
    "cohort-changes-to-segments": CohortChangesToSegments,
}

__all__ = ["PIPELINES", "Pipeline"]
