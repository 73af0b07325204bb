# SPDX-License-Identifier: GPL-2.0-or-later
"""The client beside a daemon that hangs, readers that stall, and standard descriptors that are closed."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import struct
import subprocess
import time
from typing import Callable, Iterator

import pytest

import pace
import scenario
from netlab import Lab
from node import OURS, Node, wait_replicated


@pytest.fixture
def node(make: Callable[..., Node]) -> Node:
	made = make("fw1", OURS)
	made.configure()
	made.start()
	return made


@pytest.fixture
def stopped(node: Node) -> Iterator[Node]:
	"""A daemon that hangs: its socket takes connections, and nobody reads them."""
	os.kill(node.pid, signal.SIGSTOP)
	yield node
	os.kill(node.pid, signal.SIGCONT)


@pytest.mark.parametrize("command", ["-s", "-i", "-c", "-f", "-F", "-R", "-n", "-B", "-t", "-k"])
def test_daemon_that_hangs(stopped: Node, command: str) -> None:
	"""Status 1 and a line that says what was waited for, whatever the command."""
	began = time.monotonic()
	done = stopped.ctl(command, "--timeout", "1", timeout=20)
	assert time.monotonic() - began >= 1
	assert done.returncode == 1 and not done.stdout
	assert f"{stopped.socket}: conntrackd has said nothing for 1 s" in done.stderr, done.stderr


def test_timeout_is_no_limit_of_the_command(node: Node) -> None:
	"""A command may take longer than the timeout as long as the daemon lives: it is the silence that counts."""
	scenario.inject(node.lab, "fw1", 20000)
	sleeper = subprocess.Popen(node.argv("-i", "--timeout", "1"), stdout=subprocess.PIPE, text=True)
	assert sleeper.stdout
	pace.sleep(3)		# its reader
	lines = sleeper.stdout.read().splitlines()
	assert sleeper.wait(pace.seconds(10)) == 0 and len(lines) == 20000


CLOSED = ["0<&-", "1>&-", "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_descriptors(pair: Callable, lab: Lab, closed: str) -> None:
	"""The control socket must not become the descriptor of the output: the command is carried out, with status 0."""
	active, replica = pair()
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, replica)
	for command in ("-s", "-c"):
		done = subprocess.run(["sh", "-c", f"{shlex.join(replica.argv(command))} {closed}"], timeout=pace.seconds(30))
		assert done.returncode == 0, command
	assert len(replica.kernel()) == 50
	assert active.running() and replica.running()


def test_stalled_readers_hold_nobody_up(pair: Callable, lab: Lab) -> None:
	"""As many dumps as clients are let in at a time, whose readers have all fallen asleep: the next commit comes at once."""
	active, replica = pair()
	scenario.inject(lab, "fw1", 10000)
	wait_replicated(active, replica)
	sleepers = []
	for _ in range(64):
		client = socket.socket(socket.AF_UNIX)
		client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		client.connect(str(replica.socket))
		client.send(struct.pack("=i", 17))		# -e, as a 1.4.x asks for it
		sleepers.append(client)
	pace.sleep(2)
	began = time.monotonic()
	replica.ok("-c")
	assert time.monotonic() - began < pace.seconds(5)
	for client in sleepers:
		client.close()
	replica.ok("-s")
