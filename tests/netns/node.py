# SPDX-License-Identifier: GPL-2.0-or-later
"""One firewall's daemon: its configuration, its life, its client commands, its tables."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pace
import tables
from netlab import FW, GROUP, GROUP6, SYNC_PORT, Lab, run, wait_until

TOP = Path(__file__).resolve().parents[2]
OURS = "ours"
DEBIAN = "debian"
OLDER = "older"		# another build of ours, to compare with (bench/run --against)


def binary(which: str) -> str:
	"""The program behind a name: ours (CONNTRACKD, OLDER_CONNTRACKD) or Debian's 1.4.7 (DEBIAN_CONNTRACKD)."""
	if which == OLDER:
		return os.environ["OLDER_CONNTRACKD"]
	if which == OURS:
		return os.environ.get("CONNTRACKD", str(TOP / "build-quickstart/src/conntrackd"))
	return os.environ.get("DEBIAN_CONNTRACKD", "/usr/sbin/conntrackd")


def lives(pid: int) -> bool:
	"""Whether the process runs; one that only waits to be collected by its parent does not."""
	try:
		return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
	except FileNotFoundError:
		return False


def on_a_terminal(argv: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
	"""A command whose standard error is a terminal; `stderr` is all that was written to it."""
	master, slave = os.openpty()
	text = b""
	with tempfile.TemporaryFile("w+") as out:
		process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=slave)
		os.close(slave)
		with contextlib.suppress(OSError):	# EIO: the other side is closed
			while part := os.read(master, 65536):
				text += part
		os.close(master)
		process.wait(pace.seconds(timeout))
		out.seek(0)
		return subprocess.CompletedProcess(argv, process.returncode, out.read(), text.decode())


@dataclass(frozen=True)
class Link:
	"""The kind of channel between the two daemons."""
	kind: str = "Multicast"		# or UDP
	family: int = 4
	port: int = SYNC_PORT
	cable: int = 0			# sync0, sync1, ...; see Lab.more_cables()
	default: bool = False

	def block(self, fw: str) -> str:
		me, peer = FW[fw], FW["fw2" if fw == "fw1" else "fw1"]
		mine, theirs = [f"10.{30 + self.cable}.0.{n}" if self.family == 4 else f"fd00:{30 + self.cable}::{n:x}" for n in (me, peer)]
		if self.kind == "Multicast":
			group = GROUP if self.family == 4 else GROUP6
			# 1.4.x wants the address before the interface
			where = [f"IPv{self.family}_address {group}", f"Group {self.port}",
				 f"IPv4_interface {mine}" if self.family == 4 else "IPv6_interface " + mine]
		else:
			where = [f"IPv{self.family}_address {mine}", f"IPv{self.family}_Destination_Address {theirs}",
				 f"Port {self.port}"]
		lines = [*where, f"Interface sync{self.cable}", "SndSocketBuffer 1249280", "RcvSocketBuffer 1249280", "Checksum on"]
		return f"{self.kind}{' Default' if self.default else ''} {{\n\t\t" + "\n\t\t".join(lines) + "\n\t}"


class Links(list[Link]):
	"""Several of them."""

	def block(self, fw: str) -> str:
		return "\n\t".join(link.block(fw) for link in self)


MULTICAST4 = Link()

# The modes, with options that let tests be short: ALARM repeats each state within 2 s, and forgets after 15 what is not repeated.
MODES: dict[str, dict[str, object]] = {"FTFW": {}, "NOTRACK": {}, "ALARM": {"RefreshTime": 1, "CacheTimeout": 15}}

# What a usual file holds beside the paths.
MODE = {"PurgeTimeout": 2}
GENERAL = {"HashSize": 32768, "HashLimit": 524288, "Syslog": "off",
	   "NetlinkBufferSize": 2097152, "NetlinkBufferSizeMaxGrowth": 8388608}


class Node:
	"""The daemon of firewall `fw`, of either make. Options given as None disappear from the file.

	A second one on the same firewall needs a `name` of its own, and a Link with another port.
	"""

	def __init__(self, lab: Lab, fw: str, which: str, name: str | None = None):
		self.lab, self.fw = lab, fw
		self.dir = lab.scratch / (name or fw)
		self.dir.mkdir(exist_ok=True)
		self.conf = self.dir / "conntrackd.conf"
		self.lock, self.socket = self.dir / "lock", self.dir / "ctl"
		self.log, self.console = self.dir / "log", self.dir / "console"
		self.process: subprocess.Popen[str] | None = None
		self.pid: int | None = None
		self.use(which)
		self.configure()

	# --- configuration ----------------------------------------------------

	def use(self, which: str) -> None:
		"""Which program is started next, and asks as the client."""
		self.which, self.program = which, binary(which)
		if not os.access(self.program, os.X_OK):
			raise RuntimeError(f"no program at {self.program} ({which}): build it and set CONNTRACKD, "
					   "or DEBIAN_CONNTRACKD, to where it is")

	def configure(self, mode: str = "FTFW", mode_options: dict[str, object] | None = None,
		      general: dict[str, object] | None = None, options: dict[str, object] | None = None,
		      link: Link | Links = MULTICAST4, extra: str = "") -> None:
		"""Write the file. `extra` goes into General as it is (a Filter, for example)."""
		def lines(values: dict[str, object], depth: int) -> str:
			return "".join("\t" * depth + f"{k} {v}\n" for k, v in values.items() if v is not None)

		self.mode, self.link = mode, link
		self.conf.write_text(
			f"Sync {{\n\tMode {mode} {{\n{lines({**MODE, **(mode_options or {})}, 2)}\t}}\n"
			f"\t{link.block(self.fw)}\n"
			f"\tOptions {{\n{lines({'TCPWindowTracking': 'off', **(options or {})}, 2)}\t}}\n}}\n"
			f"General {{\n{lines({**GENERAL, **(general or {})}, 1)}"
			f"\tLogFile {self.log}\n\tLockFile {self.lock}\n\tUNIX {{\n\t\tPath {self.socket}\n\t}}\n{extra}}}\n")

	# --- life ---------------------------------------------------------------

	def start(self, timeout: float = 15) -> None:
		"""In the foreground of a child of ours; returns when it answers its client."""
		assert self.pid is None, f"{self.fw}: already runs"
		if self.which == DEBIAN:
			self.lock.unlink(missing_ok=True)	# 1.4.x leaves it behind when it is killed
		self.process = self.lab.spawn(self.fw, self.program, "-C", self.conf, log=self.console)
		self.pid = self.process.pid
		wait_until(self._answers, timeout, f"{self.fw}: the daemon answers", 0.05)

	def start_background(self) -> subprocess.CompletedProcess[str]:
		"""With -d. The id of the daemon is then found through its namespace."""
		before = set(self.lab.pids(self.fw))
		# A file and no pipe: a daemon that kept the pipe open would make us wait for its end.
		with open(self.dir / "start-out", "w+") as out, open(self.dir / "start-err", "w+") as err:
			status = subprocess.run(self.argv("-d"), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
						timeout=pace.seconds(30)).returncode
			out.seek(0), err.seek(0)
			done = subprocess.CompletedProcess(self.argv("-d"), status, out.read(), err.read())
		new = [p for p in self.lab.pids(self.fw) if p not in before]
		if status == 0 and len(new) == 1:
			self.pid = new[0]
		return done

	def _answers(self) -> bool:
		if self.process and self.process.poll() is not None:
			raise AssertionError(f"{self.fw}: ended with status {self.process.returncode} at its start:\n"
					     f"{self.console.read_text()}")
		return self.socket.exists() and self.ctl("-s").returncode == 0

	def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 10) -> int | None:
		"""End the daemon; its exit status, or None if it was not our child (-d)."""
		if self.pid is None:
			return None
		with contextlib.suppress(ProcessLookupError):
			os.kill(self.pid, how)
		return self.wait_end(timeout)

	def wait_end(self, timeout: float = 10) -> int | None:
		"""The daemon was told to end: wait for it."""
		pid, process = self.pid, self.process
		status = None
		if process:
			status = process.wait(pace.seconds(timeout))
		else:
			wait_until(lambda: not lives(pid), timeout, f"{self.fw}: the daemon ends")
		self.pid = self.process = None
		return status

	def running(self) -> bool:
		if self.process:
			return self.process.poll() is None
		return self.pid is not None and lives(self.pid)

	def cut(self) -> None:
		"""As if somebody pulled all the cables, and the power with them."""
		self.lab.links(self.fw, up=False)
		self.stop(signal.SIGKILL)

	def reboot(self) -> None:
		"""After a cut: an empty table, links up, none of the virtual addresses. Start the daemon yourself."""
		self.lab.addresses_off(self.fw)
		run("ip", "netns", "exec", self.lab.ns(self.fw), "conntrack", "-F")
		self.lab.links(self.fw, up=True)

	# --- the client's side -------------------------------------------------

	def argv(self, *options: str) -> list[str]:
		return ["ip", "netns", "exec", self.lab.ns(self.fw), self.program, "-C", str(self.conf), *options]

	def ctl(self, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
		"""A client command: returncode, stdout, stderr."""
		return subprocess.run(self.argv(*options), stdin=subprocess.DEVNULL, capture_output=True, text=True,
				      timeout=pace.seconds(timeout))

	def watched(self, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
		"""The same for a person: standard error is a terminal, and `stderr` all that was written to it."""
		return on_a_terminal(self.argv(*options), timeout)

	def told(self, *options: str, timeout: float = 60) -> tuple[int, str]:
		"""Status, and what a person is told, without the progress."""
		done = self.watched(*options, timeout=timeout)
		return done.returncode, re.sub(r"\r(-\w[^\r]*)?\x1b\[K", "", done.stderr).replace("\r\n", "\n")

	def says(self, *options: str, timeout: float = 60) -> str:
		"""What a command that succeeds says to a person. A program is told nothing of it."""
		status, said = self.told(*options, timeout=timeout)
		assert status == 0, said
		return said

	def ok(self, *options: str, timeout: float = 60) -> str:
		"""A client command that has to succeed; what it printed."""
		done = self.ctl(*options, timeout=timeout)
		assert done.returncode == 0, (f"{self.fw} ({self.which}): conntrackd {' '.join(options)} gave status "
					      f"{done.returncode}\n{done.stdout}{done.stderr}")
		return done.stdout

	# --- tables -------------------------------------------------------------

	def kernel(self) -> set[tables.Flow]:
		return tables.kernel(self.lab, self.fw)

	def internal(self) -> set[tables.Flow]:
		return tables.parse(self.ok("-i"))

	def external(self) -> set[tables.Flow]:
		return tables.parse(self.ok("-e"))

	def connections(self) -> str:
		"""What -s says of the two connections of a TCP link."""
		found = re.search(r"^TCP traffic \(active device=\w+\) (server=\w+ client=\w+):$", self.ok("-s"), re.M)
		assert found, f"{self.fw}: no TCP link"
		return found[1]

	def describe(self, lines: int = 40) -> str:
		"""For the reader of a failed test."""
		def tail(path: Path) -> str:
			text = path.read_text(errors="replace").splitlines() if path.exists() else ["(none)"]
			return "\n".join(text[-lines:])

		parts = [f"=== {self.fw} ({self.which}: {self.program}) {'runs' if self.running() else 'does not run'}",
			 "--- log", tail(self.log), "--- console", tail(self.console)]
		for title, argv in (("-s", self.argv("-s")), ("-s network", self.argv("-s", "network")),
				    ("-i", self.argv("-i")), ("-e", self.argv("-e")),
				    ("kernel", ["ip", "netns", "exec", self.lab.ns(self.fw), "conntrack", "-L"])):
			if title != "kernel" and not self.running():
				continue
			try:
				done = subprocess.run(argv, capture_output=True, text=True, timeout=pace.seconds(10))
			except subprocess.TimeoutExpired:
				parts += [f"--- {title}", "no answer"]
				continue
			rows = done.stdout.splitlines()
			parts += [f"--- {title} (status {done.returncode}, {len(rows)} lines)", *rows[:lines], done.stderr]
		return "\n".join(parts)


def wait_connected(*nodes: Node) -> None:
	"""Until both connections of the TCP link are there, as each of these says."""
	for node in nodes:
		wait_until(lambda node=node: node.connections() == "server=connected client=connected", 20,
			   f"{node.fw} ({node.which}) is connected")


def wait_met(*nodes: Node) -> None:
	"""1.4.x loses what it sends before a TCP link stands, so wait for that. In ALARM an idle one has nothing to send, so it
	does not even connect; there the next repetition makes good for it.
	"""
	wait_connected(*[node for node in nodes if node.mode != "ALARM" and getattr(node.link, "kind", "") == "TCP"])


def missing_at_replica(active: Node, replica: Node) -> str:
	"""Empty if the replica's external cache equals the active firewall's kernel table, as sets.

	The external cache shows no reply tuple; the commit tests compare those, kernel with kernel.
	"""
	return tables.difference(tables.one_way(active.kernel()), tables.one_way(replica.external()))


def wait_replicated(active: Node, replica: Node, timeout: float = 60) -> None:
	"""Until the two are equal; the difference is in the error."""
	try:
		wait_until(lambda: not missing_at_replica(active, replica), timeout, step=0.3)
	except AssertionError:
		raise AssertionError(f"{replica.fw}'s external cache is not {active.fw}'s kernel table after {timeout} s:\n"
				     + missing_at_replica(active, replica)) from None


def catch_up(active: Node, started: Node) -> None:
	"""Until a node that was started has what the active one has. 1.4.x has to be told to ask, ours asks by itself."""
	wait_met(active, started)
	if started.which == DEBIAN:
		started.ok("-n")	# in ALARM there is nothing to ask for; it says so to nobody
	wait_replicated(active, started)
