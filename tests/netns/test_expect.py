# SPDX-License-Identifier: GPL-2.0-or-later
"""Expectations: real helpers, real FTP, TFTP and SIP through stateful firewalls, before and after a take-over."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import Callable

import pytest

import pace
from conftest import PAIRS
from netlab import DNAT4, PLAIN6, SNAT4, Lab, Target, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated
from scenario import Program

FTP, TFTP = 21, 69
SYNC = {"ExpectationSync": "on"}

# The address that `snat` gives is longer than the client's, so that a PORT or EPRT command grows.
LONG4, LONG6 = "10.20.0.200", "fd00:20::1234:5678:9abc"

HELPERS = """
table inet helpers {{
	ct helper ftp {{ type "ftp" protocol tcp; }}
	ct helper tftp {{ type "tftp" protocol udp; }}
	ct helper sip {{ type "sip" protocol udp; }}
	chain assign {{
		type filter hook prerouting priority filter;
		tcp dport 21 ct helper set "ftp"
		udp dport 69 ct helper set "tftp"
		udp dport 5060 ct helper set "sip"
	}}
	# Nothing comes through on its own account but control connections and requests.
	chain strict {{
		type filter hook forward priority filter - 1;
		ct state new tcp dport != 21 drop
		iifname "lan0" ct state new udp dport {{ 69, 5060 }} accept
		ct state new meta l4proto udp drop
	}}
	chain nat {{
		type nat hook postrouting priority srcnat - 1;
		{nat}
	}}
}}
"""
LONGER = f"""oifname "wan0" ct status dnat accept
		oifname "wan0" ip saddr 10.10.0.0/24 snat ip to {LONG4}
		oifname "wan0" ip6 saddr fd00:10::/64 snat ip6 to {LONG6}"""


@dataclass(frozen=True)
class Case:
	name: str
	target: Target
	nat: str = ""
	grows: bool = False	# an active transfer's command becomes longer

	@property
	def settles(self) -> float:
		"""Seconds to leave before a take-over: the kernel does not report the adjustment of sequence numbers, so the master
		is asked for it a moment after each expectation."""
		return 2.0 if self.grows else 0.6


# The laboratory translates IPv4 (same length); a table of our own in front of it does otherwise.
PLAIN4 = Target("v4", SNAT4.address)
CASES = [Case("v4-snat", SNAT4), Case("v4-plain", PLAIN4, "plain"), Case("v4-dnat", DNAT4),
	 Case("v4-longer", SNAT4, LONGER, grows=True), Case("v6", PLAIN6)]
LONGER6 = Case("v6-longer", PLAIN6, LONGER, grows=True)

each_pair = pytest.mark.parametrize("old,new", PAIRS)


def prepare(lab: Lab, case: Case) -> None:
	for fw in ("fw1", "fw2"):
		if case.nat == "plain":
			run("ip", "netns", "exec", lab.ns(fw), "nft", "flush chain inet fw from_client")
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-",
		    stdin=HELPERS.format(nat=case.nat if case.nat != "plain" else ""))
	lab.ip("server", f"route add {LONG4}/32 via 10.20.0.1", f"route add {LONG6}/128 via fd00:20::1",
	       "route add 10.10.0.0/24 via 10.20.0.1")
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()


def ftp(lab: Lab, target: Target, *options: str) -> Program:
	return Program(lab, "client", "ftp.py", *options, target.address, FTP, TFTP).ready()


def good(program: Program, command: str) -> str:
	said = program.ask(command, 10)
	assert said["ok"], f"{command}: {said['said']}"
	return said["said"]


def ageless(text: str) -> list[str]:
	return sorted(re.sub(r" \[(active since|expires in) \d+s\]", "", line) for line in text.splitlines())


def kernel_expects(lab: Lab, fw: str) -> list[str]:
	"""The kernel's expectations in the words of our dumps, by conntrack(8): without the timeout in front."""
	text = "".join(run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L", "expect", "-f", family).stdout
		       for family in ("ipv4", "ipv6"))
	return sorted(re.sub(r"^\d+ ", "", line).strip() for line in text.splitlines())


def helper_list(*names: str) -> dict[str, object]:
	return {"ExpectationSync": "{ " + " ".join(names) + " }"}


def wait_expects(old: Node, new: Node, n: int) -> None:
	wait_until(lambda: len(ageless(old.ok("-i", "expect"))) == n and
		   ageless(old.ok("-i", "expect")) == ageless(new.ok("-e", "expect")), 10, f"{n} expectations replicated")


def wait_acknowledged(lab: Lab) -> None:
	"""A line that was not acknowledged is sent again, through the other firewall, whose helper then reads it as well and
	expects by itself what it was not told of."""
	def unacknowledged() -> bool:
		rows = "".join(run("ip", "netns", "exec", lab.ns(part), "ss", "-Htn").stdout for part in ("client", "server"))
		queues = [row.split()[2] for row in rows.splitlines()]
		assert queues
		return any(queue != "0" for queue in queues)

	wait_until(lambda: not unacknowledged(), 20, "everything said is acknowledged", 0.02)


def take_over(lab: Lab, old: Node, new: Node, case: Case = CASES[0]) -> str:
	wait_replicated(old, new)
	pace.sleep(case.settles)
	old.cut()
	said = new.says("-c")
	lab.addresses_to(new.fw)
	return said


def port_grew(said: str) -> bool:
	return LONG4.replace(".", ",") in said or LONG6[-14:] in said


@each_pair
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_transfers_after_take_over(lab: Lab, pair: Callable, old: str, new: str, case: Case) -> None:
	"""The control connection is open; then the other firewall carries it, and what it expects."""
	prepare(lab, case)
	active, survivor = pair(old, new, options=SYNC)
	client = ftp(lab, case.target)
	for command in ("noop", "passive", "active"):
		good(client, command)
	# 1.4.7 does not tell the adjustment of sequence numbers: the connection would not live on.
	if case.grows and old == OURS:
		for _ in range(3):
			assert port_grew(good(client, "port"))
			good(client, "retr")
	elif case.grows:
		client.end()
		client = ftp(lab, case.target)
		good(client, "noop")
	take_over(lab, active, survivor, case)
	for command in ("noop", "passive", "active", "passive", "active", "noop"):
		good(client, command)


@each_pair
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("kind", ("pasv", "port"))
def test_expectation_crosses_the_take_over(lab: Lab, pair: Callable, old: str, new: str, case: Case,
					   kind: str) -> None:
	"""A transfer is prepared through one firewall and carried out through the other."""
	if case.grows and kind == "port" and old == DEBIAN:
		pytest.skip("1.4.7 does not tell the adjustment of sequence numbers")
	if case.name in ("v4-snat", "v4-longer") and kind == "port" and new == DEBIAN:
		pytest.skip("1.4.7 commits no expectation with its translation, between two of its kind neither")
	prepare(lab, case)
	active, survivor = pair(old, new, options=SYNC)
	client = ftp(lab, case.target)
	said = good(client, kind)
	assert port_grew(said) == (case.grows and kind == "port")
	wait_expects(active, survivor, 1)
	take_over(lab, active, survivor, case)
	good(client, "retr")
	good(client, "active")


@each_pair
def test_notrack(lab: Lab, pair: Callable, old: str, new: str) -> None:
	"""The other protocol carries them as well, and so does its full send."""
	prepare(lab, CASES[1])
	active, survivor = pair(old, new, mode="NOTRACK", options=SYNC)
	client = ftp(lab, PLAIN4)
	good(client, "pasv")
	wait_expects(active, survivor, 1)
	good(client, "retr")
	wait_expects(active, survivor, 0)
	good(client, "port")
	wait_expects(active, survivor, 1)
	survivor.ok("-f")
	survivor.ok("-n")
	wait_expects(active, survivor, 1)
	take_over(lab, active, survivor)
	good(client, "retr")


@each_pair
def test_alarm(lab: Lab, pair: Callable, old: str, new: str) -> None:
	"""The third protocol repeats them, and they expire at the receiver when nobody does."""
	prepare(lab, CASES[1])
	active, survivor = pair(old, new, mode="ALARM", options=SYNC, mode_options={"RefreshTime": 1, "CacheTimeout": 8})

	def age(text: str) -> str:
		return re.sub(r" \[(active since|expires in) \d+s\]", "", text)

	client = ftp(lab, PLAIN4)
	good(client, "port")
	pace.sleep(10)			# longer than they live without being repeated
	shown = ""

	def repeated() -> bool:
		nonlocal shown
		shown = survivor.ok("-e", "expect")
		return age(shown) == age(active.ok("-i", "expect")) != ""

	wait_until(repeated, 60)
	left = re.search(r"\[expires in (\d+)s\] \[active since \d+s\]$", shown.strip())
	assert left and int(left[1]) <= 8, shown
	lab.links("fw1", up=False)
	wait_until(lambda: survivor.ok("-e", "expect") == "", 60)
	lab.links("fw1", up=True)
	lab.addresses_to("fw1")
	wait_until(lambda: survivor.ok("-e", "expect") != "", 20)
	wait_replicated(active, survivor)
	active.cut()
	survivor.ok("-c")
	lab.addresses_to("fw2")
	good(client, "retr")


# ---- DisableExternalCache, DisableInternalCache ----

INJECT = ("FTFW", {"DisableExternalCache": "on"})
INJECT_NOTRACK = ("NOTRACK", {"DisableExternalCache": "on"})
BYPASS = ("NOTRACK", {"DisableInternalCache": "on"})
NO_CACHES = ("NOTRACK", {"DisableInternalCache": "on", "DisableExternalCache": "on"})
each_setting = pytest.mark.parametrize("setting", (INJECT, INJECT_NOTRACK, BYPASS, NO_CACHES),
				       ids=("inject", "inject-notrack", "bypass", "no-caches"))


def cacheless(pair: Callable, setting: tuple, old: str = OURS, new: str = OURS, **more: object) -> tuple[Node, Node]:
	return pair(old, new, mode=setting[0], mode_options=setting[1], options=SYNC, **more)


def known(node: Node, setting: tuple) -> list[str]:
	"""What a replica knows of its peer's expectations: in its kernel, or in its cache."""
	if "DisableExternalCache" in setting[1]:
		return kernel_expects(node.lab, node.fw)
	return ageless(node.ok("-e", "expect"))


def wait_known(old: Node, new: Node, setting: tuple, n: int) -> None:
	wait_until(lambda: len(kernel_expects(old.lab, old.fw)) == n and
		   known(new, setting) == kernel_expects(old.lab, old.fw), 10, f"{n} expectations replicated")


def take_over_cacheless(lab: Lab, old: Node, new: Node, setting: tuple, commit: str | None = None,
			case: Case = CASES[0]) -> None:
	"""What is in the kernel already needs no commit."""
	pace.sleep(case.settles)
	old.cut()
	if "DisableExternalCache" not in setting[1]:
		new.ok("-c", *[commit] if commit else [])
	lab.addresses_to(new.fw)


def transfer_without_caches(lab: Lab, pair: Callable, setting: tuple, old: str, new: str, case: Case, kind: str) -> None:
	"""A transfer is prepared through one firewall and carried out through the other, and others follow."""
	prepare(lab, case)
	active, survivor = cacheless(pair, setting, old, new)
	client = ftp(lab, case.target)
	for command in ("passive", "active"):
		good(client, command)
	wait_until(lambda: not known(survivor, setting), 10, "what has been used is gone")
	said = good(client, kind)
	assert port_grew(said) == (case.grows and kind == "port")
	wait_until(lambda: len(known(survivor, setting)) == 1, 10, "the expectation arrives")
	take_over_cacheless(lab, active, survivor, setting, case=case)
	for command in ("retr", "active", "passive", "noop"):
		good(client, command)


@each_setting
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("kind", ("pasv", "port"))
def test_without_caches(lab: Lab, pair: Callable, setting: tuple, case: Case, kind: str) -> None:
	transfer_without_caches(lab, pair, setting, OURS, OURS, case, kind)


@each_setting
@pytest.mark.parametrize("old,new", PAIRS[1:])
@pytest.mark.parametrize("case,kind", ((CASES[1], "port"), (CASES[4], "pasv")), ids=("v4-plain", "v6"))
def test_without_caches_beside_debian(lab: Lab, pair: Callable, setting: tuple, old: str, new: str, case: Case,
				      kind: str) -> None:
	if old == DEBIAN and "DisableInternalCache" in setting[1]:
		pytest.skip("1.4.7 sends no expectation without internal cache")
	transfer_without_caches(lab, pair, setting, old, new, case, kind)


@each_setting
@pytest.mark.parametrize("kind", ("pasv", "port"))
def test_without_caches_ipv6_nat(lab: Lab, pair: Callable, setting: tuple, kind: str) -> None:
	prepare(lab, LONGER6)
	active, survivor = cacheless(pair, setting)
	client = ftp(lab, PLAIN6)
	for _ in range(3):
		assert port_grew(good(client, "port"))
		good(client, "retr")
	good(client, kind)
	wait_until(lambda: len(known(survivor, setting)) == 1, 10)
	take_over_cacheless(lab, active, survivor, setting, case=LONGER6)
	for command in ("retr", "active", "passive", "active", "noop"):
		good(client, command)


@each_setting
@pytest.mark.parametrize("kind", ("pasv", "port"))
def test_without_caches_and_without_the_expectation(lab: Lab, pair: Callable, setting: tuple, kind: str) -> None:
	"""The control: it is the expectation that lets the transfer through."""
	prepare(lab, CASES[0])
	active, survivor = cacheless(pair, setting)
	client = ftp(lab, SNAT4)
	good(client, kind)
	wait_known(active, survivor, setting, 1)
	wait_acknowledged(lab)
	if "DisableExternalCache" in setting[1]:
		survivor.ok("-F", "expect")
	take_over_cacheless(lab, active, survivor, setting, "ct")
	good(client, "noop")		# the control connection is there
	assert not client.ask("retr", 3)["ok"]


@each_setting
def test_without_caches_tftp(lab: Lab, pair: Callable, setting: tuple) -> None:
	"""The expectation is made before the kernel announces its master, and has to arrive after it."""
	prepare(lab, CASES[0])
	active, survivor = cacheless(pair, setting)
	client = ftp(lab, SNAT4)
	good(client, "tftp_wait")
	wait_known(active, survivor, setting, 1)
	take_over_cacheless(lab, active, survivor, setting)
	lab.server.tell("answer")
	assert good(client, "tftp_take") == "a block of data"


@each_setting
def test_without_caches_full_send(lab: Lab, make: Callable, setting: tuple) -> None:
	"""A replica that starts late gets what is there; what ended while it could not hear goes."""
	prepare(lab, CASES[0])
	active, replica = make("fw1"), make("fw2")
	for node in (active, replica):
		node.configure(mode=setting[0], mode_options=setting[1], options=SYNC)
	active.start()
	client = ftp(lab, SNAT4)
	good(client, "port")
	replica.start()
	wait_known(active, replica, setting, 1)
	lab.links("fw2", up=False)
	good(client, "retr")
	good(client, "pasv")
	pace.sleep(1)
	lab.links("fw2", up=True)
	wait_until(lambda: known(replica, setting) == kernel_expects(lab, "fw1"), 20, "what is there now, and nothing else")
	replica.ok("-n")
	active.ok("-B")
	pace.sleep(1)
	wait_known(active, replica, setting, 1)
	client.end()
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp")
	wait_known(active, replica, setting, 0)


@each_setting
def test_without_caches_commands(lab: Lab, pair: Callable, setting: tuple) -> None:
	prepare(lab, CASES[0])
	active, replica = cacheless(pair, setting)
	client = ftp(lab, SNAT4)
	good(client, "port")
	wait_known(active, replica, setting, 1)
	inject, bypass = ("Disable" + side + "Cache" in setting[1] for side in ("External", "Internal"))
	for words, idle in ((("-e", "expect"), inject), (("-e", "expect", "-x"), inject), (("-c", "expect"), inject),
			    (("-R", "expect"), bypass)):
		assert ("nothing to do" in replica.says(*words)) == idle, words
	if inject and not bypass:
		replica.ok("-n")	# -c makes a node the active one, and what that has taken over it tells who asks
	shown = sorted(re.sub(r"^\d+ ", "", line) for line in ageless(active.ok("-i", "expect")))
	assert shown == kernel_expects(lab, "fw1")
	assert "<helper-name>ftp</helper-name>" in active.ok("-i", "expect", "-x")
	assert '"helper":"ftp"' in active.ok("-i", "expect", "--json")
	text = replica.ok("-s", "expect")
	if inject:
		assert re.search(r"external inject:\nconnections created:\s+1\tfailed:\s+0\n", text), text
	if bypass:
		assert re.search(r"internal bypass:\nconnections new:\s+1\nconnections updated:\s+0\nconnections destroyed:\s+0\n",
				 active.ok("-s", "expect"))
	# A flush takes them out of our kernel, and the peer is told nothing.
	before = known(replica, setting)
	for words in (("-f",), ("-R",), ("-F", "expect")):
		active.ok(*words)
	assert kernel_expects(lab, "fw1") == []
	good(client, "port")
	wait_until(lambda: known(replica, setting) != before, 20)
	before = known(replica, setting)
	active.ok("-F")
	wait_until(lambda: not kernel_expects(lab, "fw1"), 20)
	pace.sleep(1)
	assert known(replica, setting) == before


@pytest.mark.parametrize("setting", (INJECT, INJECT_NOTRACK, NO_CACHES), ids=("inject", "inject-notrack", "no-caches"))
def test_there_and_back(lab: Lab, pair: Callable, setting: tuple) -> None:
	"""The addresses move to the other firewall and back, both daemons running: each transfer begun on one side ends on the
	other, and what has been used on one side does not stay open on the other."""
	prepare(lab, CASES[0])
	nodes = cacheless(pair, setting)
	client = ftp(lab, SNAT4)
	for kind in ("pasv", "port"):
		for old, new in (nodes, nodes[::-1]):
			good(client, kind)
			wait_until(lambda: kernel_expects(lab, "fw1") == kernel_expects(lab, "fw2") != [], 10, "in both kernels")
			pace.sleep(0.6)
			lab.addresses_to(new.fw)
			good(client, "retr")
			for command in ("passive", "active"):
				good(client, command)
			wait_until(lambda: not kernel_expects(lab, new.fw), 10)


@pytest.mark.parametrize("kind", ("pasv", "port"))
def test_without_the_expectation_it_fails(lab: Lab, pair: Callable, kind: str) -> None:
	"""The control: the flows alone (-c ct) do not let the transfer through."""
	prepare(lab, CASES[0])
	active, survivor = pair(options=SYNC)
	client = ftp(lab, SNAT4)
	good(client, kind)
	wait_expects(active, survivor, 1)
	wait_acknowledged(lab)
	active.cut()
	survivor.ok("-c", "ct")
	lab.addresses_to("fw2")
	assert not client.ask("retr", 3)["ok"]


@pytest.mark.parametrize("kind", ("pasv", "port", "transfers"))
def test_ipv6_with_nat(lab: Lab, pair: Callable, kind: str) -> None:
	"""Only between two of ours: 1.4.x has no place for what the kernel saved of an IPv6 translation."""
	prepare(lab, LONGER6)
	active, survivor = pair(options=SYNC)
	client = ftp(lab, PLAIN6)
	for _ in range(3):
		assert port_grew(good(client, "port"))
		good(client, "retr")
	if kind != "transfers":
		good(client, kind)
		wait_expects(active, survivor, 1)
	take_over(lab, active, survivor, LONGER6)
	if kind != "transfers":
		good(client, "retr")
	for command in ("active", "passive", "active", "noop"):
		good(client, command)


@each_pair
@pytest.mark.parametrize("target", (SNAT4, PLAIN6), ids=lambda t: t.name)
def test_tftp_answer_comes_after_the_take_over(lab: Lab, pair: Callable, old: str, new: str, target: Target) -> None:
	"""The helper expects something with the first packet, before the kernel announces the flow itself."""
	if DEBIAN in (old, new):
		pytest.skip("1.4.7 loses the expectations of flows that it does not know yet")
	prepare(lab, CASES[0])
	active, survivor = pair(old, new, options=SYNC)
	client = ftp(lab, target)
	good(client, "tftp")
	good(client, "tftp_wait")
	wait_expects(active, survivor, 1)
	take_over(lab, active, survivor)
	lab.server.tell("answer")
	assert good(client, "tftp_take") == "a block of data"


# ---- SIP ----

# The telephone's address, and the server's.
ENDS = {"v4-plain": ("10.10.0.2", SNAT4.address), "v4-snat": ("10.10.0.2", SNAT4.address), "v6": ("fd00:10::2", PLAIN6.address)}


def telephones(lab: Lab, case: Case) -> tuple[Program, Program]:
	prepare(lab, case)
	phone, server = ENDS[case.name]
	registrar = Program(lab, "server", "sipd.py", server).ready()
	return Program(lab, "client", "sipc.py", phone, server).ready(), registrar


def lives(lab: Lab, fw: str) -> dict[str, int]:
	"""The kernel's expectations with what is left of their lives, in seconds."""
	text = "".join(run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L", "expect", "-f", family).stdout
		       for family in ("ipv4", "ipv6"))
	return {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in text.splitlines()}


def media_passes(phone: Program, registrar: Program) -> None:
	"""Both begin to speak, so that each direction needs its expectation."""
	good(registrar, "speak")
	assert good(phone, "hear") == "from the server"
	good(phone, "speak")
	assert good(registrar, "hear") == "from the telephone"


@pytest.mark.parametrize("case", (CASES[0], CASES[1], CASES[4]), ids=lambda c: c.name)
@pytest.mark.parametrize("setting", (("FTFW", {}), ("NOTRACK", {}), INJECT, BYPASS, NO_CACHES),
			 ids=("ftfw", "notrack", "inject", "bypass", "no-caches"))
def test_sip(lab: Lab, pair: Callable, setting: tuple, case: Case) -> None:
	"""A telephone registers and makes a call; through the other firewall it can be called, and is heard in both ways."""
	phone, registrar = telephones(lab, case)
	active, survivor = cacheless(pair, setting)
	assert good(phone, "register") == "SIP/2.0 200 OK"
	# It becomes active with the answer, and its life is that of the registration: the kernel reports neither.
	wait_until(lambda: "PERMANENT" in "".join(kernel_expects(lab, "fw1")), 20)
	wait_until(lambda: "INACTIVE" not in "".join(kernel_expects(lab, "fw1")), 20)
	wait_known(active, survivor, setting, 1)
	pace.sleep(0.5)
	good(phone, "invite")
	wait_until(lambda: len(kernel_expects(lab, "fw1")) == 5, 20, "and RTP and RTCP of both")
	wait_known(active, survivor, setting, 5)
	before = lives(lab, "fw1")
	assert sorted(life // 100 for life in before.values()) == [1, 1, 1, 1, 17], before
	assert len({re.search(r"class=(\d+)", line)[1] for line in before}) == 2, before
	take_over_cacheless(lab, active, survivor, setting)
	after = lives(lab, "fw2")
	assert after.keys() == before.keys()
	assert all(0 <= before[e] - after[e] < 20 for e in before), (before, after)
	media_passes(phone, registrar)
	assert good(registrar, "call") == "SIP/2.0 200 OK"
	assert good(phone, "register") == "SIP/2.0 200 OK"
	good(phone, "invite")
	media_passes(phone, registrar)


def test_sip_without_the_expectations_it_fails(lab: Lab, pair: Callable) -> None:
	phone, registrar = telephones(lab, CASES[0])
	active, survivor = cacheless(pair, ("FTFW", {}))
	good(phone, "register")
	good(phone, "invite")
	wait_until(lambda: len(kernel_expects(lab, "fw1")) == 5, 20)
	take_over_cacheless(lab, active, survivor, ("FTFW", {}), "ct")
	good(registrar, "speak")
	assert not phone.ask("hear", 2)["ok"]
	assert not registrar.ask("call", 2)["ok"]
	assert good(phone, "register") == "SIP/2.0 200 OK"


each_mode = pytest.mark.parametrize("mode", ("FTFW", "NOTRACK", "ALARM"))


@each_mode
def test_dumps_are_debians(lab: Lab, pair: Callable, mode: str) -> None:
	"""The same state shown by both makes: our internal cache, Debian's external cache, the kernel."""
	prepare(lab, CASES[0])
	ours, debian = pair(OURS, DEBIAN, mode=mode, options=SYNC)
	clients = [ftp(lab, target) for target in (SNAT4, PLAIN6, DNAT4)]
	for n, client in enumerate(clients):
		good(client, "port" if n else "pasv")
	wait_expects(ours, debian, 3)
	assert ageless(ours.ok("-i", "expect")) == kernel_expects(lab, "fw1")
	xml = ours.ok("-i", "expect", "-x")
	assert sorted(xml.splitlines()) == sorted(debian.ok("-e", "expect", "-x").splitlines())
	assert xml.count("<flow>") == 3
	json = ours.ok("-i", "expect", "--json")
	assert json.count('"helper":"ftp"') == 3

	def layout(text: str) -> str:
		return re.sub(r" *\d+", "#", text)

	assert layout(ours.ok("-s", "expect")) == layout(debian.ok("-s", "expect"))
	shown = re.findall(r"current active connections:\s+(\d+)", ours.ok("-s", "expect"))
	assert shown == ["3", "0"]
	for client in clients:
		good(client, "retr")
	wait_expects(ours, debian, 0)		# each is used up, and its end is told


def test_dumps_of_the_other_side(lab: Lab, pair: Callable) -> None:
	prepare(lab, CASES[0])
	debian, ours = pair(DEBIAN, OURS, options=SYNC)
	client = ftp(lab, SNAT4)
	good(client, "port")
	wait_expects(debian, ours, 1)
	assert ours.ok("-e", "expect", "-x") == debian.ok("-i", "expect", "-x")
	good(client, "retr")
	wait_expects(debian, ours, 0)


@pytest.mark.parametrize("names,want", ((["FTP"], 1), (["tf"], 1), (["sip"], 0), (["ftp", "tftp"], 2)))
def test_list_of_helpers(lab: Lab, pair: Callable, names: list[str], want: int) -> None:
	"""Names are prefixes, in any case."""
	prepare(lab, CASES[0])
	active, replica = pair(options=helper_list(*names))
	client = ftp(lab, SNAT4)
	good(client, "pasv")
	good(client, "tftp_wait")
	wait_until(lambda: len(kernel_expects(lab, "fw1")) == 2, 20)
	wait_expects(active, replica, want)
	pace.sleep(0.5)
	wait_expects(active, replica, want)


def test_resync_tells_expectations(lab: Lab, make: Callable) -> None:
	"""A replica that starts late gets them with everything else."""
	prepare(lab, CASES[0])
	active, replica = make("fw1"), make("fw2")
	for node in (active, replica):
		node.configure(options=SYNC)
	active.start()
	client = ftp(lab, SNAT4)
	good(client, "port")
	replica.start()
	wait_expects(active, replica, 1)
	# What ended while it could not hear is swept.
	lab.links("fw2", up=False)
	good(client, "retr")
	good(client, "pasv")
	pace.sleep(1)
	lab.links("fw2", up=True)
	wait_expects(active, replica, 1)


def test_control_connection_older_than_the_daemon(lab: Lab, make: Callable) -> None:
	"""The kernel reports no expectation of a flow that began while nobody listened: it is found by looking."""
	prepare(lab, CASES[0])
	active, replica = make("fw1"), make("fw2")
	client = ftp(lab, SNAT4)
	good(client, "pasv")
	for node in (active, replica):
		node.configure(options=SYNC)
		node.start()
	wait_expects(active, replica, 1)	# the one from before the start
	good(client, "retr")
	good(client, "port")
	wait_until(lambda: ageless(replica.ok("-e", "expect")) == kernel_expects(lab, "fw1"), 30)


@each_mode
def test_commands(lab: Lab, pair: Callable, mode: str) -> None:
	"""-c, -R, -F and -f with expectations; nothing of it is told to the peer."""
	prepare(lab, CASES[0])
	active, replica = pair(mode=mode, options=SYNC)
	client = ftp(lab, SNAT4)
	good(client, "port")
	wait_expects(active, replica, 1)

	# The master is unknown to this kernel.
	done = replica.ctl("-c", "expect")
	assert done.returncode == 0 and "1 failed: the kernel has no such master" in done.stderr, done.stderr
	assert replica.ctl("-c", "expect", "--strict").returncode == 1
	assert kernel_expects(lab, "fw2") == []
	# What follows a commit that runs commits no more than was asked for, either.
	flows = replica.kernel()
	os.kill(replica.pid, signal.SIGSTOP)
	clients = [subprocess.Popen(replica.argv("-c", "expect"), stderr=subprocess.PIPE, text=True) for _ in range(3)]
	pace.sleep(0.5)
	os.kill(replica.pid, signal.SIGCONT)
	said = [client.communicate(timeout=pace.seconds(60))[1] for client in clients]
	assert replica.log.read_text().count("another one follows") == 2
	assert all("1 failed: the kernel has no such master" in text for text in said), said
	assert replica.kernel() == flows
	replica.ok("-c", "ct")
	assert "1 created" in replica.says("-c", "expect")
	assert kernel_expects(lab, "fw2") == kernel_expects(lab, "fw1") == ageless(replica.ok("-i", "expect"))
	assert "1 kept" in replica.says("-c").splitlines()[1]
	# Our own commit is not told back.
	pace.sleep(0.5)
	assert active.ok("-e", "expect") == ""

	for words in (("-f",), ("-R", "expect"), ("-R",)):	# what the kernel has is never forgotten
		active.ok(*words)
		assert ageless(active.ok("-i", "expect")) == kernel_expects(lab, "fw1") != []

	active.ok("-F", "expect")
	assert kernel_expects(lab, "fw1") == [] == ageless(active.ok("-i", "expect"))
	pace.sleep(0.5)
	assert len(ageless(replica.ok("-e", "expect"))) == 1
	replica.ok("-f", "external")
	assert len(ageless(replica.ok("-e", "expect"))) == 1	# flows only
	replica.ok("-f")
	assert replica.ok("-e", "expect") == ""
	assert ageless(replica.ok("-i", "expect")) == kernel_expects(lab, "fw2") != []


IGNORED = """	Filter From Userspace {
		Address Ignore {
			IPv6_address fd00:10::2
		}
	}
"""


@pytest.mark.parametrize("by", ("Filter", "ExpectationSync"))
def test_a_flush_leaves_what_is_not_replicated(lab: Lab, make: Callable, by: str) -> None:
	"""-F is about the states of this pair; a transfer that the user has excluded goes on."""
	prepare(lab, CASES[0])
	node = make("fw1")
	if by == "Filter":
		node.configure(options=SYNC, extra=IGNORED)
	else:
		node.configure(options={"ExpectationSync": "{\n\t\t\ttftp\n\t\t}"})
	node.start()
	clients = [ftp(lab, target) for target in (SNAT4, PLAIN6)]
	for client in clients:
		good(client, "port")
	both = kernel_expects(lab, "fw1")
	left = [line for line in both if by == "ExpectationSync" or "fd00:" in line]
	assert len(both) == 2 and len(left) == (1 if by == "Filter" else 2)
	node.ok("-F", "expect")
	assert kernel_expects(lab, "fw1") == left
	if by == "Filter":
		good(clients[0], "port")
		assert kernel_expects(lab, "fw1") != left
		node.ok("-F")
		assert kernel_expects(lab, "fw1") == left
		good(clients[1], "retr")
	assert f"1 expectations deleted from the kernel table, {len(left)} left" in node.log.read_text() or by != "Filter"


@pytest.mark.parametrize("how", (("-F", "ct"), ("-t",)))
def test_a_flush_ends_nothing_at_the_peer(lab: Lab, pair: Callable, how: tuple[str]) -> None:
	"""The kernel takes the expectations along with their masters, and says so as if it had been its own idea."""
	prepare(lab, CASES[0])
	active, replica = pair(options=SYNC, mode_options={"PurgeTimeout": 1})
	client = ftp(lab, SNAT4)
	good(client, "port")
	wait_expects(active, replica, 1)
	active.ok(*how)
	wait_until(lambda: not kernel_expects(lab, "fw1"), 20)
	wait_until(lambda: active.ok("-i", "expect") == "", 20)
	pace.sleep(0.5)
	assert len(ageless(replica.ok("-e", "expect"))) == 1


def test_requests_without_expectation_sync(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.start()
	for words in ("-i expect", "-e expect", "-i expect -x", "-c expect", "-F expect", "-R expect", "-s expect"):
		done = node.ctl(*words.split())
		assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), words
		said = node.says(*words.split())
		assert "ExpectationSync" in said and len(said.splitlines()) == 1, words
