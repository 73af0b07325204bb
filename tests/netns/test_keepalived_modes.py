# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's keepalived changes the roles in every mode, with every setting of the caches, with every pair of programs.

A cell is a pair of its own under live connections of both address families: a planned change, and back by the
death of the active node.
"""

from __future__ import annotations

from typing import Callable

import pytest

import scenario
from cells import Cell, in_background
from conftest import PAIRS, need, need_keepalived
from keepalived import Cluster, alive, finish
from netlab import PLAIN6, SNAT4, Lab
from node import Node
from scenario import Traffic
from settings import OTHER, SETTINGS

CONNECTIONS, STREAMS = 20, 2


def every_command_was_taken(cluster: Cluster) -> None:
	"""No change has stopped halfway, for any role at any node."""
	for manager in cluster.managers.values():
		said = manager.roles.read_text() if manager.by_script else manager.node.log.read_text()
		assert "failed with status" not in said and "role: the change" not in said, said


def change_roles(cell: Cell) -> None:
	setting, makes = SETTINGS[cell[0]], dict(zip(("fw1", "fw2"), cell[1:]))
	steps, purge = setting.plan(makes), setting.purge(makes)
	with Lab() as lab:
		nodes = {fw: Node(lab, fw, which) for fw, which in makes.items()}
		cluster = Cluster(*nodes.values(), setting=setting, purge=purge)
		try:
			cluster.start(steps[0][0])
			scenario.serve(lab)
			traffic = [Traffic(lab, target, CONNECTIONS, STREAMS) for target in (SNAT4, PLAIN6)]
			for fw, how in steps:
				if how == "death":
					cluster.take_over(traffic, fw, cluster.cut, cluster.reboot)
					continue
				cluster.take_over(traffic, fw, cluster.stop_manager, cluster.start_manager)
				if purge < 60:
					setting.wait_flushed(nodes[OTHER[fw]], nodes[fw])
					alive(traffic, f"{fw}: flushed")
			finish(traffic)
			every_command_was_taken(cluster)
		except BaseException as e:
			said = "\n".join(node.describe() for node in nodes.values())
			raise AssertionError(f"{cell}: {e}\n{cluster.describe()}\n{said}") from e


outcome = in_background(change_roles, "test_cell", ("setting", "one", "two"), 2)


@pytest.mark.parametrize("one,two", PAIRS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_cell(outcome: Callable, setting: str, one: str, two: str) -> None:
	need(one, two)
	need_keepalived()
	outcome((setting, one, two))
