# SPDX-License-Identifier: GPL-2.0-or-later
"""Two active nodes where one is meant, and pairs in which that is no fault."""

from __future__ import annotations

import re
from typing import Callable

import pytest

import scenario
from netlab import Lab, wait_until
from node import DEBIAN, OURS, wait_met, wait_replicated
from test_health import CRITICAL, OK, reasons, wait_health
from test_peers_state import lines, state, wait_in_sync, wait_line


def test_both_were_made_active(lab: Lab, pair: Callable) -> None:
	"""As when the cluster manager's own link is cut: said by both, everywhere, until one of them is told to be the backup."""
	one, two = pair()
	scenario.inject(lab, "fw1", 100)
	wait_replicated(one, two)
	one.ok("-c")
	two.ok("-c")
	for node in (one, two):
		text = wait_health(node, CRITICAL, "two_active")
		assert re.fullmatch(r"peer 10\.30\.0\.1[12]: active as well for \d+ s", text)
		wait_line(node, "warning", r"peer 10\.30\.0\.1[12] is active, and so is this node, for \d+ s")
		assert state(node) == "active as well"
		assert re.search(r"^peer +10\.30\.0\.1[12]: active as well for ", node.ok("--status"), re.M)
	two.ok("-n")
	for node in (one, two):
		wait_health(node, OK)
		wait_line(node, "notice", r"peer 10\.30\.0\.1[12] and this node are not both active any more, after \d+ s")


def test_where_both_are_meant(pair: Callable) -> None:
	"""Said by DisableExternalCache; ActiveActive is left to the unit tests."""
	one, two = pair(mode_options={"DisableExternalCache": "on"})
	for node in (one, two):
		node.ok("-c")
	wait_in_sync(one, two)
	with pytest.raises(AssertionError):
		wait_until(lambda: "two_active" in reasons(one) | reasons(two), 14)
	assert not lines(one, "warning", "active") and not lines(two, "warning", "active")


@pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
def test_next_to_the_old_one(lab: Lab, make: Callable, mode: str) -> None:
	"""An active node of ours says so each second: a 1.4.x takes that for a sign of life, and nothing for malformed."""
	ours, old = make("fw1", OURS), make("fw2", DEBIAN)
	for node in (ours, old):
		node.configure(mode=mode)
		node.start()
	wait_met(ours, old)
	ours.ok("-c")
	for i in range(8):
		scenario.inject(lab, "fw1", 100, first=100 * i)
		wait_replicated(ours, old)
	text = old.ok("-s")
	assert int(re.search(r"(\d+) Malformed msgs", text)[1]) == 0, text
	assert old.running()
