#!/usr/bin/env python3
"""Checks the deploy files without a cluster, a Prometheus or a Grafana.

The dashboards have the parts Grafana needs, unique ids and no overlapping panels; every expression in
them, and of what Hubble's dashboards ask, is one that promtool accepts; the alert rules pass their tests;
the unit passes systemd's own check; and every metric named in one of these places is one that flowd exposes:
in the text given by --metrics (a scrape of a running daemon), or else in the daemon's source.

Usage: deploy/check.py [--metrics FILE]       PROMTOOL names another promtool than the one on PATH.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
RULES = DEPLOY / "prometheus" / "flowd.rules.yaml"
HUBBLE = DEPLOY / "prometheus" / "hubble-dashboards.json"
TESTS = DEPLOY / "prometheus" / "flowd.rules.test.yaml"
UNIT = DEPLOY / "systemd" / "flowd.service"
METRICS_SOURCE = DEPLOY.parent / "daemon" / "src" / "metrics"

METRIC = re.compile(r"\b(?:hubble|flowd|grpc_server)_[a-z_]+\b")
# What Grafana puts in before it asks; any valid value serves the syntax check.
VARIABLES = {
    "$__rate_interval": "5m",
    "$__range": "1h",
    "$instance": "node",
    "$source": "shop/web",
    "$destination": "shop/db",
    "$workload": "shop/web",
    "$policy": "web",
    "$shadow": "web",
}
# Series that a histogram has beside its name.
HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--metrics", type=Path, help="a scrape of a running daemon")
    options = arguments.parse_args()
    expressions, faults = [], []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        faults += [f"{path.name}: {fault}" for fault in dashboard_faults(dashboard)]
        expressions += dashboard_expressions(dashboard)
    for dashboard in json.loads(HUBBLE.read_text())["dashboards"]:
        expressions += [one["expr"] for one in dashboard["expressions"]]
    faults += metric_faults(expressions, options.metrics)
    faults += promtool_faults(expressions)
    faults += unit_faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1
    print(f"deploy: {len(DASHBOARDS)} dashboards, {len(expressions)} expressions, rules and unit are good")
    return 0


def dashboard_faults(dashboard):
    for field in ("uid", "title", "schemaVersion", "panels", "templating"):
        if field not in dashboard:
            yield f"has no {field}"
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    if len(ids) != len(set(ids)):
        yield "two panels have the same id"
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if x >= 24 or (x, y) in taken:
                    yield f"panel {panel['title']!r} lies over {taken.get((x, y), 'the edge')!r}"
                    return
                taken[x, y] = panel["title"]
        if panel["type"] != "row" and not panel.get("targets"):
            yield f"panel {panel['title']!r} asks nothing"
        for target in panel.get("targets", []):
            if target["datasource"]["uid"] != "${datasource}":
                yield f"panel {panel['title']!r} is tied to one data source"


def dashboard_expressions(dashboard):
    panels = dashboard["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def metric_faults(expressions, scrape):
    if scrape is not None:
        text, where = scrape.read_text(), str(scrape)
    else:
        text, where = "".join(path.read_text() for path in METRICS_SOURCE.glob("*.rs")), "daemon/src/metrics"
    exposed = {name for found in METRIC.findall(text) for name in (found, HISTOGRAM.sub("", found))}
    rules = "\n".join(line for line in RULES.read_text().splitlines() if "alert:" not in line)
    asked = set(METRIC.findall("\n".join(expressions) + rules))
    unknown = {name for name in asked - exposed if HISTOGRAM.sub("", name) not in exposed}
    return [f"metric {name} is not in {where}" for name in sorted(unknown)]


def promtool_faults(expressions):
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        return ["promtool is missing: install Debian's package prometheus, or name one with PROMTOOL"]
    rules = []
    for number, expression in enumerate(expressions):
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        rules.append({"record": f"check:expression:{number}", "expr": expression})
    with tempfile.TemporaryDirectory() as folder:
        # JSON is YAML.
        panel_rules = Path(folder) / "panels.yaml"
        panel_rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
        return [
            *run(promtool, "check", "rules", str(panel_rules)),
            *run(promtool, "check", "rules", str(RULES)),
            *run(promtool, "test", "rules", str(TESTS)),
        ]


def unit_faults():
    if shutil.which("systemd-analyze") is None:
        return ["systemd-analyze is missing: install Debian's package systemd"]
    with tempfile.TemporaryDirectory() as folder:
        # systemd wants the program to be there, which is not the unit's own matter.
        unit = Path(folder) / UNIT.name
        unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.M))
        return run("systemd-analyze", "verify", str(unit))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    return [f"{' '.join(command)}:\n{done.stdout}{done.stderr}"]


if __name__ == "__main__":
    sys.exit(main())
