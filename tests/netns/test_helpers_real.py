# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers in user space with programs that people use: vsftpd, tftpd-hpa, curl, rpcbind with rpc.statd and rpcinfo, avahi-daemon.

The servers are Debian's, unpacked into the directory DEBIAN_SERVERS, or beside DEBIAN_CONNTRACKD; without them these tests are
skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import pace
from netlab import DNAT4, PLAIN6, SNAT4, Lab, Target, run, wait_until
from node import DEBIAN, Node, binary
from scenario import Program
from test_expect import PLAIN4, good
from test_helpers import announce, rules, start, take_over, user_space_only		# noqa: F401

ROOT = Path(os.environ.get("DEBIAN_SERVERS") or Path(binary(DEBIAN)).parents[2])
LIBRARIES = {"LD_LIBRARY_PATH": f"{ROOT}/usr/lib/x86_64-linux-gnu:{ROOT}/lib/x86_64-linux-gnu"}
CONTENT = "what is in the file\n" * 1000

VSFTPD = """listen=NO
listen_ipv6=YES
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir={empty}
connect_from_port_20=NO
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
background=NO
"""

# These give their rights up for users whom Debian's packages make, and leave files in /run.
ALONE = """mount -t tmpfs none /run
mount --bind $1/passwd /etc/passwd
mount --bind $1/group /etc/group
shift
"""
PORTMAPPER = """$1 -f & sleep 1
exec $2 -F -L --no-notify -P $3
"""


def program(*names: str) -> str:
	for name in names:
		for path in (ROOT / name, Path("/") / name):
			if os.access(path, os.X_OK):
				return str(path)
	pytest.skip(f"no {names[0]}: Debian's packages are not unpacked in {ROOT}")


def serve(lab: Lab, *argv: object) -> subprocess.Popen[str]:
	return lab.spawn("server", *argv, log=lab.scratch / "server.log", env={**os.environ, **LIBRARIES})


def serve_alone(lab: Lab, script: str, *argv: object) -> subprocess.Popen[str]:
	"""The same in a file system that looks as if the package were installed; the script's processes end together."""
	for name, line in (("passwd", "{}:x:{}:65500::/run:/usr/sbin/nologin\n"), ("group", "{}:x:{}:\n")):
		more = "".join(line.format(user, 65500 + i) for i, user in enumerate(("avahi", "_rpc")))
		(lab.scratch / name).write_text(Path("/etc", name).read_text() + more)
	return serve(lab, "unshare", "-mpf", "--kill-child", "sh", "-c", ALONE + script, "sh", lab.scratch, *argv)


def client(lab: Lab, *argv: object) -> subprocess.CompletedProcess[str]:
	return subprocess.run(["ip", "netns", "exec", lab.ns("client"), *map(str, argv)], capture_output=True, text=True,
			      env={**os.environ, **LIBRARIES}, timeout=pace.seconds(120))


def state_of(node: Node) -> str:
	def inside(*argv: str) -> str:
		return run("ip", "netns", "exec", node.lab.ns(node.fw), *argv, check=False).stdout

	return node.ok("-s", "helper") + inside("conntrack", "-L") + inside("conntrack", "-L", "expect") + inside("conntrack", "-S")


def files(lab: Lab) -> Path:
	root, empty = lab.scratch / "files", lab.scratch / "empty"
	for directory in (root, empty):
		directory.mkdir()
	lab.scratch.chmod(0o755)
	(root / "file").write_text(CONTENT)
	(lab.scratch / "vsftpd.conf").write_text(VSFTPD.format(root=root, empty=empty))
	return root


@pytest.mark.parametrize("target", (SNAT4, DNAT4, PLAIN6), ids=lambda t: t.name)
def test_curl(lab: Lab, pair: Callable, target: Target) -> None:
	"""FTP in all its forms, and TFTP, with a server that takes only what is right."""
	kinds = [("ftp", "inet", "tcp"), ("ftp", "inet6", "tcp"), ("tftp", "inet", "udp"), ("tftp", "inet6", "udp")]
	curl = shutil.which("curl") or pytest.skip("no curl")
	root = files(lab)
	active, survivor = start(pair, kinds)
	rules(lab, kinds)
	serve(lab, program("usr/sbin/vsftpd"), lab.scratch / "vsftpd.conf")
	serve(lab, program("usr/sbin/in.tftpd"), "-L", "-s", root)
	wait_until(lambda: ":21 " in run("ip", "netns", "exec", lab.ns("server"), "ss", "-Hltn").stdout, 20, "vsftpd listens")
	host = f"[{target.address}]" if ":" in target.address else target.address
	forms = [["--ftp-port", "-"], [], ["--ftp-port", "-", "--disable-eprt"], ["--disable-epsv"]]
	for node in (active, survivor):
		for form in forms if ":" not in host else forms[:2]:
			done = client(lab, curl, "-sS", "-m", 20, *form, f"ftp://{host}/file")
			assert done.stdout == CONTENT, f"{form}: {done.stderr}{(lab.scratch / 'server.log').read_text()}"
		done = client(lab, curl, "-sS", "-m", 20, f"tftp://{host}/file")
		assert done.stdout == CONTENT, done.stderr
		if node is active:
			take_over(active, survivor)


@pytest.mark.parametrize("target", (SNAT4, DNAT4, PLAIN6), ids=lambda t: t.name)
def test_rpcinfo(lab: Lab, pair: Callable, target: Target) -> None:
	"""rpcbind tells where rpc.statd listens, and rpcinfo asks that one whether it is there."""
	kinds = [("rpc", family, proto) for family in ("inet", "inet6") for proto in ("tcp", "udp")]
	active, survivor = start(pair, kinds)
	rules(lab, kinds)
	rpcbind, statd, rpcinfo = program("sbin/rpcbind"), program("sbin/rpc.statd"), program("usr/sbin/rpcinfo", "usr/bin/rpcinfo")
	state = lab.scratch / "statd"
	for directory in (state, state / "sm", state / "sm.bak"):
		directory.mkdir()
	serve_alone(lab, PORTMAPPER, rpcbind, statd, state)
	try:
		wait_until(lambda: "100024" in client(lab, rpcinfo, "-p", PLAIN4.address).stdout, 20, "rpc.statd is registered")
	except AssertionError as e:
		said = client(lab, rpcinfo, "-p", PLAIN4.address)
		raise AssertionError(f"{e}\n{said}\n{(lab.scratch / 'server.log').read_text()}") from None
	six = "6" if ":" in target.address else ""
	for node in (active, survivor):
		for proto in ("udp", "tcp"):
			done = client(lab, "timeout", 30, rpcinfo, "-T", proto + six, target.address, 100024, 1)
			assert "ready and waiting" in done.stdout, f"{proto}: {done.stdout}{done.stderr}{state_of(node)}"
		if node is active:
			take_over(active, survivor)


def test_avahi(lab: Lab, pair: Callable) -> None:
	"""A responder answers a question of the firewall from its own address; then one of the firewall that has taken over."""
	active, survivor = start(pair, [("mdns", "inet", "udp")])
	for node in (active, survivor):
		run("ip", "netns", "exec", lab.ns(node.fw), "nft", "-f", "-", stdin="""
table inet helpers {
	ct helper mdns { type "mdns" protocol udp; }
	chain assign {
		type filter hook output priority filter;
		udp dport 5353 ct helper set "mdns"
	}
}
""")
	(lab.scratch / "avahi.conf").write_text(
		"[server]\nhost-name=box\nuse-ipv6=no\nenable-dbus=no\nallow-interfaces=eth0\n[publish]\npublish-workstation=yes\n")
	serve_alone(lab, 'exec "$@"', program("usr/sbin/avahi-daemon"), "--no-drop-root", "--no-chroot", "--no-rlimits", "-f",
		    lab.scratch / "avahi.conf")
	for node in (active, survivor):
		lab.ip(node.fw, "route add 224.0.0.0/4 dev wan0")
		asks = Program(lab, node.fw, "announce.py", "client", SNAT4.address).ready()
		try:
			wait_until(lambda asks=asks: asks.ask("ask-mdns/4", 5)["ok"], 30, "an answer", 1)
		except AssertionError as e:
			raise AssertionError(f"{node.fw}: {e}\n{(lab.scratch / 'server.log').read_text()}") from None
		if node is active:
			take_over(active, survivor)
