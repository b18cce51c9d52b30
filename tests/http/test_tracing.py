"""OpenTelemetry, for those who have set it up."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.http.api import Api, content, in_memory

PARENT = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What somebody's collector would get."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def told(spans: tuple[ReadableSpan, ...]) -> list[tuple[str, object, object]]:
    return [
        (
            span.name,
            (span.attributes or {}).get("http.route"),
            (span.attributes or {}).get("http.response.status_code"),
        )
        for span in spans
    ]


@in_memory
async def test_each_request_is_a_span_by_the_name_of_its_route(
    api: Api, exported: InMemorySpanExporter
) -> None:
    product = await api.product()
    exported.clear()
    content(await api.nobody.get(f"/v1/products/{product['id']}"), 200)
    await api.nobody.get("/v1/products?limit=x")
    await api.nobody.get("/nowhere")
    assert told(exported.get_finished_spans()) == [
        ("GET /v1/products/{id}", "/v1/products/{id}", 200),
        ("GET /v1/products", "/v1/products", 422),
        ("GET", None, 404),
    ]


@in_memory
async def test_a_span_continues_the_trace_of_the_client_and_tells_nothing_personal(
    api: Api, exported: InMemorySpanExporter
) -> None:
    await api.staff.get(
        "/v1/users?email=canary7@example.com",
        headers={"traceparent": f"00-{PARENT}-b7ad6b7169203331-01"},
    )
    [span] = exported.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == PARENT
    assert "canary7" not in span.to_json()
    assert str(api.staff.token) not in span.to_json()


def test_without_it_nothing_of_its_is_loaded() -> None:
    code = "import sys, interfaces.asgi; print('opentelemetry.sdk' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"TRADEPOST_MEMORY": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "False\n"
