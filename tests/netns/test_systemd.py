# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service manager hears: a socket of ours in its place."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
from netlab import Lab, wait_until



class Manager:
	"""Receives the datagrams of sd_notify()."""

	def __init__(self, path: Path):
		self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		self.socket.bind(str(path))
		self.socket.setblocking(False)
		self.heard: list[tuple[float, str]] = []

	def messages(self) -> list[str]:
		"""All so far, oldest first."""
		try:
			while True:
				self.heard.append((time.monotonic(), self.socket.recv(4096).decode()))
		except BlockingIOError:
			return [text for _, text in self.heard]


@pytest.fixture
def manager(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
	path = lab.scratch / "notify"
	made = Manager(path)
	monkeypatch.setenv("NOTIFY_SOCKET", str(path))
	yield made
	made.socket.close()


def test_foreground(lab: Lab, make: Callable, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setenv("WATCHDOG_USEC", "400000")
	node = make("fw1")
	node.start()
	wait_until(lambda: manager.messages()[:1] == ["READY=1"], 5, "ready, before anything else")
	wait_until(lambda: manager.messages().count("WATCHDOG=1") >= 5, 10, "signs of life")
	scenario.inject(lab, "fw1", 12)
	wait_until(lambda: "STATUS=12 flows of this node, 0 of its peers" in manager.messages(), 30, "the status line")
	assert node.stop() == 0
	said = manager.messages()
	assert said[-1] == "STOPPING=1" and said.count("READY=1") == said.count("STOPPING=1") == 1
	assert sum(m.startswith("STATUS=") for m in said) <= 4, said


def test_stuck_daemon_gives_no_sign(make: Callable, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setenv("WATCHDOG_USEC", "400000")
	node = make("fw1")
	node.start()
	wait_until(lambda: "WATCHDOG=1" in manager.messages(), 5)
	os.kill(node.pid, signal.SIGSTOP)
	pace.sleep(0.3)
	before = len(manager.messages())
	pace.sleep(1)
	assert len(manager.messages()) == before
	os.kill(node.pid, signal.SIGCONT)
	wait_until(lambda: len(manager.messages()) > before, 5)


def test_background(make: Callable, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
	"""With -d the starter speaks for its child, so that a manager that listens to the main process only understands."""
	monkeypatch.setenv("WATCHDOG_USEC", "400000")
	node = make("fw1")
	assert node.start_background().returncode == 0
	assert f"MAINPID={node.pid}\nREADY=1" in manager.messages()
	wait_until(lambda: manager.messages().count("WATCHDOG=1") >= 3, 10)
	assert manager.messages().count("READY=1") == 0
	node.ok("-k")
	node.wait_end()
	assert manager.messages()[-1] == "STOPPING=1"


def test_off(make: Callable, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setenv("WATCHDOG_USEC", "200000")
	node = make("fw1")
	node.configure(general={"Systemd": "off"})
	node.start()
	pace.sleep(0.7)
	node.stop()
	assert manager.messages() == []


def test_no_watchdog_wanted(make: Callable, manager: Manager) -> None:
	node = make("fw1")
	node.start()
	wait_until(lambda: "READY=1" in manager.messages(), 5)
	pace.sleep(0.7)
	assert "WATCHDOG=1" not in manager.messages()
