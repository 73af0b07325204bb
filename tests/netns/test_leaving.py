# SPDX-License-Identifier: GPL-2.0-or-later
"""Masquerading with the shared address: its flows, which the kernel deletes when the address leaves, have not ended."""

from __future__ import annotations

from typing import Callable

import pytest

import pace
import scenario
from keepalived import alive, finish
from netlab import SNAT4, Lab, run, wait_until
from node import wait_replicated
from scenario import Traffic

MASQUERADE = "flush chain inet fw from_client; add rule inet fw from_client oifname wan0 ip saddr 10.10.0.0/24 masquerade random"


def masquerading(lab: Lab) -> None:
	"""By the only IPv4 address of wan0, which is the shared one."""
	for fw, last in (("fw1", 11), ("fw2", 12)):
		run("ip", "netns", "exec", lab.ns(fw), "nft", MASQUERADE)
		lab.ip(fw, f"addr del 10.20.0.{last}/24 dev wan0")
	lab.addresses_to("fw1")		# which went with the address before them


def kernel(lab: Lab) -> bool:
	"""Has fw1 a flow whose answers come to the shared address?"""
	listed = run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-L").stdout
	return "dst=10.20.0.1 " in listed


@pytest.mark.parametrize("options", [{}, {"DisableExternalCache": "on"}], ids=["cache", "injected"])
def test_planned_change(lab: Lab, pair: Callable, options: dict[str, str]) -> None:
	"""There and back: the address leaves while the node is active, its role changes afterwards."""
	one, two = pair(mode_options={"PurgeTimeout": 600, **options})
	masquerading(lab)
	one.ok("--role", "primary")
	two.ok("--role", "backup")
	scenario.serve(lab)
	traffic = [Traffic(lab, SNAT4, 100, 2)]
	for old, new in ((one, two), (two, one)):
		if options:
			pace.sleep(1)
		else:
			wait_replicated(old, new)
		lab.addresses_off(old.fw)
		if old is one:		# what a commit has created is none that the kernel calls masqueraded
			wait_until(lambda: not kernel(lab), 20, "the kernel has deleted the flows")
		pace.sleep(0.3)		# and told so
		old.ok("--role", "backup")
		new.ok("--role", "primary")
		lab.addresses_to(new.fw)
		alive(traffic, f"from {old.fw} to {new.fw}")
	finish(traffic)


def test_an_address_that_is_not_shared(lab: Lab, pair: Callable) -> None:
	"""The node stays active: what went with the address goes from the peer as well, some seconds later."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	masquerading(lab)
	one.ok("--role", "primary")
	scenario.serve(lab)
	traffic = [Traffic(lab, SNAT4, 20, 1)]
	wait_replicated(one, two)
	before = len(two.external())
	lab.addresses_off("fw1")
	pace.sleep(2)
	assert len(two.external()) >= 20 and before >= 20
	wait_until(lambda: not two.external(), 40, "the peer asks for everything, and they go")
	del traffic
