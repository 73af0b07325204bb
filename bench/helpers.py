#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet of a flow with a helper costs: this conntrackd beside Debian's 1.4.7, FTP control connections that are busy.

    tests/guest/run 'ln -s .../usr/lib/x86_64-linux-gnu/conntrack-tools /usr/lib/x86_64-linux-gnu; bench/helpers.py [CONNECTIONS [LINES]]'

Each client says so many lines (NOOP), one after the other, and each is answered; the processor's time of the daemon, what the
kernel does on its behalf included, is divided by the packets that went through the queue. In an emulated guest a nanosecond is an
instruction, so the figure is the same on every machine. CONNTRACKD and DEBIAN_CONNTRACKD are the two programs; 1.4.7 looks for its
helpers where its package puts them, hence the link, which is gone with the guest.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/netns"))

from netlab import SNAT4, Lab, inside, run, wait_until		# noqa: E402
from node import DEBIAN, OURS, binary		# noqa: E402

QUEUE = 30
RULES = """table inet helpers {
	ct helper ftp { type "ftp" protocol tcp; }
	chain assign { type filter hook prerouting priority filter; tcp dport 21 ct helper set "ftp"; }
}
"""


def conf(lab: Lab, which: str) -> Path:
	path = lab.scratch / f"{which}.conf"
	path.write_text(f"General {{\n\tLogFile {path}.log\n\tLockFile {path}.lock\n\tUNIX {{ Path {path}.ctl }}\n}}\n"
			f"Helper {{\n\tSetup yes\n\tType ftp inet tcp {{\n\t\tQueueNum {QUEUE}\n\t}}\n}}\n")
	return path


def queued(lab: Lab) -> int:
	"""Packets that have been given a number in the queue."""
	text = run("ip", "netns", "exec", lab.ns("fw1"), "cat", "/proc/net/netfilter/nfnetlink_queue").stdout
	return sum(int(line.split()[7]) for line in text.splitlines() if int(line.split()[0]) == QUEUE)


def spent(pid: int) -> int:
	"""Nanoseconds."""
	return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def talk(pairs: list[tuple[socket.socket, socket.socket]], lines: int) -> None:
	"""All of them at once; who has its answer says the next line."""
	waits = selectors.DefaultSelector()
	left = dict.fromkeys((client for client, _ in pairs), lines)
	for client, server in pairs:
		waits.register(client, selectors.EVENT_READ, True)
		waits.register(server, selectors.EVENT_READ, False)
		client.send(b"NOOP\r\n")
	while any(left.values()):
		for key, _ in waits.select():
			key.fileobj.recv(1000)
			if not key.data:
				key.fileobj.send(b"200 fine\r\n")
			elif left[key.fileobj] > 0:
				left[key.fileobj] -= 1
				if left[key.fileobj]:
					key.fileobj.send(b"NOOP\r\n")


def measure(lab: Lab, which: str, connections: int, lines: int) -> None:
	path = conf(lab, which)
	daemon = lab.spawn("fw1", binary(which), "-C", path, log=lab.scratch / f"{which}.console")
	wait_until(lambda: "configured successfully" in (Path(f"{path}.log").read_text() if Path(f"{path}.log").exists() else ""), 20)
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "-f", "-", stdin=RULES)
	with inside(lab.ns("server")):
		listener = socket.create_server((SNAT4.address, 21), backlog=connections)
	pairs = []
	for _ in range(connections):
		with inside(lab.ns("client")):
			client = socket.create_connection((SNAT4.address, 21), 20)
		pairs.append((client, listener.accept()[0]))
	talk(pairs, 10)
	before, packets = spent(daemon.pid), queued(lab)
	talk(pairs, lines)
	time.sleep(0.2)
	cost, packets = spent(daemon.pid) - before, queued(lab) - packets
	print(f"{which:8} {connections:4} connections, {packets:7} packets: {cost / packets:8.0f} ns each", flush=True)
	for each in (*sum(pairs, ()), listener):
		each.close()
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "delete table inet helpers")
	daemon.terminate()
	daemon.wait()


def main() -> None:
	connections, lines = (int(a) for a in (sys.argv[1:] + ["1", "500"][len(sys.argv) - 1:])[:2])
	for which in (DEBIAN, OURS, DEBIAN, OURS):
		with Lab() as lab:
			lab.addresses_to("fw1")
			run("modprobe", "-r", "nf_nat_ftp", "nf_conntrack_ftp", check=False)
			measure(lab, which, connections, lines)


main()
