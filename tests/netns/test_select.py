# SPDX-License-Identifier: GPL-2.0-or-later
"""-i and -e with the options of conntrack(8): which flows they show, and how many --count says, beside conntrack itself."""

from __future__ import annotations

import json
from typing import Callable, Iterator

import pytest

import scenario
from netlab import Lab, run, wait_until
from node import Node, wait_replicated
from test_json import hold, no_doubles

# Flows of every kind, as conntrack -I makes them: protocol and family, state, translation, mark, zone, status.
TCP, UDP = ["-p", "tcp"], ["-p", "udp"]


def tcp(src: str, dst: str, sport: int, dport: int, state: str, *more: str) -> list[str]:
	return [*TCP, "-s", src, "-d", dst, "--sport", str(sport), "--dport", str(dport), "--state", state, *more]


KINDS = [
	tcp("10.1.0.1", "10.2.0.1", 1001, 80, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED"),
	tcp("10.1.0.2", "10.2.0.1", 1002, 80, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-m", "7"),
	tcp("10.1.0.3", "10.2.0.2", 1003, 443, "SYN_SENT"),
	tcp("10.1.0.4", "10.2.0.2", 1004, 443, "SYN_RECV", "-u", "SEEN_REPLY", "-m", "0x17"),
	tcp("10.1.0.5", "10.2.0.3", 1005, 22, "FIN_WAIT", "-u", "SEEN_REPLY,ASSURED"),
	tcp("10.1.0.6", "10.2.0.3", 1006, 22, "TIME_WAIT", "-u", "SEEN_REPLY,ASSURED", "-m", "0xf7"),
	tcp("10.1.0.7", "10.2.0.3", 1007, 22, "CLOSE_WAIT", "-u", "SEEN_REPLY"),
	tcp("10.1.0.8", "10.2.0.4", 1008, 80, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-n", "192.0.2.8"),
	tcp("10.1.0.9", "10.2.0.4", 1009, 80, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-n", "192.0.2.9:50009"),
	tcp("10.1.0.10", "10.2.0.5", 1010, 8080, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-g", "10.3.0.5"),
	tcp("10.1.0.11", "10.2.0.5", 1011, 8080, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-g", "10.3.0.5:80"),
	tcp("10.1.0.12", "10.2.0.5", 1012, 8080, "ESTABLISHED", "-n", "192.0.2.12", "-g", "10.3.0.6"),
	tcp("10.1.0.1", "10.2.0.1", 1001, 80, "ESTABLISHED", "-w", "5"),
	tcp("10.1.0.13", "10.2.0.1", 1013, 80, "SYN_SENT", "-w", "5", "-m", "7"),
	[*UDP, "-s", "10.1.0.1", "-d", "10.2.0.53", "--sport", "1001", "--dport", "53"],
	[*UDP, "-s", "10.1.1.1", "-d", "10.2.0.53", "--sport", "1002", "--dport", "53", "-u", "SEEN_REPLY,ASSURED", "-n", "192.0.2.1"],
	[*UDP, "-s", "10.1.1.2", "-d", "10.2.0.54", "--sport", "80", "--dport", "1004", "-u", "SEEN_REPLY"],
	["-p", "icmp", "-s", "10.1.0.1", "-d", "10.2.0.1", "--icmp-type", "8", "--icmp-code", "0", "--icmp-id", "77"],
	["-p", "icmp", "-s", "10.1.0.2", "-d", "10.2.0.1", "--icmp-type", "13", "--icmp-code", "0", "--icmp-id", "80"],
	["-p", "sctp", "-s", "10.1.0.1", "-d", "10.2.0.1", "--sport", "1001", "--dport", "80", "--state", "ESTABLISHED",
	 "--orig-vtag", "1", "--reply-vtag", "2"],
	["-p", "gre", "-s", "10.1.0.1", "-d", "10.2.0.1", "--srckey", "1", "--dstkey", "1"],
	["-p", "udplite", "-s", "10.1.0.1", "-d", "10.2.0.1", "--sport", "1001", "--dport", "80"],
	tcp("fd00:1::1", "fd00:2::1", 1001, 80, "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED"),
	tcp("fd00:1::2", "fd00:2::1", 1002, 443, "SYN_SENT", "-m", "7"),
	[*UDP, "-s", "fd00:1::1", "-d", "fd00:2::53", "--sport", "1001", "--dport", "53"],
	["-p", "icmpv6", "-s", "fd00:1::1", "-d", "fd00:2::1", "--icmpv6-type", "128", "--icmpv6-code", "0", "--icmpv6-id", "5"],
]

# The same words for both programs.
OPTIONS = [
	"", "--proto tcp", "--proto udp", "--proto icmp", "--proto sctp", "--proto 6", "--family ipv4", "--family ipv6",
	"--family ipv6 --proto tcp", "--src 10.1.0.1", "--orig-src 10.1.0.1", "--src 10.1.0.0/24", "--dst 10.2.0.0/16",
	"--orig-dst 10.2.0.53", "--family ipv6 --src fd00:1::1", "--family ipv6 --dst fd00:2::/64", "--reply-src 10.3.0.5",
	"--reply-dst 192.0.2.8", "--reply-src 10.2.0.1", "--proto tcp --sport 1001", "--proto tcp --orig-port-src 1001",
	"--proto tcp --dport 80", "--proto udp --orig-port-dst 53", "--proto tcp --reply-port-src 80",
	"--proto tcp --reply-port-dst 50009", "--proto icmp --icmp-type 8", "--proto icmp --icmp-type 8 --icmp-code 0",
	"--proto tcp --state ESTABLISHED", "--proto tcp --state TIME_WAIT", "--proto tcp --state SYN_SENT", "--proto sctp --state ESTABLISHED",
	"--status ASSURED", "--status SEEN_REPLY", "--status ASSURED,SEEN_REPLY", "--mark 7", "--mark 0", "--mark 0x7/0xf", "--mark 23",
	"--zone 5", "--zone 0", "--zone 6", "--src-nat", "--dst-nat", "--any-nat", "--proto tcp --src-nat", "--proto udp --any-nat",
	"--src 10.1.0.0/24 --proto tcp --dport 80 --state ESTABLISHED", "--proto tcp --mark 7 --zone 5",
]


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Lab, Node]]:
	with Lab() as lab:
		node = Node(lab, "fw1", "ours")
		node.start()
		kinds = 0
		for kind in KINDS:
			done = run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-I", *kind, "-t", "3000", check=False)
			kinds += done.returncode == 0
			assert done.returncode == 0, (kind, done.stderr)
		assert kinds >= 20
		wait_until(lambda: node.ok("-i", "--count") == f"{kinds}\n", 20, "all are in the cache")
		yield lab, node
		node.stop()


def listed(lab: Lab, *options: str) -> list[str]:
	"""What conntrack -L shows."""
	return run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-L", *options).stdout.splitlines()


def tuples(lines: list[str]) -> list[str]:
	"""Without what only one of the two tells: lives, use counts, the ages of entries."""
	def of(line: str) -> str:
		words = [w for w in line.replace("[active since", "").split() if "=" in w and not w.startswith(("use=", "mark="))]
		return " ".join(sorted(words))

	return sorted(of(line) for line in lines)


@pytest.mark.parametrize("options", OPTIONS)
def test_beside_conntrack(made: tuple[Lab, Node], options: str) -> None:
	lab, node = made
	theirs = listed(lab, *options.split())
	ours = node.ok("-i", *options.split()).splitlines()
	assert tuples(ours) == tuples(theirs)
	assert node.ok("-i", "--count", *options.split()) == f"{len(theirs)}\n"


def test_options_choose(made: tuple[Lab, Node]) -> None:
	"""None of the comparisons above is about nothing, or about everything, without being meant to be."""
	lab, node = made
	numbers = [int(node.ok("-i", "--count", *options.split())) for options in OPTIONS]
	every = numbers[0]
	assert [o for o, n in zip(OPTIONS, numbers) if n == 0] == ["--zone 6"]
	assert [o for o, n in zip(OPTIONS, numbers) if n == every] == [""]


def test_forms(made: tuple[Lab, Node]) -> None:
	lab, node = made
	count = int(node.ok("-i", "--count", "--proto", "tcp"))
	assert node.ok("-i", "-x", "--proto", "tcp").count("<flow>") == count
	lines = [json.loads(line) for line in node.ok("-i", "--json", "--proto=tcp").splitlines()]
	assert len(lines) == count and {line["proto"] for line in lines} == {"tcp"}
	d = json.loads(node.ok("-i", "--json", "--count", "--proto", "tcp"), object_pairs_hook=no_doubles)
	hold(d, "count")
	assert d == {"schema": 1, "kind": "count", "count": count}
	done = node.ctl("-i", "--src", "nowhere")
	assert (done.returncode, done.stdout) == (1, "") and '--src: "nowhere" is not an address' in done.stderr, done


def test_peers(lab: Lab, pair: Callable) -> None:
	"""The external cache: by what the peer tells, and by who it was."""
	one, two = pair()
	scenario.inject(lab, "fw1", 700)
	wait_replicated(one, two)
	assert two.ok("-e", "--count") == two.ok("-e", "--count", "--peer", "10.30.0.11") == "700\n"
	assert two.ok("-e", "--count", "--src", "10.66.0.0/16", "--dport", "80") == "700\n"
	assert len(two.ok("-e", "--sport", "10005").splitlines()) == 1
	assert two.ok("-e", "--count", "--reply-src", "10.77.0.1") == "0\n"		# a peer tells no reply direction
	done = two.ctl("-e", "--peer", "10.30.0.99")
	assert done.returncode == 1 and "no peer was heard as" in done.stderr, done


def test_kernel_view(lab: Lab, make: Callable) -> None:
	"""Without internal cache the kernel's table is gone through."""
	node = make("fw1")
	node.configure(mode="NOTRACK", mode_options={"DisableInternalCache": "on"})
	node.start()
	scenario.inject(lab, "fw1", 500)
	assert node.ok("-i", "--count") == node.ok("-i", "--count", "--proto", "tcp") == "500\n"
	assert len(node.ok("-i", "--sport", "10005").splitlines()) == 1
	assert node.ok("-i", "--count", "--proto", "udp") == "0\n"
	done = node.ctl("-i", "--mark", "x")
	assert done.returncode == 1 and "--mark" in done.stderr, done
