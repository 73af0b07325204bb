# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the kinds that people run, on two real nodes: ours with ours, and beside 1.4.7."""

from __future__ import annotations

import os
from typing import Callable

import pytest

import scenario
from netlab import Lab
from node import DEBIAN, OURS, Node, wait_replicated

BESIDE = pytest.mark.parametrize("beside", [OURS, DEBIAN])

HELPER = """Helper {
	Type rpc inet tcp {
		QueueNum 3
		QueueLen 10240
		Policy rpc { ExpectMax 1 ExpectTimeout 300 }
	}
	Type rpc inet udp {
		QueueNum 4
		QueueLen 10240
		Policy rpc { ExpectMax 1 ExpectTimeout 300 }
	}
	Type tns inet tcp {
		QueueNum 5
		QueueLen 10240
		Policy tns { ExpectMax 1 ExpectTimeout 300 }
	}
}
"""
SCHEDULER = """	Scheduler { Type RR  Priority 0 }
	Filter From Kernelspace {
		Protocol Accept { TCP }
		State Accept { ESTABLISHED CLOSED TIME_WAIT CLOSE_WAIT for TCP }
	}
"""


def two_ways(lab: Lab, one: Node, two: Node) -> None:
	"""Twenty flows of each are at the other."""
	scenario.inject(lab, "fw1", 20)
	scenario.inject(lab, "fw2", 20, first=100)
	wait_replicated(one, two)
	wait_replicated(two, one)


@BESIDE
def test_helper_section(lab: Lab, make: Callable[..., Node], beside: str) -> None:
	"""A router distribution writes one into every file it makes. It starts, says once of each helper that nobody serves it,
	and does the rest."""
	one, two = make("fw1", OURS), make("fw2", beside)
	for node in (one, two):
		node.configure()
	one.conf.write_text(one.conf.read_text() + HELPER)
	for node in (one, two):
		node.start()
	warned = [f"helper {what} is not served" for what in ("rpc inet tcp", "rpc inet udp", "tns inet tcp")]
	checked = one.ctl("-T")
	assert checked.returncode == 0 and [checked.stderr.count(w) for w in warned] == [1, 1, 1], checked.stderr
	assert [one.console.read_text().count(w) for w in warned] == [1, 1, 1]
	asked = one.ctl("-s")
	assert asked.returncode == 0 and "helper" not in asked.stdout
	assert [asked.stderr.count(w.partition(" is ")[0]) for w in warned] == [1, 1, 1], asked.stderr
	two_ways(lab, one, two)


@BESIDE
def test_priority_zero(lab: Lab, make: Callable[..., Node], beside: str) -> None:
	"""1.4.7 asks the kernel for it, is refused, and runs on."""
	one, two = make("fw1", OURS), make("fw2", beside)
	for node in (one, two):
		node.configure(extra=SCHEDULER)
		node.start()
	assert "Priority 0" in one.console.read_text()
	assert os.sched_getscheduler(one.pid) == os.SCHED_OTHER
	two_ways(lab, one, two)


@BESIDE
def test_every_option_at_once(lab: Lab, make: Callable[..., Node], beside: str) -> None:
	"""From a much copied guide."""
	one, two = make("fw1", OURS), make("fw2", beside)
	for node in (one, two):
		node.configure(mode_options={"CommitTimeout": 1800, "PurgeTimeout": 5, "DisableExternalCache": "Off"},
			       general={"HashSize": 32768, "HashLimit": 131072, "Nice": -20, "Syslog": "on",
					"NetlinkBufferSize": 2097152, "NetlinkBufferSizeMaxGrowth": 8388608,
					"NetlinkOverrunResync": "On", "NetlinkEventsReliable": "On", "PollSecs": 1,
					"EventIterationLimit": 100})
		node.start()
	two_ways(lab, one, two)
