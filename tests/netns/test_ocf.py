# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's OCF resource agent for conntrackd runs the daemon, as Pacemaker would call it.

The agent is taken as it is. Pacemaker is not there: the scores that the agent
tells it lead nowhere, and the tests give the actions in its order. OCF_ROOT says
where the agents are.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
from cells import Cell, in_background
from conftest import PAIRS, need
from netlab import PLAIN6, SNAT4, Lab, wait_until
from node import DEBIAN, OURS, Node
from scenario import Traffic
from settings import OTHER, SETTINGS

ROOT = Path(os.environ.get("OCF_ROOT", "/usr/lib/ocf"))
AGENT = ROOT / "resource.d/heartbeat/conntrackd"
DONE, FAILED, NOT_RUNNING, PROMOTED = 0, 1, 7, 8

pytestmark = pytest.mark.skipif(not AGENT.exists(), reason=f"no {AGENT}: set OCF_ROOT")
both = pytest.mark.parametrize("which", [OURS, DEBIAN])


class Agent:
	"""The resource of one firewall. `commands` are those that the daemon's program was called with last."""

	def __init__(self, node: Node):
		self.node = node
		self.state = node.dir / "ocf"
		self.state.mkdir()
		self.calls = node.dir / "calls"
		self.wrapper = node.dir / "conntrackd"
		self.wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$3" >>{self.calls}\nexec {node.program} "$@"\n')
		self.wrapper.chmod(0o755)
		self.commands: list[str] = []

	def environment(self, more: dict[str, object]) -> dict[str, str]:
		"""Parameters and meta attributes of a promotable clone; `more` are meta attributes of the call."""
		meta = {"clone_max": 2, "clone_node_max": 1, "promotable": "true", "promoted_max": 1, "promoted_node_max": 1,
			"master_max": 1, "master_node_max": 1, "timeout": 20000, "interval": 0, **more}
		return {
			"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "OCF_ROOT": str(ROOT),
			"OCF_FUNCTIONS_DIR": str(ROOT / "lib/heartbeat"), "OCF_RESOURCE_INSTANCE": "conntrackd:0",
			"OCF_RESOURCE_TYPE": "conntrackd", "OCF_RESOURCE_PROVIDER": "heartbeat",
			"HA_RSCTMP": str(self.state), "HA_LOGFILE": str(self.state / "log"),
			"HA_DEBUGLOG": str(self.state / "debug"),
			"OCF_RESKEY_binary": str(self.wrapper), "OCF_RESKEY_config": str(self.node.conf),
			**{f"OCF_RESKEY_CRM_meta_{name}": str(value) for name, value in meta.items()}}

	def begin(self, action: str, **meta: object) -> subprocess.Popen[str]:
		"""An action that may take its time."""
		self.calls.write_text("")
		return self.node.lab.spawn(self.node.fw, AGENT, action, log=self.state / "out", env=self.environment(meta))

	def __call__(self, action: str, **meta: object) -> int:
		"""An action; its exit status."""
		before = set(self.node.lab.pids(self.node.fw))
		process = self.begin(action, **meta)
		try:
			status = process.wait(pace.seconds(40))
		finally:
			process.kill()
		self.commands = self.calls.read_text().split()
		if action == "start":
			self.found(before)
		return status

	def found(self, before: set[int]) -> None:
		"""The daemon is what is in the namespace and was not before."""
		new = [p for p in self.node.lab.pids(self.node.fw) if p not in before]
		if len(new) == 1:
			self.node.pid = new[0]

	def forget(self) -> None:
		"""/run is empty after a start of the machine."""
		for name in (self.node.lock, self.node.socket, *self.state.iterdir()):
			name.unlink()


@both
def test_life(make: Callable, lab: Lab, which: str) -> None:
	"""Every action with its exit status and its commands, also where there is nothing to do."""
	node = make("fw1", which)
	agent = Agent(node)
	assert agent("validate-all") == DONE
	assert agent("monitor") == NOT_RUNNING
	assert agent("stop") == DONE
	assert (agent("start"), agent.commands) == (DONE, ["-d", "-s", "-n"])
	assert (agent("monitor"), agent.commands) == (DONE, ["-s"])
	assert (agent("start"), agent.commands) == (DONE, ["-s", "-n"])
	assert (agent("promote"), agent.commands) == (DONE, ["-c", "-f", "-R", "-B"])
	assert agent("monitor") == PROMOTED
	assert agent("promote") == DONE
	scenario.inject(lab, "fw1", 10)
	assert (agent("demote"), agent.commands) == (DONE, ["-t", "-n"])
	assert agent("monitor") == DONE
	assert agent("demote") == DONE
	wait_until(lambda: not node.kernel(), 10, "the flush that the demotion has asked for")
	assert (agent("stop"), agent.commands) == (DONE, ["-s", "-k"])
	node.wait_end()
	assert not node.lock.exists() and not node.socket.exists()
	assert agent("monitor") == NOT_RUNNING
	assert agent("stop") == DONE


@both
def test_crash_is_seen(make: Callable, which: str) -> None:
	"""For the agent a socket is a daemon: one that does not answer has failed, none is not running."""
	node = make("fw1", which)
	agent = Agent(node)
	assert agent("start") == DONE
	node.stop(signal.SIGKILL)
	assert agent("monitor") == FAILED
	node.socket.unlink()
	assert agent("monitor") == NOT_RUNNING
	if which == DEBIAN:
		node.lock.unlink()	# 1.4.x does not start over it
	assert agent("start") == DONE and agent("monitor") == DONE
	assert agent("stop") == DONE
	node.wait_end()


@both
def test_broken_file(make: Callable, lab: Lab, which: str) -> None:
	"""The agent tries to start again and again, without end: Pacemaker's time-out is to end it.

	Each try fails with its reason and leaves nothing behind, so the first one with a repaired file succeeds.
	"""
	node = make("fw1", which)
	agent = Agent(node)
	good = node.conf.read_text()
	node.conf.write_text(good.replace("HashSize", "HashSise"))
	start = agent.begin("start")
	wait_until(lambda: agent.calls.read_text().split().count("-d") > 5, 20, "several tries")
	assert start.poll() is None and not node.lock.exists() and not node.socket.exists()
	said = (agent.state / "out").read_text()
	assert "HashSise" in said
	assert agent.calls.read_text().split().count("-s") == 0, "there is nothing to ask"
	node.conf.write_text(good)
	assert start.wait(pace.seconds(20)) == DONE
	agent.found(set())
	assert agent("monitor") == DONE
	assert agent("stop") == DONE
	node.wait_end()


@both
def test_file_broken_while_it_runs(make: Callable, which: str) -> None:
	"""Nobody is harmed by a file that somebody breaks at noon, as long as it says where the socket is."""
	node = make("fw1", which)
	agent = Agent(node)
	assert agent("start") == DONE
	node.conf.write_text(node.conf.read_text().replace("HashSize", "HashSise"))
	broken = {OURS: (DONE, DONE, PROMOTED, DONE, DONE), DEBIAN: (FAILED, FAILED, PROMOTED, FAILED, FAILED)}
	assert tuple(agent(action) for action in ("monitor", "promote", "monitor", "demote", "monitor")) == broken[which]
	if which == OURS:
		assert agent("stop") == DONE
		node.wait_end()


def alive(traffic: list[Traffic], when: str) -> None:
	scenario.check(traffic, when, 15)
	wrong = [line for each in traffic for line in each.wrong]
	assert not wrong, wrong


class Cluster:
	"""Two resources, and what Pacemaker does with them. Every action has to succeed."""

	def __init__(self, nodes: dict[str, Node]):
		self.lab = nodes["fw1"].lab
		self.nodes = nodes
		self.agents = {fw: Agent(node) for fw, node in nodes.items()}

	def start(self, active: str) -> None:
		for agent in self.agents.values():
			assert agent("start") == DONE
		assert self.agents[active]("promote") == DONE
		self.lab.addresses_to(active)

	def promote(self, fw: str) -> None:
		agent = self.agents[fw]
		assert (agent("promote"), agent.commands) == (DONE, ["-c", "-f", "-R", "-B"])
		assert agent("monitor") == PROMOTED
		self.lab.addresses_to(fw)

	def planned(self, fw: str) -> None:
		"""The active node is told what is to come, loses the addresses and its role."""
		agent = self.agents[fw]
		assert agent("notify", notify_type="pre", notify_operation="promote", notify_promote_uname="another") == DONE
		assert agent.commands == ["-B"]
		self.lab.addresses_off(fw)
		assert (agent("demote"), agent.commands) == (DONE, ["-t", "-n"])
		self.promote(OTHER[fw])
		assert agent("monitor") == DONE

	def death(self, fw: str) -> None:
		self.nodes[fw].cut()
		self.promote(OTHER[fw])

	def come_back(self, fw: str) -> None:
		"""The active node hears of it, and sends everything."""
		agent, active = self.agents[fw], self.agents[OTHER[fw]]
		self.nodes[fw].reboot()
		agent.forget()
		assert agent("start") == DONE and agent("monitor") == DONE
		me = socket.gethostname()
		assert active("notify", notify_type="post", notify_operation="start", notify_start_uname="another",
			      notify_master_uname=me) == DONE
		assert active.commands == ["-B"]

	def stop(self) -> None:
		for fw, agent in self.agents.items():
			if agent("monitor") == PROMOTED:
				assert agent("demote") == DONE
			assert agent("stop") == DONE and agent("monitor") == NOT_RUNNING
			self.nodes[fw].wait_end()


def change_roles(cell: Cell) -> None:
	setting, makes = SETTINGS[cell[0]], dict(zip(("fw1", "fw2"), cell[1:]))
	steps, purge = setting.plan(makes), setting.purge(makes)
	with Lab() as lab:
		nodes = {fw: Node(lab, fw, which) for fw, which in makes.items()}
		for node in nodes.values():
			node.configure(mode=setting.mode, mode_options={**setting.options(), "PurgeTimeout": purge})
		cluster = Cluster(nodes)
		try:
			cluster.start(steps[0][0])
			scenario.serve(lab)
			traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, PLAIN6)]
			for fw, how in steps:
				old, new = nodes[fw], nodes[OTHER[fw]]
				setting.wait_equal(old, new)
				if how == "death":
					cluster.death(fw)
					alive(traffic, f"{fw}: {how}")
					cluster.come_back(fw)
				else:
					cluster.planned(fw)
					alive(traffic, f"{fw}: {how}")
				if how == "planned" and purge < 60:
					setting.wait_flushed(new, old)
				setting.wait_equal(new, old)
			alive(traffic, "at the end")
			cluster.stop()
		except BaseException as e:
			said = "\n".join(node.describe() for node in nodes.values())
			raise AssertionError(f"{cell}: {e}\n{said}") from e


outcome = in_background(change_roles, "test_cell", ("setting", "one", "two"), 2)


@pytest.mark.parametrize("one,two", PAIRS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_cell(outcome: Callable, setting: str, one: str, two: str) -> None:
	"""Every mode and cache setting, every pair: a change of roles as planned, and back by the death of the active node."""
	need(one, two)
	outcome((setting, one, two))
