"""A server's numbers at /metrics, as Prometheus reads them."""

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from serving.telemetry.later import SECONDS
from tests.serving.servers import Server

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server) -> Series:
    time.sleep(2 * SECONDS)  # another worker's numbers are written so much later at most
    text = httpx.get(f"{server.url}/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, /, **labels: str) -> float:
    """The sum of all series of this name with at least these labels."""
    return sum(v for (n, given), v in series.items() if n == name and labels.items() <= given)
