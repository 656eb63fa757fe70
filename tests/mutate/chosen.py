"""A plugin of pytest for monitor.py: runs the tests that $MUTATE_CHOSEN lists, in its order, and writes how each went. A test fails
if it fails twice.

The list is a JSON file of node ids; without it all tests run. A line of $MUTATE_RESULTS is one test: id, outcome, seconds.
"""

import json
import os
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol


# Behind conftest.py, which sorts too.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    chosen = os.environ.get("MUTATE_CHOSEN")
    if chosen:
        ranks = {name: rank for rank, name in enumerate(json.loads(Path(chosen).read_text()))}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ranks])
        items[:] = sorted((item for item in items if item.nodeid in ranks), key=lambda item: ranks[item.nodeid])


def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


class Results:
    def __init__(self, path):
        self.path = path
        self.seconds = {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid
        self.seconds[name] = self.seconds.get(name, 0) + report.duration
        if report.when == "teardown" or report.outcome != "passed":
            with open(self.path, "a") as results:
                results.write(json.dumps([name, report.outcome, round(self.seconds[name], 3)]) + "\n")


def pytest_configure(config):
    config.pluginmanager.register(Results(os.environ["MUTATE_RESULTS"]))
