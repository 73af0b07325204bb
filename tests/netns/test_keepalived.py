# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's keepalived drives the pair with the files of doc/examples, under live connections."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import keepalived
import pace
import scenario
from conftest import PAIRS
from keepalived import alive, finish
from netlab import DNAT4, PLAIN6, SNAT4, Lab, wait_until
from node import DEBIAN, OURS
from scenario import Traffic


def test_twice_in_both_directions(cluster: Callable, lab: Lab) -> None:
	"""A cable, a planned change, the death of either node."""
	pair = cluster(OURS, OURS)
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, DNAT4, PLAIN6)]
	pair.take_over(traffic, "fw1", pair.pull_cable, pair.plug_cable)
	pair.take_over(traffic, "fw2", pair.stop_manager, pair.start_manager)
	pair.take_over(traffic, "fw1", pair.cut, pair.reboot)
	pair.take_over(traffic, "fw2", pair.cut, pair.reboot)
	finish(traffic)


@pytest.mark.parametrize("one,two", [pair for pair in PAIRS if DEBIAN in pair])
def test_cable(cluster: Callable, lab: Lab, one: str, two: str) -> None:
	"""With the old daemon; what else can happen to such a pair is in test_keepalived_modes.py."""
	pair = cluster(one, two)
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, DNAT4, PLAIN6)]
	for fw in ("fw1", "fw2"):
		pair.take_over(traffic, fw, pair.pull_cable, pair.plug_cable)
	finish(traffic)


def test_example_firewall(cluster: Callable, lab: Lab) -> None:
	"""With the rules and the sysctls of the examples instead of the laboratory's."""
	pair = cluster(OURS, OURS)
	for fw in pair.nodes:
		keepalived.firewall(lab, fw)
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, PLAIN6)]
	pair.take_over(traffic, "fw1", pair.cut, pair.reboot)
	pair.take_over(traffic, "fw2", pair.pull_cable, pair.plug_cable)
	finish(traffic)


def test_preferred_node_returns(cluster: Callable, lab: Lab) -> None:
	"""preempt_delay instead of nopreempt: fw1 takes its role back by itself, when it has the states."""
	pair = cluster(OURS, OURS, ("nopreempt", "preempt_delay 3"))
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, target, 20, 2) for target in (SNAT4, PLAIN6)]
	pair.wait_equal("fw1")
	pair.cut("fw1")
	pair.wait_active("fw2")
	alive(traffic, "fw1: cut")
	pair.reboot("fw1")
	pair.wait_active("fw1")
	alive(traffic, "fw1 is active again")
	wait_until(lambda: pair.managers["fw2"].said() == "backup", 10, "fw2 is the backup")
	finish(traffic)


def play(directory: Path, role: str, failing: str = "") -> tuple[int, list[str], str]:
	"""primary-backup.sh with a program that only takes notes: exit status, commands, log."""
	program, notes, log = directory / "conntrackd", directory / "notes", directory / "log"
	program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{notes}\n[ "$3" != "{failing}" ]\n')
	program.chmod(0o755)
	for path in (notes, log):
		path.write_text("")
	done = subprocess.run([keepalived.EXAMPLES / "primary-backup.sh", *role.split()], capture_output=True, timeout=pace.seconds(20),
			      env={**os.environ, "CONNTRACKD": str(program), "CONNTRACKD_CONF": "/a/file",
				   "ROLE_DIR": str(directory), "LOGGER": f"tee -a {log}"})
	rows = notes.read_text().splitlines()
	assert all(row.startswith("-C /a/file ") for row in rows)
	return done.returncode, [row.split()[2] for row in rows], log.read_text()


ROLES = {"primary": ["-c", "-f", "-R", "-B"], "backup": ["-t", "-n"], "fault": ["-t"]}


@pytest.mark.parametrize("role", ROLES)
def test_script(tmp_path: Path, role: str) -> None:
	"""Its commands in their order; after one that fails none is given."""
	commands = ROLES[role]
	assert play(tmp_path, role) == (0, commands, f"{role}: done\n")
	for n, failing in enumerate(commands):
		status, given, log = play(tmp_path, role, failing)
		assert (status, given) == (1, commands[:n + 1])
		assert failing in log and "status 1" in log and "done\n" not in log.replace("not done\n", "")


@pytest.mark.parametrize("role", ["", "master", "primary2"])
def test_script_wrong_role(tmp_path: Path, role: str) -> None:
	assert play(tmp_path, role) == (1, [], "")


def test_script_overtaken(tmp_path: Path) -> None:
	"""A slow commit, then backup and primary again: the backup's commands must not come last, nor at all."""
	program, notes, log = tmp_path / "conntrackd", tmp_path / "notes", tmp_path / "log"
	gate = tmp_path / "gate"
	program.write_text(f'#!/bin/sh\nwhile [ "$3" = -c ] && [ ! -e {gate} ]; do sleep 0.05; done\n'
			   f'printf "%s\\n" "$3" >>{notes}\n')
	program.chmod(0o755)
	calls = []
	for role in ("primary", "backup", "primary"):
		calls.append(subprocess.Popen([keepalived.EXAMPLES / "primary-backup.sh", role], stdout=subprocess.DEVNULL,
					      env={**os.environ, "CONNTRACKD": str(program), "ROLE_DIR": str(tmp_path),
						   "LOGGER": f"tee -a {log}"}))
		said = f"{role} {calls[-1].pid}"
		wait_until(lambda: (tmp_path / "conntrackd-role").exists()
			   and (tmp_path / "conntrackd-role").read_text().strip() == said, 10, f"{role} has begun")
		pace.sleep(0.3)
	gate.touch()
	assert [call.wait(pace.seconds(20)) for call in calls] == [0, 0, 0]
	assert notes.read_text().split() == ROLES["primary"] * 2
	assert "backup: overtaken" in log.read_text()
