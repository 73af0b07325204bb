# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may look and who may change: UNIX { Group }, by real users in real groups; and clients of every version."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shutil
import socket
import stat
import struct
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
from netlab import Lab, wait_until
from node import DEBIAN, OURS, Node

GROUP = "daemon"	# every Debian has it
NOBODY = pwd.getpwnam("nobody")

LOOKS = [("-s",), ("-s", "network"), ("-s", "peers"), ("-i",), ("-e", "-x"), ("-s", "cache", "--json"), ("-i", "--json")]
CHANGES = [("-c",), ("-c", "--strict"), ("-f",), ("-f", "external"), ("-F",), ("-R",), ("-n",), ("-B",), ("-t",), ("-k",)]


@pytest.fixture
def node(lab: Lab, make: Callable[..., Node]) -> Node:
	"""Not started; everything that a user needs can be reached by everybody."""
	made = make("fw1")
	path = made.dir
	while path != path.parent:
		if path.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP) != stat.S_IXOTH | stat.S_IXGRP:
			path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IXGRP)
		path = path.parent
	shutil.copy(made.program, made.dir / "client")
	return made


def group(node: Node, name: str) -> None:
	beside = Path(f"{node.conf}.d")
	beside.mkdir(exist_ok=True)
	(beside / "group.conf").write_text(f"General {{\n\tUNIX {{\n\t\tGroup {name}\n\t}}\n}}\n")


def as_user(node: Node, groups: list[int], *options: str) -> subprocess.CompletedProcess[str]:
	def become() -> None:
		os.setgroups(groups)
		os.setgid(NOBODY.pw_gid)
		os.setuid(NOBODY.pw_uid)

	return subprocess.run([str(node.dir / "client"), "-C", str(node.conf), *options], stdin=subprocess.DEVNULL,
			      capture_output=True, text=True, timeout=pace.seconds(60), preexec_fn=become, cwd="/")


def owner(node: Node) -> tuple[int, int, int]:
	found = node.socket.stat()
	return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def test_members_look_and_root_changes(lab: Lab, node: Node) -> None:
	gid = grp.getgrnam(GROUP).gr_gid
	group(node, GROUP)
	node.start()
	scenario.inject(lab, "fw1", 3)
	wait_until(lambda: len(node.internal()) == 3, 10)
	assert owner(node) == (0o660, 0, gid)
	for options in LOOKS:
		done = as_user(node, [gid], *options)
		assert (done.returncode, done.stderr) == (0, ""), (options, done)
		assert bool(done.stdout) == (options[0] != "-e"), (options, done)
	for options in CHANGES:
		done = as_user(node, [gid], *options)
		command = " ".join(o for o in options if o != "--strict")
		assert (done.returncode, done.stdout) == (1, ""), (options, done)
		assert done.stderr == (f"{command} refused: it changes something, and only root and the user of the daemon may; "
				       f"the group {GROUP} may look\n"), done
	assert node.running() and len(node.kernel()) == 3
	log = node.log.read_text()
	assert "committing" not in log and "flushing" not in log
	assert f"user {NOBODY.pw_uid}: -c refused" in log
	# Not in the group: as before, nobody gets in.
	done = as_user(node, [], "-s")
	assert done.returncode == 1 and "permission denied" in done.stderr
	for options in CHANGES[:-1]:
		assert node.ctl(*options).returncode == 0, options


READERS = """
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
held = []
for _ in range(150):
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	try:
		s.send(int(sys.argv[2]).to_bytes(4, sys.byteorder))
	except OSError:
		pass
	held.append(s)
	time.sleep(0.005)	# each is asked for its request, and none is without
print("here", flush=True)
sys.stdin.read()
"""


def test_those_who_look_keep_nobody_from_changing(lab: Lab, node: Node) -> None:
	"""150 clients of a member of the group, none of which reads: root's are served, and one that is slow loses its place to none."""
	gid = grp.getgrnam(GROUP).gr_gid
	group(node, GROUP)
	node.start()
	scenario.inject(lab, "fw1", 20000)
	wait_until(lambda: len(node.internal()) == 20000, 20)
	whole = node.ok("-i").encode()
	slow = socket.socket(socket.AF_UNIX)
	slow.connect(str(node.socket))
	slow.send(struct.pack("=i", DUMP_INTERNAL))
	pace.sleep(1)		# long enough to be the one that gives way

	def become() -> None:
		os.setgroups([gid])
		os.setgid(NOBODY.pw_gid)
		os.setuid(NOBODY.pw_uid)

	with subprocess.Popen([scenario.PYTHON, "-c", READERS, str(node.socket), str(DUMP_INTERNAL)], stdin=subprocess.PIPE,
			      stdout=subprocess.PIPE, preexec_fn=become, cwd="/") as readers:
		assert readers.stdout and readers.stdout.readline() == b"here\n"
		for _ in range(5):
			for options in (("-s",), ("-c",), ("-f", "external")):
				node.ok(*options)
		got = b""
		while part := slow.recv(65536):
			got += part
		assert sorted(re.sub(rb"since \d+", b"", got).splitlines()) == sorted(re.sub(rb"since \d+", b"", whole).splitlines())
		readers.communicate()
	assert as_user(node, [gid], "-s").returncode == 0
	assert f"user {NOBODY.pw_uid}: not served: 32 clients of the group {GROUP} are being served" in node.log.read_text()


def test_by_number(node: Node) -> None:
	group(node, "4242")
	node.start()
	assert owner(node) == (0o660, 0, 4242)
	assert as_user(node, [4242], "-s").returncode == 0


def test_a_group_that_is_not_there_keeps_nobody_from_replicating(node: Node) -> None:
	group(node, "no-such-group")
	node.start()
	assert owner(node) == (0o600, 0, 0)
	assert "there is no group no-such-group (UNIX Group)" in node.log.read_text()
	assert as_user(node, [0], "-s").returncode == 1


def test_without_group_the_mode_of_the_file_decides(node: Node) -> None:
	"""As with 1.4.x: whoever opens the socket by hand opens all of it."""
	node.start()
	assert owner(node) == (0o600, 0, 0)
	assert as_user(node, [0], "-s").returncode == 1
	node.socket.chmod(0o666)
	assert as_user(node, [], "-n").returncode == 0


# --- clients of other versions ------------------------------------------------------


def bare(node: Node, request: bytes) -> bytes:
	with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(ConnectionResetError):
		s.settimeout(pace.seconds(10))
		s.connect(str(node.socket))
		s.sendall(request)
		parts = []
		while part := s.recv(65536):
			parts.append(part)
	return b"".join(parts)


DUMP_INTERNAL, STATS_NETWORK, COMMIT, NO_SUCH = 16, 28, 46, 27
END = struct.pack("!HHI", 4, 5, 0)


def text_of(reply: bytes, version: int) -> tuple[bytes, list[tuple[int, bytes]]]:
	"""Header and records."""
	assert reply[:6] == b"\xffctd" + struct.pack("!H", version), reply[:16]
	at, records = 8, []
	while at < len(reply):
		length, kind = struct.unpack("!HH", reply[at:at + 4])
		records.append((kind, reply[at + 4:at + 4 + length]))
		at += 4 + length
	assert at == len(reply)
	return reply[:8], records


def test_a_client_from_before_arguments(node: Node) -> None:
	"""16 bytes of version 2: the same bytes as ever, in version 2. And four bytes: text and nothing else."""
	node.start()
	text = node.ok("-s", "network").encode()
	assert bare(node, struct.pack("=i", STATS_NETWORK)) == text
	old = struct.pack("=i", STATS_NETWORK) + b"\xffctd" + struct.pack("!HHI", 2, 2, 0)
	assert bare(node, old) == b"\xffctd" + struct.pack("!HH", 2, 2) + struct.pack("!HH", len(text), 1) + text + END
	_, records = text_of(bare(node, struct.pack("=i", COMMIT) + b"\xffctd" + struct.pack("!HHI", 2, 2, 2)), 2)
	assert [kind for kind, _ in records] == [7, 5] and records[-1][1] == b"\0\0\0\0"
	_, records = text_of(bare(node, struct.pack("=i", NO_SUCH) + b"\xffctd" + struct.pack("!HHI", 2, 2, 0)), 2)
	assert records == [(2, b"the daemon does not know request 27"), (5, b"\0\0\0\1")]
	# Of a version to come: only which one this daemon speaks, and nothing is done.
	assert bare(node, struct.pack("=i", COMMIT) + b"\xffctd" + struct.pack("!HHI", 4, 2, 0)) == b"\xffctd\0\3\0\2"


def test_arguments_that_a_daemon_does_not_know(node: Node) -> None:
	node.start()

	def ask(number: int, args: bytes) -> list[tuple[int, bytes]]:
		return text_of(bare(node, struct.pack("=i", number) + b"\xffctd" + struct.pack("!HHIH", 3, 2, 0, len(args)) + args), 3)[1]

	assert ask(COMMIT, b"\1\5\0\0quick") == [(2, b'-c: unknown argument "quick" (known: --json, --strict)'), (5, b"\0\0\0\1")]
	assert ask(COMMIT, b"\3\6\0\3strictyes") == [(2, b"-c: --strict is of another type here"), (5, b"\0\0\0\1")]
	assert "committing" not in node.log.read_text()
	assert ask(COMMIT, b"\1\6\0\0strict")[-1] == (5, b"\0\0\0\0")


def test_a_1_4_client_that_may_only_look(lab: Lab, node: Node) -> None:
	"""It gets its answers, and silence for the rest, as for everything that is refused."""
	gid = grp.getgrnam(GROUP).gr_gid
	group(node, GROUP)
	node.start()
	debian = Node(lab, "fw1", DEBIAN, name="client")
	shutil.copy(debian.program, node.dir / "client")
	assert as_user(node, [gid], "-s", "network").stdout == node.ok("-s", "network")
	assert as_user(node, [gid], "-c").stdout == ""
	assert "committing" not in node.log.read_text() and "-c refused" in node.log.read_text()
	node.ok("-c")
	assert "committing" in node.log.read_text()
