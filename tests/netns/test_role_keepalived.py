# SPDX-License-Identifier: GPL-2.0-or-later
"""Real keepalived at both ends of section Role: a node that is not ready does not volunteer, one that is primary stays it."""

from __future__ import annotations

import signal
from typing import Callable

import pace
import scenario
from keepalived import alive, finish
from netlab import PLAIN6, SNAT4, Lab, wait_until
from node import OURS
from scenario import Traffic

PREEMPT = ("\tnopreempt\n", "")


def track(pair, fw: str) -> str:
	return (pair.nodes[fw].dir / "track").read_text().strip()


def test_take_back_when_ready(cluster: Callable, lab: Lab) -> None:
	"""The preferred node returns: it takes the role back by itself, not before it has the states, and without loss."""
	pair = cluster(OURS, OURS, PREEMPT)
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, PLAIN6)]
	pair.wait_equal("fw1")
	pair.cut("fw1")
	pair.wait_active("fw2")
	alive(traffic, "fw1: cut")
	assert track(pair, "fw2") == "0"
	# keepalived before the daemon: nobody has said that this node is ready.
	one, manager = pair.nodes["fw1"], pair.managers["fw1"]
	lab.ip("fw1", *[f"addr del fe80::1/64 dev {dev}" for dev in ("lan0", "wan0")], check=False)
	(one.dir / "track").write_text("1\n")
	one.reboot()
	one.start()
	manager.start()
	pair.wait_active("fw1")
	assert track(pair, "fw1") == "0"
	alive(traffic, "fw1 is the primary again")
	finish(traffic)


def test_a_primary_stays(cluster: Callable, lab: Lab) -> None:
	"""Its daemon is killed and starts anew, keepalived reads its file again: the addresses stay, and the role is known."""
	pair = cluster(OURS, OURS, PREEMPT)
	pair.start()
	one, manager = pair.nodes["fw1"], pair.managers["fw1"]
	scenario.serve(lab)
	traffic = [Traffic(lab, SNAT4, 20, 1)]
	one.stop(signal.SIGKILL)
	one.start()
	assert one.ok("--role").startswith("primary ") and track(pair, "fw1") == "0"
	manager.process.send_signal(signal.SIGHUP)
	for _ in range(6):
		pace.sleep(0.5)
		assert manager.owns() and track(pair, "fw1") == "0" and one.ok("--role").startswith("primary ")
	alive(traffic, "killed, reloaded")
	# A backup whose daemon is stopped says that it is not ready.
	two = pair.nodes["fw2"]
	wait_until(lambda: track(pair, "fw2") == "0", 40, "fw2 is ready")
	two.stop()
	assert track(pair, "fw2") == "1" and manager.owns()
	two.start()
	wait_until(lambda: track(pair, "fw2") == "0", 40, "fw2 is ready again")
	pair.stop_manager("fw1")
	pair.wait_active("fw2")
	alive(traffic, "fw1: keepalived stopped")
	finish(traffic)


def test_neither_is_ready(cluster: Callable, lab: Lab) -> None:
	"""A pair that powers up with files that say no: the higher one serves all the same."""
	pair = cluster(OURS, OURS, PREEMPT)
	for fw, node in pair.nodes.items():
		(node.dir / "track").write_text("1\n")
		pair.managers[fw].launch()
	wait_until(lambda: pair.managers["fw1"].owns(), 30, "fw1 has the addresses")
	assert not pair.managers["fw2"].owns()
