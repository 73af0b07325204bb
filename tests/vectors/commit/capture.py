#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What does conntrackd 1.4.x ask the kernel for when it commits?

	capture.py liberal|window < payloads > liberal.txt|window.txt

Reads lines "name hex", each one payload of the sync channel. For each: a running 1.4.x daemon in NOTRACK mode gets it as
a datagram, commits it, and its create requests are read from strace. Writes "@ name", "< payload", one "> request" per
create. Needs root, strace, conntrack and nft; works in a network namespace of its own; DEBIAN_CONNTRACKD names the
daemon.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

MODES = {"liberal": ("CommitTimeout 180", ""), "window": ("", "Options { TCPWindowTracking On }")}
DAEMON = os.environ.get("DEBIAN_CONNTRACKD", "/usr/sbin/conntrackd")
CREATE = bytes([0x00, 0x01, 0x05, 0x06])	# IPCTNL_MSG_CT_NEW; REQUEST, ACK, CREATE, EXCL


def main() -> None:
	mode = MODES[sys.argv[1]]
	os.unshare(0x40000000) if hasattr(os, "unshare") else reexec()
	subprocess.run("ip link set lo up; nft 'add table ip l; add chain ip l c { type filter hook input priority 0; }; "
		       "add rule ip l c udp dport 3999 ct label set 3'", shell=True, check=True)
	with tempfile.TemporaryDirectory() as scratch:
		conf, trace = scratch + "/conf", scratch + "/trace"
		with open(conf, "w", encoding="ascii") as f:
			f.write(f"""Sync {{
	Mode NOTRACK {{ {mode[0]} }}
	UDP {{ IPv4_address 127.0.0.2
	IPv4_Destination_Address 127.0.0.1
	Port 3780
	Interface lo
	Checksum on }}
	{mode[1]} }}
General {{ HashSize 1024
HashLimit 65536
LockFile {scratch}/lock
UNIX {{ Path {scratch}/ctl }} }}
""")
		daemon = subprocess.Popen(["strace", "-f", "-o", trace, "-e", "trace=sendto,sendmsg,write", "-e", "write=all",
					   "-e", "signal=none", DAEMON, "-C", conf], stdout=subprocess.DEVNULL,
					  stderr=subprocess.DEVNULL)
		try:
			while not os.path.exists(scratch + "/ctl"):
				time.sleep(0.05)
			feed(conf, trace)
		finally:
			subprocess.run([DAEMON, "-C", conf, "-k"], check=False)
			daemon.wait(10)


def reexec() -> None:
	"""Python before 3.12 has no unshare()."""
	if "INSIDE" not in os.environ:
		os.environ["INSIDE"] = "1"
		os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def feed(conf: str, trace: str) -> None:
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.bind(("127.0.0.1", 0))
	at = 0
	for line in sys.stdin:
		name, hexes = line.split()
		sock.sendto(bytes.fromhex(hexes), ("127.0.0.2", 3780))
		client(conf, "-s")	# one turn of its loop: the datagram is read
		client(conf, "-c")
		sock.sendto(as_destroy(bytes.fromhex(hexes)), ("127.0.0.2", 3780))	# 1.4.7 refuses -f after a commit
		subprocess.run(["conntrack", "-F"], stderr=subprocess.DEVNULL, check=False)
		with open(trace, "rb") as f:
			f.seek(at)
			text = f.read()
			at = f.tell()
		creates = [r for r in writes(text.decode()) if r[4:8] == CREATE]
		print(f"@ {name}\n< {hexes}")
		for request in creates:
			print(">", request.hex())


def as_destroy(payload: bytes) -> bytes:
	"""The same messages, but saying that the flows have ended."""
	out, at = bytearray(payload), 0
	while at + 4 <= len(out):
		if out[at] & 0x0f <= 1:
			out[at] = (out[at] & 0xf0) | 2
		at += max(4, int.from_bytes(out[at + 2:at + 4], "big"))
	return bytes(out)


def client(conf: str, *args: str) -> None:
	subprocess.run([DAEMON, "-C", conf, *args], check=True, timeout=20, stdout=subprocess.DEVNULL,
		       stderr=subprocess.DEVNULL)


def writes(text: str):
	"""The bytes of each dump block of strace."""
	block = b""
	for line in text.splitlines():
		found = re.match(r"[0-9 ]*\s*\| [0-9a-f]{5}  ((?:[0-9a-f]{2} {1,2})+)", line)
		if found:
			block += bytes.fromhex(found.group(1))
		elif block:
			yield block
			block = b""
	if block:
		yield block


main()
