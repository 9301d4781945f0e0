"""Chart annotations, version 3.

Source: https://amplitude.com/docs/apis/analytics/chart-annotations.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.amplitude.answers import require_read_access, rest_error
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.clock import parse_ms


class Category(msgspec.Struct):
    """The category of an annotation."""

    id: int
    name: str


class Annotation(msgspec.Struct):
    """An annotation; `start` and `end` are ISO 8601 with a zone."""

    id: int
    start: str
    label: str
    end: str | None = None
    details: str = ""
    category: Category | None = None
    chart_id: str | None = None


class Annotations(Calls[Services]):
    """The planted annotations."""

    @call("POST", f"{OWN}/amplitude/annotations", planting)
    def put(self, body: bytes) -> int:
        """Plant annotations, or replace those with the same id.

        Raises:
            msgspec.ValidationError: one lacks an id, a start or a label.
        """
        annotations = msgspec.json.decode(body, type=list[Annotation])
        for annotation in annotations:
            self._services.store.put_document("annotation", str(annotation.id), annotation)
        return len(annotations)

    @call("GET", "/api/3/annotations")
    async def listing(self, request: Request) -> Response:
        """List annotations; `category`, `chart_id`, `start` and `end` choose some."""
        query = request.query_params
        annotations = self._all(request)
        if "category" in query and "chart_id" in query:
            raise rest_error(400, "category and chart_id cannot be combined")
        if "category" in query:
            annotations = [one for one in annotations if one.category and one.category.name == query["category"]]
        if "chart_id" in query:
            annotations = [one for one in annotations if one.chart_id == query["chart_id"]]
        try:
            start, end = (parse_ms(query[name]) if name in query else None for name in ("start", "end"))
        except ValueError:
            raise rest_error(400, "start and end must be ISO 8601 times") from None
        return _answer(
            [
                one
                for one in annotations
                if (start is None or parse_ms(one.start) >= start) and (end is None or parse_ms(one.start) <= end)
            ]
        )

    @call("GET", "/api/3/annotations/{annotation_id}")
    async def one(self, request: Request) -> Response:
        """Show one annotation."""
        for annotation in self._all(request):
            if str(annotation.id) == request.path_params["annotation_id"]:
                return _answer(annotation)
        raise rest_error(404, "Annotation not found")

    @call("GET", "/api/3/annotation-categories")
    async def categories(self, request: Request) -> Response:
        """List the categories of the annotations."""
        categories = {one.category.id: one.category for one in self._all(request) if one.category}
        return _answer(list(categories.values()))

    def _all(self, request: Request) -> list[Annotation]:
        require_read_access(request)
        return msgspec.convert(self._services.store.documents("annotation"), list[Annotation])


def _answer(data: Any) -> Response:
    return json_answer({"data": data})
