# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the catalogue of user errors: mistakes in the file (mistakes.py), and situations at run time.

What has to be refused is refused in the foreground, with -d and with -T alike: status 1, nothing changed in the
directory, and for a bad file no socket, no netlink request and no file but the one that was read.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
from mistakes import GENERAL, GOOD, LINK, MARK, MISTAKES, Mistake, UDP, change, general
from netlab import GROUP, SYNC_PORT, Lab, inside, wait_until
from node import DEBIAN, OURS, Node, binary, wait_replicated

TOP = Path(__file__).resolve().parents[2]
N_ROWS = 162
UNSERVED = "is not served"

# Rows with a test of their own elsewhere: a function of a file below tests/.
ELSEWHERE = {
	1: "netns/test_cli.py::test_missing_file",
	46: "unit/stats/flowlog_test.c::syslog_alone_and_beside",
	47: "unit/stats/flowlog_test.c::syslog_alone_and_beside",
	68: "netns/test_cli.py::test_hangup_reopens_the_log",
	117: "unit/node/pipeline_test.c::test_filter",	# the end of a flow passes whatever its state
	119: "unit/kernel/bpf_filter_test.c::same_verdict_as_user_space",
	120: "unit/kernel/bpf_filter_test.c::long_list",
	128: "netns/test_examples.py::test_refused",	# section Helper is refused before the kernel is asked for anything
	130: "netns/test_cli.py::test_second_daemon_is_refused",
	131: "netns/test_cli.py::test_started_again_after_a_crash",
	132: "netns/test_cli.py::test_started_again_after_a_crash",
	133: "netns/test_cli.py::test_second_daemon_is_refused",
	139: "netns/test_cli.py::test_broken_file",
	141: "netns/test_stats.py::test_commands",
	142: "netns/test_bypass.py::test_commands",
	144: "unit/kernel/ct_commit_test.c::same_is_kept",
	145: "netns/test_bypass.py::test_dump_like_debian",
	147: "netns/test_cli.py::test_file_option_is_needed_with_a_name",
	153: "netns/test_cli.py::test_hangup_reopens_the_log",
	154: "netns/test_cli.py::test_silent_client_holds_nobody_up",
	160: "netns/test_links.py::test_strangers_are_refused",
	162: "unit/kernel/ct_commit_test.c::refusals",
}

HERE: set[int] = set()


def rows(*numbers: int) -> Callable:
	"""Which rows the test is about."""
	HERE.update(numbers)
	return lambda test: test


# --- files and directories --------------------------------------------------


def tree(top: Path) -> dict[str, tuple[int, ...]]:
	"""Everything about a directory that a daemon could have changed."""
	found = {}
	for path in [top, *top.rglob("*")]:
		st = path.lstat()
		# a directory's size and times tell about files that came and went
		found[str(path)] = (st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns)
	return found


@pytest.fixture
def scratch() -> Iterator[Path]:
	"""A short path, with what a daemon that died would leave: a socket, a lock, a log."""
	top = Path(tempfile.mkdtemp(prefix="cderr"))
	(top / "lock").write_text("4194304\n")
	(top / "log").write_text("an old line\n")
	with socket.socket(socket.AF_UNIX) as s:
		s.bind(str(top / "ctl"))
	yield top
	shutil.rmtree(top)


def build(m: Mistake, file: Path) -> list[str]:
	"""Write the file; the patterns of what has to be said about it."""
	parts = m.edit(GOOD).replace("@DIR@", str(file.parent)).split(MARK)
	places, data = [], b""
	for part in parts[:-1]:
		data += part.encode()
		places.append((data.count(b"\n") + 1, len(data) - data.rfind(b"\n")))
	assert len(places) == len(m.says), "a mark for each message"
	file.write_bytes(m.raw(data + parts[-1].encode()))
	return [rf"{re.escape(str(file))}:{line}:{column}: {text}"
		for (line, column), text in zip(places, m.says)]


def conntrackd(*argv: object, under: tuple[object, ...] = ()) -> subprocess.CompletedProcess[str]:
	return subprocess.run([str(a) for a in (*under, binary(OURS), *argv)], stdin=subprocess.DEVNULL,
			      capture_output=True, text=True, errors="replace", timeout=pace.seconds(20))


def messages(stderr: str) -> list[str]:
	"""With their further lines, which begin with a tab."""
	return [m for m in re.split(r"\n(?!\t)", stderr.strip("\n")) if m]


def compare(stderr: str, wanted: list[str]) -> None:
	"""Exactly what is wanted was said, in that order, apart from what is said of each helper that is read."""
	said = [m for m in messages(stderr) if UNSERVED not in m]
	assert len(said) == len(wanted), stderr
	for message, pattern in zip(said, wanted):
		assert re.fullmatch(pattern, message, re.S), f"wanted: {pattern}\nsaid:   {message}"


# --- mistakes in the file -----------------------------------------------------


@pytest.mark.parametrize("m", MISTAKES, ids=str)
def test_mistake(scratch: Path, m: Mistake) -> None:
	file = scratch / "x.conf"
	wanted = build(m, file)
	before = tree(scratch)
	for option in ((), ("-d",), ("-T", "--no-machine")) if m.refused else (("-T", "--no-machine"),):
		done = conntrackd("-C", file, *option)
		compare(done.stderr, wanted)
		assert done.returncode == (1 if m.refused else 0), (option, done)
		assert done.stdout == (f"{file}: ok\n" if done.returncode == 0 else ""), option
		assert tree(scratch) == before, option


# Whatever could change something, or ask the kernel. Files are opened for reading only.
CALLS = ("%network,openat,open,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,link,linkat,symlink,symlinkat,"
	 "truncate,ftruncate,chmod,fchmod,fchmodat,fork,vfork,clone,clone3,kill,sched_setscheduler,umask,setsid")


def trace(scratch: Path, *argv: object) -> list[str]:
	"""The system calls of CALLS, one per line; a failure of strace is ours."""
	out = scratch.parent / f"{scratch.name}.strace"
	try:
		subprocess.run(["strace", "-f", "-qq", "-o", str(out), "-e", f"trace={CALLS}", "-e", "signal=none",
				*map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, timeout=pace.seconds(60), check=False,
			       env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})	# it wants to ptrace, too
		return [re.sub(r"^\d+ +", "", line) for line in out.read_text(errors="replace").splitlines()]
	finally:
		out.unlink(missing_ok=True)


@pytest.mark.parametrize("m", [m for m in MISTAKES if m.refused], ids=str)
def test_mistake_asks_nobody(scratch: Path, m: Mistake) -> None:
	"""The file is read, and that is all."""
	file = scratch / "x.conf"
	build(m, file)
	calls = trace(scratch, binary(OURS), "-C", file)
	assert any(str(file) in c for c in calls), calls
	for call in calls:
		# AddressSanitizer, if it was built with it, looks at /proc
		assert re.match(r'open(at\(AT_FDCWD, |\()"[^"]*", O_RDONLY', call), call


def test_good_file_comes_first(lab: Lab, make: Callable) -> None:
	"""What was said above means something: a good file leads to sockets, and not before it was read to its end."""
	node = make("fw1", OURS)
	out = node.lab.scratch / "strace"
	node.process = lab.spawn("fw1", "strace", "-f", "-qq", "-y", "-o", out, "-e", "trace=%network,openat,read,close",
				 node.program, "-C", node.conf, log=node.console)
	node.pid = node.process.pid
	wait_until(node._answers, 60, "the daemon answers")
	node.ok("-k")
	node.wait_end()
	calls = [re.sub(r"^\d+ +", "", line) for line in out.read_text(errors="replace").splitlines()]
	closed = next(i for i, c in enumerate(calls) if c.startswith("close(") and str(node.conf) in c)
	first = next(i for i, c in enumerate(calls) if re.match(r"(socket|bind|connect|sendto|sendmsg)\(", c))
	assert closed < first, calls[: first + 1]


@pytest.fixture(scope="module")
def bench() -> Iterator[Node]:
	"""One laboratory for all that only need a daemon."""
	with Lab() as made:
		yield Node(made, "fw1", OURS)


def use(node: Node, text: str) -> None:
	node.conf.write_text(text.replace("@DIR@", str(node.dir)))


@pytest.mark.parametrize("m", [m for m in MISTAKES if not m.refused], ids=str)
@rows(33, 34, 43, 44, 48, 49, 51, 52, 53, 114, 117)
def test_accepted_mistake_runs(bench: Node, m: Mistake) -> None:
	"""The daemon runs, has said the same on its terminal, and its clients do not repeat it."""
	wanted = build(m, bench.conf)
	bench.console.unlink(missing_ok=True)
	bench.start()
	try:
		said = [line for line in bench.console.read_text().splitlines() if line.startswith((f"{bench.conf}:", "\t"))]
		compare("\n".join(said), wanted)
		compare(bench.ctl("-s").stderr, [])
		if m.rows in ((43,), (44,)):
			policy, priority = os.sched_getscheduler(bench.pid), os.sched_getparam(bench.pid).sched_priority
			wish = (os.SCHED_FIFO, 99) if m.rows == (43,) else (os.SCHED_RR, 5)
			assert (policy, priority) == wish or "cannot set the scheduler" in bench.console.read_text()
	finally:
		assert bench.stop() == 0


# --- a file that cannot be read ------------------------------------------------


@rows(2, 3)
@pytest.mark.parametrize("what", ["unreadable", "directory"])
def test_file_cannot_be_read(scratch: Path, what: str) -> None:
	file, under = scratch / "x.conf", ()
	if what == "directory":
		file.mkdir()
	else:
		file.write_text(GOOD.replace("@DIR@", str(scratch)))
		file.chmod(0)
		under = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
	before = tree(scratch)
	for option in ((), ("-d",), ("-T",), ("-s",)):
		done = conntrackd("-C", file, *option, under=under)
		reason = "Is a directory" if what == "directory" else "Permission denied"
		assert done.returncode == 1, (option, done)
		assert done.stderr == f"error: can't open config file {file}: {reason}\n"
		assert tree(scratch) == before


@pytest.mark.parametrize("slip", ["Path run/ctl", "Path", "Patch /run/ctl", "Socket /run/ctl"],
			 ids=["relative", "no-value", "typo", "other"])
@rows(139)
def test_client_without_a_path(scratch: Path, slip: str) -> None:
	"""When just the path cannot be understood, there is nobody to ask: not the daemon at the default path."""
	file = scratch / "x.conf"
	file.write_text(change("Path @DIR@/ctl", slip)(GOOD).replace("@DIR@", str(scratch)))
	line = GOOD[:GOOD.index("Path")].count("\n") + 1
	calls = trace(scratch, binary(OURS), "-C", file, "-s")
	assert not [c for c in calls if c.startswith(("socket", "connect"))]
	done = conntrackd("-C", file, "-s")
	assert done.returncode == 1
	assert re.match(rf"{re.escape(str(file))}:{line}:\d+: error: ", done.stderr), done.stderr


@rows(57)
def test_default_path(bench: Node) -> None:
	"""No UNIX section: the daemon and its clients meet at the built-in place. In a /run of their own."""
	use(bench, change("\tUNIX {\n\t\tPath @DIR@/ctl\n\t}\n", "")(GOOD))
	script = ('mount -t tmpfs none "$(readlink -f /var/run)"; "$0" -C "$1" & for i in $(seq 100); do '
		  '[ -S /var/run/conntrackd.ctl ] && break; sleep 0.1; done; "$0" -C "$1" -s && "$0" -C "$1" -k; wait')
	done = subprocess.run(["ip", "netns", "exec", bench.lab.ns("fw1"), "unshare", "-m", "sh", "-c", script,
			       binary(OURS), str(bench.conf)], capture_output=True, text=True, timeout=pace.seconds(60))
	assert "cache internal:" in done.stdout, done


# --- what the machine does not have ------------------------------------------------


def refused(node: Node, pattern: str, under: tuple[object, ...] = (), program: str | None = None) -> None:
	"""The good file, but it cannot be done: said on standard error, nothing left behind."""
	before = {k: v[:3] for k, v in tree(node.dir).items() if k != str(node.dir)}
	for option in ((), ("-d",)):
		done = subprocess.run([*map(str, ("ip", "netns", "exec", node.lab.ns(node.fw), *under,
						  program or binary(OURS), "-C", node.conf, *option))],
				      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=pace.seconds(20))
		assert done.returncode == 1, (option, done)
		assert re.search(pattern, done.stderr), (pattern, done.stderr)
		after = {k: v[:3] for k, v in tree(node.dir).items() if k != str(node.dir)}
		assert after == before, option


def make_path(path: Path, kind: str) -> None:
	if kind == "directory":
		path.mkdir()
	elif kind == "file":
		path.write_text("somebody's")
	elif kind == "symlink to a file":
		path.with_name("target").write_text("somebody's")
		path.symlink_to("target")
	elif kind == "dangling symlink":
		path.symlink_to("nowhere")


@rows(59, 60, 61, 63, 64, 66)
@pytest.mark.parametrize("what,kind,pattern", [
	("ctl", "directory missing", r"control socket @: No such file or directory"),
	("ctl", "directory", r"control socket @: exists and is not a socket"),
	("ctl", "file", r"control socket @: exists and is not a socket"),
	("ctl", "symlink to a file", r"control socket @: exists and is not a socket"),
	("lock", "directory missing", r"lock file @: No such file or directory"),
	("lock", "directory", r"lock file @(: Is a directory| exists and is not a regular file)"),
	("lock", "dangling symlink", r"lock file @: is a symbolic link"),
	("log", "directory missing", r"can't open logfile @: No such file or directory"),
	("log", "directory", r"can't open logfile @: Is a directory"),
], ids=lambda v: v.replace(" ", "-") if "@" not in v else "")
def test_path_in_the_way(make: Callable, what: str, kind: str, pattern: str) -> None:
	node = make("fw1", OURS)
	path = node.dir / ("none/" + what if kind == "directory missing" else what)
	use(node, change(f"@DIR@/{what}\n", f"{path}\n")(GOOD))
	make_path(path, kind)
	refused(node, pattern.replace("@", re.escape(str(path))))


TCP = UDP.replace("UDP", "TCP")


@rows(76, 79, 86, 90)
@pytest.mark.parametrize("edit,pattern,comes", [
	(change("IPv4_interface 10.30.0.11", "IPv4_interface 10.37.0.11"), "@:9:3: .* has the address 10.37.0.11 .IPv4_interface",
	 ("addr add 10.37.0.11/24 dev sync0",)),
	(lambda t: t.replace("Interface sync0", "Interface late0").replace("10.30.0.11", "10.37.0.11"), r"@:10:3: Interface late0 does not exist.* lan0.* sync0", None),
	(lambda t: change(LINK, UDP)(t).replace("10.30.0.11", "10.37.0.11"), "@:7:3: .* has the address 10.37.0.11 .IPv4_address",
	 ("addr add 10.37.0.11/24 dev sync0",)),
	(lambda t: change(LINK, TCP)(t).replace("Interface sync0", "Interface late0").replace("10.30.0.1", "10.37.0.1"),
	 r"@:10:3: Interface late0 does not exist.* lan0.* sync0", None),
], ids=["address", "interface", "UDP-address", "TCP-interface"])
def test_not_on_this_machine_yet(make: Callable, edit: Callable[[str], str], pattern: str, comes: tuple[str, ...] | None) -> None:
	"""It starts, says what is missing and where, and the link comes up when that is there."""
	node = make("fw1", OURS)
	use(node, edit(GOOD))
	node.start()
	assert re.search(r"\[warning\] " + pattern.replace("@", re.escape(str(node.conf))), node.log.read_text())
	assert "interface" not in node.ctl("-s").stderr.lower()		# clients need not look
	node.lab.ip("fw1", *(comes or ("link add late0 type veth peer name late1", "link set late0 up", "link set late1 up",
				       "addr add 10.37.0.11/24 dev late0")))
	name = "sync0" if comes else "late0"
	wait_until(lambda: re.search(rf"link: {name} is up", node.log.read_text()), 20)
	sent = int(re.search(r"(\d+) Pckts sent", node.ok("-s", "link"))[1])
	wait_until(lambda: int(re.search(r"(\d+) Pckts sent", node.ok("-s", "link"))[1]) > sent or "TCP" in node.ok("-s", "link"), 20)
	assert node.stop() == 0


@rows(90, 91)
@pytest.mark.parametrize("kind,shared", [(LINK, False), (UDP, False), (UDP, True),
					  (UDP.replace("UDP", "TCP"), False)],
			 ids=["Multicast", "UDP", "UDP-shared", "TCP"])
def test_port_in_use(make: Callable, kind: str, shared: bool) -> None:
	"""A port of one address is ours alone, also where the other one would share it."""
	node = make("fw1", OURS)
	use(node, change(LINK, kind)(GOOD))
	with inside(node.lab.ns("fw1")):
		other = socket.socket(socket.AF_INET, socket.SOCK_STREAM if "TCP" in kind else socket.SOCK_DGRAM)
	with other:
		other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
		other.bind(("", SYNC_PORT))
		if "TCP" in kind:
			other.listen()
		refused(node, rf"{re.escape(str(node.conf))}:{8 if kind == LINK else 9}:3: .*\b{SYNC_PORT}\b.*: Address already in use by PID {os.getpid()} \(.+\)")


@rows(77)
def test_address_of_another_interface(bench: Node) -> None:
	use(bench, change("Interface sync0", "Interface lan0")(GOOD))
	bench.console.unlink(missing_ok=True)
	bench.start()
	assert bench.stop() == 0
	assert re.search(rf"\[warning\] {re.escape(str(bench.conf))}:9:3: IPv4_interface 10.30.0.11 belongs to sync0, not to "
			 "Interface lan0", bench.console.read_text())


@rows(96)
def test_no_route(bench: Node) -> None:
	use(bench, change(LINK, UDP.replace("10.30.0.12", "10.99.0.1"))(GOOD))
	bench.console.unlink(missing_ok=True)
	bench.start()
	assert bench.stop() == 0
	assert re.search(rf"\[warning\] {re.escape(str(bench.conf))}:8:3: .*no way to 10.99.0.1 \(IPv4_Destination_Address\)",
			 bench.console.read_text())


@rows(95)
def test_no_route_tcp(bench: Node) -> None:
	use(bench, change(LINK, UDP.replace("UDP", "TCP").replace("10.30.0.12", "10.99.0.1"))(GOOD))
	bench.log.unlink(missing_ok=True)
	bench.start()
	wait_until(lambda: re.search(r"\[notice\] line 6: .*no connection to 10.99.0.1 \(IPv4_Destination_Address\), "
				     "port 3780 yet: .*; trying once a second", bench.log.read_text()), 20)
	assert bench.stop() == 0
	assert re.search(rf"\[warning\] {re.escape(str(bench.conf))}:8:3: .*no way to 10.99.0.1 \(IPv4_Destination_Address\)",
			 bench.log.read_text())


@rows(92, 93)
@pytest.mark.parametrize("kind", [LINK, UDP, UDP.replace("UDP", "TCP")], ids=["multicast", "udp", "tcp"])
def test_interface_down(make: Callable, kind: str) -> None:
	node = make("fw1", OURS)
	use(node, change(LINK, kind)(GOOD))
	node.lab.ip("fw1", "link set sync0 down", "addr replace 10.30.0.11/24 dev sync0")
	node.start()
	assert re.search(r"\[warning\] .*sync0.* is down", node.log.read_text()), node.log.read_text()


@rows(94)
def test_carrier_goes(bench: Node) -> None:
	"""Each change of the link's state is a line."""
	use(bench, GOOD)
	bench.start()
	for state, says in (("down", "has no carrier"), ("up", "is up")):
		bench.lab.ip("fw2", f"link set sync0 {state}")
		wait_until(lambda says=says: f"[notice] line 6: multicast link: sync0 {says}" in bench.log.read_text(), 20)
	assert bench.stop() == 0


# --- rights --------------------------------------------------------------------------


@rows(134, 135)
@pytest.mark.parametrize("who", ["somebody", "root without it"])
def test_no_capability(make: Callable, who: str) -> None:
	node = make("fw1", OURS)
	use(node, GOOD)
	under: tuple[str, ...] = ("setpriv", "--bounding-set", "-net_admin")
	program = None
	if who == "somebody":
		# the program may be where only root can read; the scratch directory is
		program = node.dir / "conntrackd"
		shutil.copy(binary(OURS), program)
		for path in (node.lab.scratch, node.dir, node.conf, program):
			path.chmod(0o755)
		under = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
	refused(node, r"\[ERROR\] conntrackd needs the capability CAP_NET_ADMIN", under, program)


@rows(136)
def test_no_real_time(bench: Node) -> None:
	use(bench, general("Scheduler {", "\tType FIFO", "\tPriority 99", "}")(GOOD))
	bench.console.unlink(missing_ok=True)
	bench.program, program = "setpriv", bench.program
	bench.process = bench.lab.spawn("fw1", "setpriv", "--bounding-set", "-sys_nice", "prlimit", "--rtprio=0:0",
					program, "-C", bench.conf, log=bench.console)
	bench.program = program
	bench.pid = bench.process.pid
	wait_until(bench._answers, 15, "the daemon answers")
	assert bench.stop() == 0
	assert re.search(r"\[warning\] cannot set the scheduler to FIFO, priority 99: Operation not permitted",
			 bench.console.read_text())


@rows(137)
def test_kernel_without_ctnetlink(make: Callable) -> None:
	"""As if the module were missing: that kind of netlink socket is not there."""
	node = make("fw1", OURS)
	use(node, GOOD)
	out = node.lab.scratch / "strace"
	trace_ = ("strace", "-f", "-qq", "-o", out, "-e")
	node.process = node.lab.spawn("fw1", *trace_, "trace=socket", binary(OURS), "-C", node.conf, log=node.console)
	node.pid = node.process.pid
	wait_until(node._answers, 30, "the daemon answers")
	node.ok("-k")
	node.wait_end()
	sockets = [line for line in out.read_text().splitlines() if "socket(" in line]
	nth = 1 + next(i for i, line in enumerate(sockets) if "NETLINK_NETFILTER" in line)
	node.log.unlink()
	refused(node, "Protocol not supported .the kernel has no nfnetlink: module nfnetlink", (
		*trace_, "trace=socket", "-e", f"inject=socket:error=EPROTONOSUPPORT:when={nth}+"))


# --- clients --------------------------------------------------------------------------


@rows(138)
@pytest.mark.parametrize("what,pattern", [
	("nothing", "no such socket; is conntrackd running"), ("stale", "no conntrackd answers"),
	("file", "it is not a socket"), ("forbidden", "permission denied")],
			 ids=["nothing", "stale", "file", "forbidden"])
def test_client_without_daemon(scratch: Path, what: str, pattern: str) -> None:
	file, path, under = scratch / "x.conf", scratch / "ctl", ()
	file.write_text(GOOD.replace("@DIR@", str(scratch)))
	if what != "stale":
		path.unlink()
	if what == "file":
		path.write_text("")
	with socket.socket(socket.AF_UNIX) as s:
		if what == "forbidden":
			s.bind(str(path)), s.listen(), path.chmod(0)
			under = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
		for option in ("-s", "-c", "-k"):
			done = conntrackd("-C", file, option, under=under)
			assert done.returncode == 1 and not done.stdout
			assert f"can't connect to {path}: " in done.stderr and pattern in done.stderr, done.stderr


@rows(140, 146, 148, 149, 150, 151, 152)
@pytest.mark.parametrize("argv,status,pattern", [
	("-i expect", 0, "nothing to do"), ("-c expect", 0, "nothing to do"),
	("-z", 1, "Unknown option: -z"), ("--reload", 1, "Unknown option: --reload"),
	("start", 1, 'unexpected argument "start"'), ("stop", 1, 'unexpected argument "stop"'),
	("status", 1, 'unexpected argument "status"'), ("reload", 1, 'unexpected argument "reload"'),
	("help", 1, 'unexpected argument "help"'), ("xk", 1, 'unexpected argument "xk"'),
	("-i ctx", 1, r'unexpected argument "ctx" \(known for -i.*: ct, expect'),
	("-i -k", 1, "only one command at a time, not both -i and -k"),
	("-s -k", 1, "only one command at a time, not both -s and -k"),
	("-x -i", 0, "^$"), ("-S -s", 0, "-S has no effect"),
	("-S", 1, "has no section Stats"),
], ids=lambda v: v if isinstance(v, str) and (v[0] == "-" or v.isalpha()) and len(v) < 9 else "")
def test_command_line(bench: Node, argv: str, status: int, pattern: str) -> None:
	"""Nothing happens to the daemon."""
	use(bench, GOOD)
	bench.start()
	try:
		before = bench.log.read_text()
		done = bench.watched(*argv.split(), timeout=20)
		assert done.returncode == status and re.search(pattern, done.stderr), done
		assert bench.running() and bench.ctl("-s").returncode == 0
		new = bench.log.read_text().removeprefix(before)
		assert new == "" or argv == "-c expect" and re.fullmatch(r".*\[notice\] -c expect: nothing to do.*\n", new), new
	finally:
		bench.stop()


@rows(37, 143)
@pytest.mark.parametrize("size", [1, 8192])
def test_small_hash(lab: Lab, pair: Callable, size: int) -> None:
	"""Commit and flush work with any HashSize."""
	one, two = pair(general={"HashSize": size})
	scenario.inject(lab, "fw1", 300)
	wait_replicated(one, two)
	two.ok("-c")
	assert len(two.kernel()) == 300
	two.ok("-f")
	wait_until(lambda: not two.external(), 10, "the external cache is empty")


@rows(38)
def test_small_limit(make: Callable) -> None:
	node = make("fw1", OURS)
	node.configure(general={"HashLimit": 5})
	node.start()
	scenario.inject(node.lab, "fw1", 50)
	wait_until(lambda: "HashLimit" in node.log.read_text(), 10, "a line in the log")
	said = re.findall("internal cache is full: .*", node.log.read_text())
	assert len(said) == 1 and "HashLimit is 5;" in said[0], said
	assert re.search(r"failed:\t +45\n", node.ok("-s"))
	assert "HashLimit reached; 45 flows could not be stored" in node.ok("-s", "cache")


@rows(161)
@pytest.mark.parametrize("counts", [0, 1])
def test_kernel_does_not_count(make: Callable, counts: int) -> None:
	node = make("fw1", OURS)
	node.lab.sysctl("fw1", {"net/netfilter/nf_conntrack_acct": counts})
	use(node, "Stats {\n\tLogFile @DIR@/flows\n}\n" + GENERAL)
	node.start()
	said = re.search(r"nf_conntrack_acct is 0: .* without packets and bytes", node.log.read_text())
	assert bool(said) == (not counts)


# --- peers -----------------------------------------------------------------------------


@rows(159)
def test_other_version(make: Callable) -> None:
	node = make("fw1", OURS)
	node.start()
	with inside(node.lab.ns("fw2")):
		peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	with peer:
		peer.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.30.0.12"))
		for seq in range(20):
			# version 2, type CTL, flags ALIVE, length 8
			peer.sendto(bytes([0x25, 0x20, 0, 8]) + seq.to_bytes(4, "big"), (GROUP, SYNC_PORT))
	wait_until(lambda: re.search(r"Wrong protocol version:\t +20\n", node.ok("-s", "network")), 10, "all counted")
	said = [line for line in node.log.read_text().splitlines() if "protocol version" in line]
	assert len(said) == 1 and re.search(r"\[warning\] 10\.30\.0\.12 sends messages of protocol version 2", said[0])


@rows(155, 156, 157, 158)
def test_peer_that_does_not_fit() -> None:
	"""Several pairs at once, because it takes half a minute: Debian's in another mode, and nobody."""
	if not os.access(binary(DEBIAN), os.X_OK):
		pytest.skip(f"no {binary(DEBIAN)}")
	deaf = "peer 10.30.0.12 is heard but has acknowledged nothing.* speaks another mode"
	patterns = {
		("FTFW", "ALARM"): deaf, ("FTFW", "NOTRACK"): deaf, ("FTFW", None): "no message of a peer within 30 s",
		("NOTRACK", "ALARM"): r"10\.30\.0\.12.* resync request: does it speak another mode \(ALARM\)",
		("ALARM", "NOTRACK"): "peer 10.30.0.12 speaks another mode: it sends what ALARM does not know",
	}
	with contextlib.ExitStack() as stack:
		nodes = {}
		for ours, theirs in patterns:
			lab = stack.enter_context(Lab())
			node = nodes[ours, theirs] = Node(lab, "fw1", OURS)
			node.configure(ours)
			node.start()
			if theirs:
				peer = Node(lab, "fw2", DEBIAN)
				peer.configure(theirs, {"PurgeTimeout": None, **({"RefreshTime": 1} if theirs == "ALARM" else {})})
				peer.start()
				scenario.inject(lab, "fw2", 20)

		def said(modes: tuple[str, str | None]) -> list[str]:
			return [line for line in nodes[modes].log.read_text().splitlines()
				if "[warning]" in line and re.search(patterns[modes], line)]

		for modes in patterns:
			wait_until(lambda modes=modes: said(modes), 90, f"{modes}: {patterns[modes]}")
		pace.sleep(3)	# once, not every second
		for modes in patterns:
			assert len(said(modes)) == 1, said(modes)
		# NOTRACK and ALARM send what each of them understands
		for modes in (("NOTRACK", "ALARM"), ("ALARM", "NOTRACK")):
			assert len(nodes[modes].external()) == 20, modes


# --- is this all? -------------------------------------------------------------------------


def test_every_row() -> None:
	"""Each row of the catalogue is covered, and there are no others."""
	for where in ELSEWHERE.values():
		file, function = where.split("::")
		assert re.search(rf"^(def|static void) {function}\(", (TOP / "tests" / file).read_text(), re.M), where
	covered = set(itertools.chain.from_iterable(m.rows for m in MISTAKES)) | HERE | set(ELSEWHERE)
	assert covered == set(range(1, N_ROWS + 1))
