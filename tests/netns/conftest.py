# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests with real kernels. CONNTRACKD and DEBIAN_CONNTRACKD say which programs are meant.

    CONNTRACKD=build/src/conntrackd /usr/bin/python3 -m pytest tests/netns
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import keepalived		# noqa: E402
from keepalived import Cluster		# noqa: E402
from netlab import Lab		# noqa: E402
from node import DEBIAN, OURS, Node, binary		# noqa: E402

PAIRS = [(OURS, OURS), (OURS, DEBIAN), (DEBIAN, OURS)]

# These need a kernel with flow tables, helpers in user space or netem; tests/guest/check runs them under one. Named on the command
# line they run anywhere, and are skipped by a kernel without.
collect_ignore = ["test_offload.py", "test_helpers.py", "test_helpers_real.py", "test_carriers.py", "test_gate_native.py"]

# pytest ends at SIGTERM without its clean-up otherwise
signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
	if os.geteuid() != 0:
		for item in items:
			item.add_marker(pytest.mark.skip(reason="needs root: namespaces and connection tracking"))


def need(*makes: str) -> None:
	"""Debian's daemon may be missing on a machine; ours may not."""
	if DEBIAN in makes and not os.access(binary(DEBIAN), os.X_OK):
		pytest.skip(f"no {binary(DEBIAN)}: set DEBIAN_CONNTRACKD")


def need_keepalived() -> None:
	if not os.access(keepalived.program(), os.X_OK):
		pytest.skip(f"no {keepalived.program()}: set KEEPALIVED")


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
	"""A laboratory with fw1 active. Its nodes tell about themselves if the test fails."""
	with Lab() as made:
		made.addresses_to("fw1")
		request.node.lab, request.node.nodes = made, []
		yield made


@pytest.fixture
def make(request: pytest.FixtureRequest, lab: Lab) -> Callable[..., Node]:
	"""make(fw, which): a node, configured, not started. With a name: one more on the same firewall."""
	def build(fw: str, which: str = OURS, name: str | None = None) -> Node:
		need(which)
		node = Node(lab, fw, which, name)
		request.node.nodes.append(node)
		return node
	return build


@pytest.fixture
def pair(make: Callable[..., Node]) -> Callable[..., tuple[Node, Node]]:
	"""pair(active, replica): two running nodes."""
	def build(active: str = OURS, replica: str = OURS, **configuration: object) -> tuple[Node, Node]:
		nodes = make("fw1", active), make("fw2", replica)
		for node in nodes:
			node.configure(**configuration)
			node.start()
		return nodes
	return build


@pytest.fixture
def cluster(request: pytest.FixtureRequest, make: Callable[..., Node]) -> Iterator[Callable[..., Cluster]]:
	"""cluster(one, two, change...): configured, not started. It tells about itself if the test fails."""
	made: list[Cluster] = []

	def build(one: str, two: str, *changes: tuple[str, str]) -> Cluster:
		need_keepalived()
		made.append(Cluster(make("fw1", one), make("fw2", two), *changes))
		return made[0]

	yield build
	if request.node.session.testsfailed and made:
		print(made[0].describe())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
	"""A failed test shows logs, statistics and tables of its daemons while they are still there."""
	outcome = yield
	report = outcome.get_result()
	if report.failed and call.when in ("setup", "call"):
		for node in getattr(item, "nodes", []):
			report.sections.append((f"{node.fw}", node.describe()))
