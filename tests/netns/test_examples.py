# SPDX-License-Identifier: GPL-2.0-or-later
"""The collection of configuration files in tests/conf: each one runs as it is, byte for byte, also beside 1.4.7.

Every file names the interfaces eth2 to eth5 and this node's addresses on them; the mirrored file (addresses 1 and 2
exchanged) is the other node's. Lock, socket and log are at the paths that the file says, or that it leaves to the
default: /run and /var/log are empty file systems of each daemon's own.
"""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
from asis import ALONE, Daemon, wait_met
from conftest import need
from netlab import FW, Lab, run, wait_until
from node import DEBIAN, OURS, TOP, binary

CONF = TOP / "tests" / "conf"
FILES = sorted(CONF.glob("[0-9][0-9]-*.conf"))
# 1.4.7 refuses these. Ours takes those of which it can say what they mean.
REJECTED = sorted((CONF / "rejected").glob("*.conf"))
TAKEN = {"2007-nack": "words of 2007 have successors", "2007-persistent": "the same",
	 "sync-and-stats": "-S chooses, so one file may hold both"}
HELPER = "23-helpers"		# test_helpers.py; this kernel has none in user space for 1.4.7
COUNT = 20
BATCHES = itertools.count()
Start = Callable[[str, str, Path], Daemon]


def mirrored(text: str) -> str:
	"""The file of the other node."""
	text = re.sub(r"\b(192\.168\.10\d\.)([12])\b(?!/)", lambda m: m[1] + {"1": "2", "2": "1"}[m[2]], text)
	return re.sub(r"(fd00:100::)([12])\b", lambda m: m[1] + {"1": "2", "2": "1"}[m[2]], text)


@pytest.fixture(scope="module")
def wide() -> Iterator[Lab]:
	"""A laboratory with the cables and addresses that the files want."""
	with Lab() as lab:
		for i in range(2, 6):
			lab.ip("fw1", f"link add eth{i} type veth peer name eth{i} netns {lab.ns('fw2')}")
		for n, fw in enumerate(FW, 1):
			lab.sysctl(fw, {f"net/ipv6/conf/eth{i}/accept_dad": 0 for i in range(2, 6)})
			lab.ip(fw, *[f"link set eth{i} up" for i in range(2, 6)],
			       *[f"addr add 192.168.{98 + i}.{n}/24 dev eth{i}" for i in range(2, 6)],
			       f"addr add fd00:100::{n}/64 dev eth2 nodad")
			lab.sysctl(fw, {"net/netfilter/nf_conntrack_events": 1})
		yield lab


@pytest.fixture
def start(wide: Lab) -> Iterator[Start]:
	"""start(fw, which, file): a daemon that is ended whatever happens."""
	daemons: list[Daemon] = []

	def begin(fw: str, which: str, file: Path) -> Daemon:
		need(which)
		daemons.append(Daemon(wide, fw, which, file))
		daemons[-1].wait()
		return daemons[-1]

	yield begin
	for daemon in daemons:
		if daemon.process.poll() is None:
			daemon.process.send_signal(signal.SIGKILL)
			daemon.process.wait()


def same_messages(daemon: Daemon) -> None:
	"""About its file it has said on the terminal what tests/conf holds, no less and no more; and of each helper, whether this
	kernel has any in user space."""
	path = daemon.file.with_suffix(".errors")
	wanted = path.read_text().splitlines() if path.exists() else []
	said = [line.removeprefix(f"{daemon.file.parent}/") for line in daemon.console.read_text().splitlines()
		if line.startswith(f"{daemon.file}:")]
	assert [line for line in said if "is not served: this kernel" not in line] == wanted


def some_flows(lab: Lab, fw: str) -> set[str]:
	"""New flows in the kernel table of `fw`: the port that tells each from all others."""
	first = COUNT * next(BATCHES)
	scenario.inject(lab, fw, COUNT, first=first)
	return {f"sport={10000 + n}" for n in range(first, first + COUNT)}


def shows(daemon: Daemon, flows: set[str], own: bool) -> bool:
	"""Whether it has them all, in its cache or, where states of the peer have none, in its kernel table."""
	if not own and re.search(r"DisableExternalCache (on|yes)", daemon.text):
		table = run("ip", "netns", "exec", daemon.lab.ns(daemon.fw), "conntrack", "-L").stdout
	else:
		table = daemon.ok("-i" if own else "-e")
	return flows <= set(re.findall(r"sport=\d+", table))


def runs(lab: Lab, one: Daemon, other: Daemon | None, before: set[str]) -> None:
	"""The daemons do what they are for, and end."""
	if other is None:
		assert one.ok("-s").startswith("cache stats:")
		wait_until(lambda: shows(one, before, own=True), 20, f"{one.file.name}: the flows of the kernel")
		one.end()
		return
	assert re.match("cache internal:|internal bypass:", one.ok("-s"))
	wait_met(one, other)
	for here, there in ((one, other), (other, one)):
		flows = some_flows(lab, here.fw)
		wait_until(lambda: shows(there, flows, own=False), 20, f"{one.file.name}: flows of {here.which} at {there.which}")
	one.end(), other.end()


@pytest.mark.parametrize("file,peer", [
	*[pytest.param(f, peer, id=f"{f.stem}-{peer}") for f in FILES for peer in (OURS, DEBIAN)
	  if f.stem != HELPER or peer == OURS],
	*[pytest.param(f, OURS, id=f"{f.stem}-{OURS}") for f in REJECTED if f.stem in TAKEN]])
def test_runs(wide: Lab, start: Start, file: Path, peer: str) -> None:
	"""Ours with the file, and at the other end of its links ours or 1.4.7 with the mirrored one: flows go both ways."""
	alone = not re.search(r"^Sync\b", file.read_text(), re.M)
	before = some_flows(wide, "fw1") if alone else set()
	one, other = start("fw1", peer if alone else OURS, file), None
	if one.which == OURS:
		same_messages(one)
	if not alone:
		mirror = wide.scratch / file.name
		mirror.write_text(mirrored(file.read_text()))
		other = start("fw2", peer, mirror)
	runs(wide, one, other, before)


def second_instance(file: Path) -> str:
	"""The other of the two daemons on one machine: what would collide has its own name."""
	return file.read_text().replace("-a.", "-b.").replace("3780", "3781")


@pytest.mark.parametrize("peer", [OURS, DEBIAN])
def test_two_instances(wide: Lab, start: Start, peer: str) -> None:
	"""Two daemons on one machine, two on the other: each hears its own peer."""
	file = CONF / "24-two-instances-a.conf"
	second, mirrors = wide.scratch / "b.conf", []
	second.write_text(second_instance(file))
	for n, path in enumerate((file, second)):
		mirrors.append(wide.scratch / f"mirror{n}.conf")
		mirrors[-1].write_text(mirrored(path.read_text()))
	here = [start("fw1", OURS, path) for path in (file, second)]
	there = [start("fw2", peer, path) for path in mirrors]
	flows = some_flows(wide, "fw1")
	for daemon in there:
		wait_until(lambda daemon=daemon: shows(daemon, flows, own=False), 20, f"flows at {daemon.file.name}")
	here[0].end(), there[0].end()
	flows = some_flows(wide, "fw1")
	wait_until(lambda: shows(there[1], flows, own=False), 20, "the second pair goes on")
	for daemon in (here[1], there[1]):
		daemon.end()


@pytest.mark.parametrize("file,which", [
	pytest.param(f, which, id=f"{f.stem}-{which}") for f in (CONF / f"{HELPER}.conf", *REJECTED)
	for which in (OURS, DEBIAN) if which == DEBIAN or f.stem not in (*TAKEN, HELPER)])
def test_refused(wide: Lab, file: Path, which: str) -> None:
	"""Status 1 and, by ours, all that is wrong with its place; no file is left, the kernel keeps its flows."""
	need(which)
	some_flows(wide, "fw1")
	look = ALONE.replace("exec ", "") + "status=$?; find /run /var/log ! -type d; exit $status"
	done = subprocess.run(["ip", "netns", "exec", wide.ns("fw1"), "sh", "-c", look, "sh", binary(which), "-C", str(file)],
			      capture_output=True, text=True, timeout=pace.seconds(20))
	assert done.returncode == 1, done
	if which == DEBIAN:
		return
	wanted = file.with_suffix(".errors").read_text().replace(f"{file.name}:", "")
	assert done.stderr.replace(f"{file}:", "") == wanted
	assert done.stdout == ""	# nor is there a file
	assert int(run("ip", "netns", "exec", wide.ns("fw1"), "conntrack", "-C").stdout) >= COUNT
