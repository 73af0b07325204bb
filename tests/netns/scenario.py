# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic through the laboratory, and the fail-over that it is to live through."""

from __future__ import annotations

import json
import select
import subprocess
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pace
import tables
from netlab import DOWNLOAD_PORT, ECHO_PORT, SNAT4, UDP_PORT, Lab, Target
from node import Node, wait_replicated

TRAFFIC = Path(__file__).resolve().parent / "traffic"
PYTHON = "/usr/bin/python3"


class Program:
	"""One traffic program in a namespace; asked in words, answers in JSON."""

	def __init__(self, lab: Lab, part: str, script: str, *args: object):
		self.name = script
		self.log = lab.scratch / f"{script}.log"
		self.process = lab.spawn(part, PYTHON, "-B", TRAFFIC / script, *args, log=self.log,
					 stdin=subprocess.PIPE, stdout=subprocess.PIPE)

	def _line(self, timeout: float) -> str:
		# One line per answer and never two in flight, so nothing hides in the reader's buffer.
		if not select.select([self.process.stdout], [], [], pace.seconds(timeout))[0]:
			raise AssertionError(f"{self.name}: no answer within {pace.seconds(timeout):g} s\n{self.log.read_text()}")
		return self.process.stdout.readline()

	def ready(self, timeout: float = 40) -> Program:
		line = self._line(timeout)
		if line.strip() != "ready" and '"event": "ready"' not in line:
			raise AssertionError(f"{self.name}: not ready: {line}{self.log.read_text()}")
		return self

	def ask(self, command: str, seconds: float = 0) -> dict[str, Any]:
		self.tell(command, seconds)
		return self.answer(seconds)

	def tell(self, command: str, seconds: float = 0) -> None:
		"""Send a command; answer() collects. So several programs can work on theirs at once."""
		self.process.stdin.write(f"{command} {seconds}\n")
		self.process.stdin.flush()

	def answer(self, seconds: float = 0) -> dict[str, Any]:
		line = self._line(seconds + 60)
		if not line:
			raise AssertionError(f"{self.name}: ended\n{self.log.read_text()}")
		return json.loads(line)

	def end(self) -> None:
		self.process.stdin.close()
		self.process.wait(pace.seconds(5))


def serve(lab: Lab) -> Program:
	"""The server's programs."""
	return Program(lab, "server", "server.py", ECHO_PORT, DOWNLOAD_PORT, UDP_PORT).ready()


def lines(lab: Lab, connections: int, target: Target = SNAT4, interval: float = 0.5) -> Program:
	return Program(lab, "client", "lines.py", "--connections", connections, "--interval", interval,
		       target.address, ECHO_PORT).ready()


def download(lab: Lab, size: int, rate: int, target: Target = SNAT4) -> Program:
	return Program(lab, "client", "download.py", "--size", size, "--rate", rate, target.address, DOWNLOAD_PORT).ready()


def udp_stream(lab: Lab, target: Target = SNAT4, streams: int = 1) -> Program:
	return Program(lab, "client", "udpstream.py", "--streams", streams, target.address, UDP_PORT).ready()


class Traffic:
	"""All that a client does to one target: interactive connections, UDP streams, at any time a download.

	`wrong` is everything that went wrong with it.
	"""

	def __init__(self, lab: Lab, target: Target, connections: int, streams: int, size: int = 10 << 20):
		self.lab, self.target, self.size = lab, target, size
		self.programs = [(lines(lab, connections, target), connections), (udp_stream(lab, target, streams), streams)]
		self.load = self._download()
		self.wrong: list[str] = []

	def _download(self) -> Program:
		return download(self.lab, self.size, 1 << 20, self.target)

	def of(self, flows: set[tables.Flow]) -> set[tables.Flow]:
		"""Those flows of a table that are this client's and live; what ends may expire at any moment."""
		return {f for f in flows if ("dst", self.target.address) in f.orig and f.state in ("", "ESTABLISHED")}

	def mark(self) -> None:
		"""Forget the stalls so far. The download gets a successor if it has come to its end."""
		for program, _ in self.programs:
			program.ask("mark")
		if self.load.ask("mark")["done"]:
			self.finish()
			self.load = self._download()

	def finish(self) -> None:
		"""The download runs to its end."""
		said = self.load.ask("finish", 15)
		if not said["hash_good"]:
			self.wrong.append(f"the download: {said}")
		self.load.end()

	def end(self) -> None:
		"""All of it, the connections properly."""
		for program, _ in self.programs:
			program.end()
		self.finish()


def check(traffic: list[Traffic], when: str, patience: float) -> float:
	"""Does everything answer? What does not is noted in `wrong`. Returns the longest stall since the mark, in ms."""
	asked = [(each, program, count) for each in traffic for program, count in each.programs]
	for _, program, _ in asked:
		program.tell("alive", patience)
	worst = 0.0
	for each, program, count in asked:
		said = program.answer(patience)
		worst = max(worst, said["stall_ms"])
		if said["alive"] != count:
			each.wrong.append(f"{when}: {program.name}: {said}")
	return worst


def inject(lab: Lab, fw: str, count: int, first: int = 0, delete: bool = False, family: int = 4) -> None:
	"""`count` established flows into the kernel table of `fw`, or out of it."""
	done = subprocess.run(["ip", "netns", "exec", lab.ns(fw), PYTHON, "-B", str(TRAFFIC / "inject.py"),
			       *(["--delete"] if delete else []),
			       *(["--ipv6"] if family == 6 else []), "--first", str(first), str(count)],
			      capture_output=True, text=True)
	assert done.returncode == 0, f"inject: {done.stdout} errors\n{done.stderr}"


@dataclass
class Outcome:
	"""What became of the traffic: per program what it said at the end, and the commit's own words."""
	lines: dict[str, Any] = field(default_factory=dict)
	download: dict[str, Any] = field(default_factory=dict)
	udp: dict[str, Any] = field(default_factory=dict)
	commit_ms: float = 0
	commit_says: str = ""
	commit_difference: str = ""	# between the kernel tables of the dead and of the surviving firewall
	outage_ms: float = 0


def silent(*words: str) -> None:
	pass


@dataclass
class Plan:
	"""The fail-over of failover(): what runs, for how long, and whether the survivor commits."""
	with_commit: bool = True
	connections: int = 200
	download_size: int = 24 << 20
	download_rate: int = 2 << 20
	warm_up: float = 3		# seconds of traffic before the cut; the newest flow is at least 1 s old then
	outage: float = 0.5		# seconds between the cut and the take-over: somebody has to notice
	patience: float = 8		# seconds until a connection without an answer is called dead
	target: Target = SNAT4
	tell: Callable[..., None] = silent	# says what happens, for a person


def failover(lab: Lab, old: Node, new: Node, plan: Plan) -> Outcome:
	"""Both daemons run and `old` is active: let traffic flow, cut `old`, let `new` take over.

	The server's programs run already. Afterwards `old` is cut off and `new` active.
	"""
	out = Outcome()
	plan.tell(f"no traffic yet: {new.fw} knows {len(new.external())} states of {old.fw}")
	talk = lines(lab, plan.connections, plan.target)
	plan.tell(f"{plan.connections} interactive connections begin: {new.fw} knows {len(new.external())} states")
	load = download(lab, plan.download_size, plan.download_rate, plan.target)
	stream = udp_stream(lab, plan.target)
	programs = [talk, load, stream]
	plan.tell("a download and a UDP stream begin")
	pace.sleep(plan.warm_up)
	wait_replicated(old, new)
	shown = new.ok("-e").splitlines()
	plan.tell(f"{new.fw} knows all {len(shown)} states of {old.fw}'s kernel, three of them:",
		  *sorted(shown, key=lambda line: line[:4] == "tcp ")[:3])

	for program in programs:
		program.ask("mark")
	cut_at = time.monotonic()
	old.cut()
	plan.tell(f"{old.fw} is cut off: all links down, daemon killed")
	pace.sleep(plan.outage)
	if plan.with_commit:
		began = time.monotonic()
		done = new.watched("-c")
		out.commit_ms = (time.monotonic() - began) * 1000
		out.commit_says = re.sub(r"\r[^\n]*\x1b\[K|\r", "", done.stdout + done.stderr).strip()
		assert done.returncode == 0, f"commit: status {done.returncode}\n{out.commit_says}"
		# The dead firewall's kernel kept its table: nothing has moved there since the cut.
		out.commit_difference = tables.difference(old.kernel(), new.kernel())
		plan.tell(f"{new.fw} commits: the states are in its kernel after {out.commit_ms:.0f} ms")
	else:
		plan.tell(f"{new.fw} does NOT commit")
	lab.addresses_to(new.fw)
	out.outage_ms = (time.monotonic() - cut_at) * 1000
	plan.tell(f"{new.fw} takes the addresses, {out.outage_ms:.0f} ms after the cut")

	plan.tell("does every connection answer? the download runs to its end" if plan.with_commit else
		  f"does any connection answer, within {plan.patience:.0f} s?")
	for program, command in ((talk, "alive"), (stream, "alive"), (load, "finish")):
		program.tell(command, plan.patience)
	out.lines, out.udp, out.download = talk.answer(plan.patience), stream.answer(plan.patience), load.answer(60)
	plan.tell(f"{out.lines['alive']} of {out.lines['connections']} connections answer, {out.udp['alive']} of 1 UDP "
		  f"streams; the download is {'complete' if out.download['finished'] else 'dead'}")
	for program in programs:
		program.end()
	return out


def switch_over(lab: Lab, old: Node, new: Node) -> None:
	"""A planned change of roles, both daemons running, with the commands of keepalived's script."""
	lab.addresses_to(new.fw)
	for option in ("-c", "-f", "-R", "-B"):
		new.ok(option)
	for option in ("-t", "-n"):
		old.ok(option)


