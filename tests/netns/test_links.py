# SPDX-License-Identifier: GPL-2.0-or-later
"""Dedicated links of every kind and family, and who is heard on them."""

from __future__ import annotations

import time
from typing import Callable

import pytest

import scenario
from conftest import PAIRS
from netlab import PLAIN6, SNAT4, Lab
from node import DEBIAN, Link, wait_replicated

KINDS = {"udp4": Link("UDP", 4), "udp6": Link("UDP", 6), "multicast6": Link("Multicast", 6)}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_pair = pytest.mark.parametrize("active,replica", PAIRS)


@each_kind
@each_pair
def test_replica_equals_kernel_table(lab: Lab, pair: Callable, active: str, replica: str, kind: str) -> None:
	one, two = pair(active, replica, link=KINDS[kind])
	scenario.serve(lab)
	for target in (SNAT4, PLAIN6):
		scenario.lines(lab, 20, target)
		scenario.udp_stream(lab, target)
	for family in (4, 6):
		scenario.inject(lab, "fw1", 300, family=family)
		scenario.inject(lab, "fw1", 100, family=family, delete=True)
	wait_replicated(one, two)
	assert len(two.external()) >= 2 * (200 + 20 + 1)


@each_kind
@each_pair
def test_loss_then_quiet(lab: Lab, pair: Callable, active: str, replica: str, kind: str) -> None:
	one, two = pair(active, replica, link=KINDS[kind])
	if DEBIAN in (active, replica):
		time.sleep(3)		# the handshake: every HELLO makes 1.4.7 forget what it was to send again
	for node in (one, two):
		lab.lossy(node.fw, 5)
	for turn in range(8):
		for family in (4, 6):
			scenario.inject(lab, "fw1", 500, first=500 * turn, family=family)
			scenario.inject(lab, "fw1", 250, first=500 * turn, family=family, delete=True)
		time.sleep(0.3)
	assert lab.dropped("fw2") > 0
	for node in (one, two):
		lab.lossy(node.fw, 0)
	wait_replicated(one, two)
