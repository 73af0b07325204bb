# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of doc/examples as they are, only with the laboratory's names: keepalived, the daemon, the rules."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

import pace
import scenario
from netlab import Lab, run, wait_until
from node import DEBIAN, TOP, Node
from scenario import Traffic
from settings import OTHER, SETTINGS, Setting

EXAMPLES = TOP / "doc/examples"
SCRIPT = "/etc/conntrackd/primary-backup.sh"

# What the examples say, and what it is called here. Last parts of addresses are the same in both.
NAMES = (("2001:db8:10::", "fd00:10::"), ("2001:db8:20::", "fd00:20::"), ("192.168.0.", "10.10.0."),
	 ("192.0.2.", "10.20.0."), ("172.16.0.", "10.30.0."), ("eth1", "lan0"), ("eth0", "wan0"), ("eth2", "sync0"))

FIFO, TRACK = "/run/conntrackd.fifo", "/run/conntrackd.ready"
# 1.4.7 is told by a script instead.
WITH_SCRIPT = "".join(f'\tnotify_{when} "{{}} {role}"\n' for when, role in (
	("master", "primary"), ("backup", "backup"), ("fault", "fault"), ("stop", "fault")))
GROUP_TRACKS = "\ttrack_file {\n\t\tconntrackd\n\t}\n"
ENTERED = re.compile(r"role: (\w+)(?:, the change has taken| already)")

MODE_BLOCK = "Mode FTFW {\n\t\tStartupResync on\n\t\tPurgeTimeout 60\n\t}"


def program() -> str:
	return os.environ.get("KEEPALIVED", "/usr/sbin/keepalived")


def example(name: str, *more: tuple[str, str]) -> str:
	"""The text of an example; every replacement has to find its place in it, except among the names."""
	text = (EXAMPLES / name).read_text()
	for old, new in NAMES:
		text = text.replace(old, new)
	for old, new in more:
		assert old in text, f"{name}: no {old!r}"
		text = text.replace(old, new)
	return text


def configure_daemon(node: Node, mode_block: str) -> None:
	"""The example of this firewall instead of the usual file of the tests."""
	text = example(f"conntrackd-{node.fw}.conf", (MODE_BLOCK, mode_block), ("LogFile on", f"LogFile {node.log}"),
		       ("/var/lock/conntrackd.lock", str(node.lock)), ("/var/run/conntrackd.ctl", str(node.socket)),
		       (FIFO, str(node.dir / "fifo")), (TRACK, str(node.dir / "track")))
	if node.which == DEBIAN:	# which does not know the section
		text = re.sub(r"# keepalived tells[^\n]*\nRole {.*?\n}\n", "", text, flags=re.S)
	node.conf.write_text(text)


def firewall(lab: Lab, fw: str) -> None:
	"""The example's rules instead of the laboratory's, and its sysctls."""
	run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=example("firewall.nft"))
	rows = [line.split("=") for line in (EXAMPLES / "sysctl.conf").read_text().splitlines() if not line.startswith("#")]
	lab.sysctl(fw, {name.strip().replace(".", "/"): value.strip() for name, value in rows})


class Keepalived:
	"""Of one firewall. Ours hears of its FIFO; 1.4.7 by primary-backup.sh, whose log is `roles`."""

	def __init__(self, node: Node, *changes: tuple[str, str]):
		self.node, self.lab, self.fw = node, node.lab, node.fw
		self.dir = node.dir
		self.roles, self.log = self.dir / "roles", self.dir / "keepalived.log"
		self.by_script = node.which == DEBIAN
		self.script = self.dir / "primary-backup.sh"
		shutil.copy(EXAMPLES / "primary-backup.sh", self.script)
		self.conf = self.dir / "keepalived.conf"
		self.conf.write_text(self.text(*changes))
		self.process: subprocess.Popen[str] | None = None
		self.roles.touch()

	def text(self, *changes: tuple[str, str]) -> str:
		fifo, ready = str(self.dir / "fifo"), str(self.dir / "track")
		text = example(f"keepalived-{self.fw}.conf", (FIFO, fifo), (TRACK, ready), *changes)
		if not self.by_script:
			return text
		text = text.replace(f"\tvrrp_notify_fifo {fifo}\n", "\tenable_script_security\n\tscript_user root\n")
		text = re.sub(r"track_file conntrackd {.*?\n}\n", "", text, flags=re.S)
		assert GROUP_TRACKS in text
		return text.replace(GROUP_TRACKS, WITH_SCRIPT.format(*[self.script] * 4))

	def environment(self) -> dict[str, str]:
		return {**os.environ, "CONNTRACKD": self.node.program, "CONNTRACKD_CONF": str(self.node.conf),
			"ROLE_DIR": str(self.dir), "LOGGER": f"tee -a {self.roles}"}

	def start(self) -> None:
		"""Returns when it has taken a role, and the daemon knows."""
		before = self.done()
		self.launch()
		wait_until(lambda: self.done() > before, 20, f"{self.fw}: keepalived takes a role")

	def launch(self) -> None:
		self.process = self.lab.spawn(self.fw, program(), "--dont-fork", "--log-console", "--no-syslog", "--vrrp",
					      "--use-file", self.conf, "--pid", self.dir / "keepalived.pid",
					      "--vrrp_pid", self.dir / "vrrp.pid", log=self.log, env=self.environment())

	def told(self) -> list[str]:
		"""The roles that were told, and came to their end, in the words of the script."""
		if self.by_script:
			return [line.split(":")[0] for line in self.roles.read_text().splitlines() if line.endswith(": done")]
		log = self.node.log.read_text() if self.node.log.exists() else ""
		return [role.replace("faulty", "fault") for role in ENTERED.findall(log)]

	def done(self) -> int:
		"""How often a role has been told."""
		return len(self.told())

	def said(self) -> str:
		"""The role that the daemon was told last."""
		told = self.told()
		return told[-1] if told else ""

	def stop(self) -> None:
		"""As its service is stopped: it hands the addresses over."""
		self.process.terminate()
		self.process.wait(pace.seconds(20))
		self.process = None
		wait_until(lambda: self.said() == "fault", 10, f"{self.fw}: the daemon is told that keepalived ends")

	def die(self) -> None:
		"""Both of its processes at once, the addresses stay where they are.

		Stopped before they are killed: else the one would see the other die, and still run a script.
		"""
		files = [self.dir / name for name in ("vrrp.pid", "keepalived.pid")]
		pids = [int(file.read_text()) for file in files]
		for how in (signal.SIGSTOP, signal.SIGKILL):
			for pid in pids:
				os.kill(pid, how)
		for file in files:
			file.unlink()	# /run is empty after a start of the machine
		self.process.wait(pace.seconds(20))
		self.process = None

	def owns(self) -> bool:
		"""Whether the firewall has all the virtual addresses."""
		have = self.lab.ip(self.fw, "addr show")
		return all(f" {address}/" in have for address in ("10.10.0.1", "10.20.0.1", "fd00:10::1", "fd00:20::1"))

	def active(self) -> bool:
		return self.owns() and self.said() == "primary"

	def describe(self) -> str:
		def text(path: Path) -> str:
			return path.read_text(errors="replace") if path.exists() else "(none)\n"

		return (f"--- {self.fw}: roles\n{text(self.roles)}--- {self.fw}: keepalived\n"
			+ "\n".join(text(self.log).splitlines()[-60:]) + "\n" + self.lab.ip(self.fw, "-brief addr", check=False))


def alive(traffic: list[Traffic], when: str) -> float:
	"""Nothing is lost. Returns the longest stall since the mark in ms."""
	worst = scenario.check(traffic, when, 15)
	wrong = [line for each in traffic for line in each.wrong]
	assert not wrong, wrong
	return worst


def finish(traffic: list[Traffic]) -> None:
	"""The downloads come to their end."""
	for each in traffic:
		each.finish()
	assert not any(each.wrong for each in traffic), [each.wrong for each in traffic]


class Cluster:
	"""Two firewalls under keepalived, as doc/operation.md says."""

	def __init__(self, one: Node, two: Node, *changes: tuple[str, str], setting: Setting = SETTINGS["FTFW"],
		     purge: int = 60):
		"""`changes` are to be made to both examples of keepalived.conf; `purge` is PurgeTimeout."""
		self.lab, self.setting, self.purge = one.lab, setting, purge
		self.nodes = {"fw1": one, "fw2": two}
		self.lab.addresses_off("fw1")
		self.lab.active = None
		self.managers = {fw: Keepalived(node, *changes) for fw, node in self.nodes.items()}
		for node in self.nodes.values():
			configure_daemon(node, setting.block(PurgeTimeout=purge))

	def start(self, active: str = "fw1") -> None:
		"""Both nodes, `active` is the active one."""
		for node in self.nodes.values():
			node.start()
		self.managers[active].start()
		self.wait_active(active)
		self.managers[OTHER[active]].start()
		assert self.managers[OTHER[active]].said() == "backup"

	def wait_active(self, fw: str) -> None:
		"""`fw` has the addresses and has finished its commit; the other one has let go of them."""
		other = OTHER[fw]
		wait_until(self.managers[fw].active, 30, f"{fw} becomes the primary", 0.05)
		self.lab.active = fw
		if self.managers[other].process:
			wait_until(lambda: not self.managers[other].owns(), 10, f"{other} has given the addresses away")

	# --- what happens to firewalls ------------------------------------------

	def pull_cable(self, fw: str) -> None:
		"""Of the outer side. The node is alive, its keepalived sees that it cannot be active."""
		self.lab.ip("lan", f"link set {fw}-wan down")

	def plug_cable(self, fw: str) -> None:
		before = self.managers[fw].done()
		self.lab.ip("lan", f"link set {fw}-wan up")
		wait_until(lambda: self.managers[fw].done() > before and self.managers[fw].said() == "backup", 30,
			   f"{fw} is the backup")

	def stop_manager(self, fw: str) -> None:
		"""A planned switch-over: systemctl stop keepalived."""
		self.managers[fw].stop()

	def start_manager(self, fw: str) -> None:
		self.managers[fw].start()

	def cut(self, fw: str) -> None:
		"""Power off. keepalived first: it must not see the links go, and tell a dead daemon its role."""
		self.managers[fw].die()
		self.nodes[fw].cut()

	def reboot(self, fw: str) -> None:
		self.lab.ip(fw, *[f"addr del fe80::1/64 dev {dev}" for dev in ("lan0", "wan0")], check=False)
		self.nodes[fw].reboot()
		self.nodes[fw].start()
		self.managers[fw].start()

	# --- a change of roles under traffic --------------------------------------

	def wait_equal(self, active: str) -> None:
		"""Until the other node knows all the client's connections."""
		self.setting.wait_equal(self.nodes[active], self.nodes[OTHER[active]])

	def take_over(self, traffic: list[Traffic], fw: str, fail: Callable[[str], None],
		      repair: Callable[[str], None]) -> None:
		"""`fw` fails, the other one becomes active, `fw` comes back as the backup. Nothing is lost."""
		other, when = OTHER[fw], f"{fw}: {fail.__name__}"
		for each in traffic:
			each.mark()
		self.wait_equal(fw)
		began = time.monotonic()
		fail(fw)
		self.wait_active(other)
		active = (time.monotonic() - began) * 1000
		stall = alive(traffic, when)
		repair(fw)
		# what comes back must not take the role, nor disturb
		alive(traffic, f"{when}, and back")
		assert self.managers[other].active() and not self.managers[fw].owns()
		self.wait_equal(other)
		print(f"{when}: {other} active after {active:.0f} ms, longest stall {stall:.0f} ms")

	def describe(self) -> str:
		return "\n".join(m.describe() for m in self.managers.values())
