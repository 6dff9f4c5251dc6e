"""What a PromQL expression of ours asks of a series: its name, its labels, the values that it names. Enough for our own, not the whole language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from ordergate.runtime.metrics import Metrics

OURS = re.compile(r"\bordergate_[a-z_]+")
OF_HISTOGRAMS = frozenset({"le"})
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def series() -> dict[str, frozenset[str]]:
    """Every series that our services have, _bucket, _count and _sum of histograms too, with the names of its labels."""
    metrics = Metrics("test")
    found: dict[str, frozenset[str]] = {}
    for each in vars(metrics).values():
        family = getattr(each, "_metric", None)
        if isinstance(family, MetricWrapperBase):
            labels = frozenset(family._labelnames)
            for ending in ENDINGS.get(str(family._type), ("",)):
                found[family._name + ending] = labels | (OF_HISTOGRAMS if ending == "_bucket" else frozenset())
    return found


def asked(expression: str) -> set[str]:
    """The names of our series."""
    return set(OURS.findall(expression))


def selected(expression: str) -> Iterator[tuple[str, str, str]]:
    """Series, label, value of each selector."""
    for name, inside in re.findall(r"\b(ordergate_[a-z_]+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"', inside):
            yield name, label, value


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    return {each.strip() for inside in re.findall(r"\bby \(([^)]*)\)", expression) for each in inside.split(",")}


def absent_labels(expression: str, *, scraped: frozenset[str]) -> set[str]:
    """Labels that the expression names and none of its series has. scraped: what Prometheus itself adds."""
    known = series()
    wanted = {label for name, label, _ in selected(expression) if label not in known[name] | scraped}
    have = frozenset().union(*(known[name] for name in asked(expression)))
    return wanted | (grouped(expression) - have - scraped if asked(expression) else set())


def absent_in_text(expression: str, text: str, *, scraped: frozenset[str]) -> set[str]:
    """Labels that an annotation names and the alert's result does not bear."""
    wanted = set(re.findall(r"\$labels\.(\w+)", text))
    by = grouped(expression)
    have = frozenset().union(*(series()[name] for name in asked(expression)))
    return wanted - (by or have | scraped)


VALUES: Mapping[tuple[str, str], frozenset[str]] = {
    ("ordergate_venue_orders_total", "client_order_id"): frozenset({"yes", "no"}),
    ("ordergate_throttled_total", "status"): frozenset({"429", "418"}),
    ("ordergate_budget_standing", "standing"): frozenset({"starting", "owner", "leasing", "alone", "frozen"}),
    ("ordergate_dropped_total", "what"): frozenset({"span"}),
    ("ordergate_reconnects_total", "to"): frozenset({"bus"}),
}
"""Of labels of which an alert or a dashboard names a value: those that services give."""


def values_nobody_gives(expression: str) -> set[tuple[str, str, str]]:
    """A selector with such a value is for ever empty."""
    ours = {each for each in selected(expression) if each[1] in series()[each[0]]}
    return {each for each in ours if each[2] not in VALUES.get(each[:2], frozenset())}


def first_events(alerts: Mapping[str, str], rules: str) -> dict[str, Any]:
    """A test for `promtool test rules`: each alert (name -> expression) on an increase fires at the first event of a process.

    A counter with labels is not there before it: `increase` alone sees it appear, and says nothing.
    """
    return {
        "rule_files": [rules],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": _born(expression), "values": "_x20 1x20"}],
                "promql_expr_test": [_fires(name, "4m45s", 0), _fires(name, "6m", 1)],
            }
            for name, expression in alerts.items()
            if re.search(r"increase\(ordergate_\w+_total[^)]*\) > 0", expression)
        ],
    }


def _born(expression: str) -> str:
    (name,) = asked(expression)
    labels = dict.fromkeys(series()[name], "x") | {label: value for _, label, value in selected(expression)}
    told = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{told}}}"


def _fires(alert: str, after: str, count: int) -> dict[str, Any]:
    counted = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    return {"expr": counted, "eval_time": after, "exp_samples": [{"labels": "{}", "value": count}] if count else []}
