# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's OCF resource agent for conntrackd runs the daemon, as Pacemaker would call it.

The agent is taken as it is. Pacemaker is not there: the scores that the agent
tells it lead nowhere. OCF_ROOT says where the agents are.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import scenario
from netlab import Lab, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

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

	def __call__(self, action: str) -> int:
		"""An action; its exit status."""
		meta = {"clone_max": 2, "clone_node_max": 1, "promotable": "true", "promoted_max": 1, "promoted_node_max": 1,
			"master_max": 1, "master_node_max": 1, "timeout": 20000, "interval": 0}
		environment = {
			"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "OCF_ROOT": str(ROOT),
			"OCF_FUNCTIONS_DIR": str(ROOT / "lib/heartbeat"), "OCF_RESOURCE_INSTANCE": "conntrackd:0",
			"OCF_RESOURCE_TYPE": "conntrackd", "OCF_RESOURCE_PROVIDER": "heartbeat",
			"HA_RSCTMP": str(self.state), "HA_LOGFILE": str(self.state / "log"),
			"HA_DEBUGLOG": str(self.state / "debug"),
			"OCF_RESKEY_binary": str(self.wrapper), "OCF_RESKEY_config": str(self.node.conf),
			**{f"OCF_RESKEY_CRM_meta_{name}": str(value) for name, value in meta.items()}}
		self.calls.write_text("")
		before = set(self.node.lab.pids(self.node.fw))
		with open(self.state / "out", "a") as out:
			status = subprocess.run(["ip", "netns", "exec", self.node.lab.ns(self.node.fw), str(AGENT), action],
						env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
						timeout=40).returncode
		self.commands = self.calls.read_text().split()
		new = [p for p in self.node.lab.pids(self.node.fw) if p not in before]
		if action == "start" and len(new) == 1:
			self.node.pid = new[0]
		return status


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
def test_fail_over(make: Callable, lab: Lab, which: str) -> None:
	"""The active node dies, the other one's resource is promoted; then the other way round."""
	nodes = {fw: make(fw, which) for fw in ("fw1", "fw2")}
	agents = {fw: Agent(node) for fw, node in nodes.items()}
	for agent in agents.values():
		assert agent("start") == DONE
	assert agents["fw1"]("promote") == DONE
	scenario.serve(lab)
	talk, stream = scenario.lines(lab, 50), scenario.udp_stream(lab)
	for old, new in (("fw1", "fw2"), ("fw2", "fw1")):
		wait_replicated(nodes[old], nodes[new])
		nodes[old].cut()
		assert agents[new]("promote") == DONE and agents[new]("monitor") == PROMOTED
		lab.addresses_to(new)
		for program, count in ((talk, 50), (stream, 1)):
			said = program.ask("alive", 10)
			assert said["alive"] == count, f"{new}: {said}"
		nodes[old].reboot()
		# /run is empty after a start of the machine
		for name in (nodes[old].lock, nodes[old].socket, *agents[old].state.iterdir()):
			name.unlink()
		assert agents[old]("start") == DONE and agents[old]("monitor") == DONE
