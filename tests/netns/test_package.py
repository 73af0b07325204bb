# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution's package: its files start, ask and end ours as they do 1.4.7, also where `make install` has put ours over
it. Unpacked it lies around DEBIAN_CONNTRACKD.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
from asis import ALONE, Daemon
from netlab import Lab, run, wait_until
from node import DEBIAN, OURS, binary
from test_systemd import Manager

PACKAGE = Path(binary(DEBIAN)).parents[2]
EXAMPLES = PACKAGE / "usr/share/doc/conntrackd/examples"
FILES = ["etc/conntrackd/conntrackd.conf", "etc/default/conntrackd", "etc/init.d/conntrackd", "etc/logrotate.d/conntrackd",
	 "lib/systemd/system/conntrackd.service"]
MANUALS = ["usr/share/man/man8/conntrackd.8.gz", "usr/share/man/man5/conntrackd.conf.5.gz"]

pytestmark = pytest.mark.skipif(not (PACKAGE / FILES[0]).exists() or not EXAMPLES.exists(),
				reason=f"no unpacked package around {binary(DEBIAN)}")
both = pytest.mark.parametrize("which", [OURS, DEBIAN])

Install = Callable[[str], Path]


@pytest.fixture
def install(lab: Lab) -> Install:
	"""install(which): a root directory with the package in it, and ours over that. Its files name each other there."""
	def build(which: str) -> Path:
		root = lab.scratch / which
		for name in [*FILES, *MANUALS, "usr/sbin/conntrackd"]:
			(root / name).parent.mkdir(parents=True, exist_ok=True)
			shutil.copy(PACKAGE / name, root / name)
		if which == OURS:
			tree = Path(binary(OURS)).resolve().parents[1]
			if not (tree / "Makefile").exists():
				pytest.skip(f"no build tree around {binary(OURS)}")
			run("make", "-C", tree, "install", f"DESTDIR={root}", "prefix=/usr", "sysconfdir=/etc", "mandir=/usr/share/man")
			# What the administrator may have changed is as it was.
			assert filecmp.cmpfiles(PACKAGE, root, FILES, shallow=False) == (FILES, [], [])
			assert filecmp.cmp(root / "usr/sbin/conntrackd", binary(OURS), shallow=False)
			assert {path.name for path in root.glob("usr/share/man/man[58]/*")} == {Path(name).name for name in MANUALS}
			assert not any(filecmp.cmp(PACKAGE / name, root / name, shallow=False) for name in MANUALS)
		for name in FILES:
			text = (root / name).read_text()
			(root / name).write_text(re.sub(r"(?<![\w.])(?=/(usr/sbin|etc/conntrackd|etc/default)\b)", str(root), text))
		return root
	return build


def in_namespace(lab: Lab, script: str, *argv: object) -> subprocess.CompletedProcess[str]:
	"""A shell script on fw1 with empty file systems where the daemon's files are."""
	return subprocess.run(["ip", "netns", "exec", lab.ns("fw1"), "sh", "-c", ALONE.replace('exec "$@"', script), "sh",
			       *[str(arg) for arg in argv]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
			      timeout=pace.seconds(60))


@both
def test_service(lab: Lab, install: Install, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
	"""The line of the unit, with the file that the package brings: ready, answers, ends."""
	root = install(which)
	unit = (root / "lib/systemd/system/conntrackd.service").read_text()
	program, option, file = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].split()
	assert option == "-C" and "Type=notify" in unit
	manager = Manager(lab.scratch / "notify")
	monkeypatch.setenv("NOTIFY_SOCKET", str(lab.scratch / "notify"))
	daemon = Daemon(lab, "fw1", which, Path(file))
	wait_until(lambda: manager.messages()[:1] == ["READY=1"], 20, "the unit is ready")
	daemon.wait()
	assert daemon.process.args[-3:] == [binary(which), option, file] and Path(program).exists()
	scenario.inject(lab, "fw1", 5)
	wait_until(lambda: len(daemon.ok("-i").splitlines()) == 5, 20, "five flows")
	assert re.match(r"cache stats:\ncurrent active connections:\t +5\n", daemon.ok("-s"))
	daemon.end()
	assert manager.messages()[-1] == "STOPPING=1"


@both
def test_init_script(lab: Lab, install: Install, which: str) -> None:
	"""start, restart (log rotation calls that) and stop."""
	if not Path("/lib/lsb/init-functions").exists():
		pytest.skip("no /lib/lsb/init-functions")
	root = install(which)
	script = """
for verb in start restart; do
	"$1"/etc/init.d/conntrackd $verb || exit 1
	"$1"/usr/sbin/conntrackd -C "$1"/etc/conntrackd/conntrackd.conf -s || exit 2
done
"$1"/etc/init.d/conntrackd stop || exit 3
"$1"/usr/sbin/conntrackd -C "$1"/etc/conntrackd/conntrackd.conf -s && exit 4
echo left: $(find /run ! -type d -name '*conntrack*') log: $(ls /var/log)
"""
	done = in_namespace(lab, script, root)
	assert done.returncode == 0, done
	assert done.stdout.count("cache stats:\ncurrent active connections:") == 2, done
	assert done.stdout.endswith("left: log: conntrackd-stats.log\n"), done


# As the package's own tests ask; each has to answer with status 0.
ASKED = [("-s",), *[("-s", word) for word in ("network", "cache", "runtime", "link", "rsqueue", "process", "queue", "ct", "expect")],
	 ("-i",), ("-e",), ("-i", "-x"), ("-e", "-x"), ("-i", "expect"), ("-n",), ("-B",), ("-R",), ("-c",), ("-f",), ("-t",), ("-F",)]


@pytest.mark.parametrize("name", ["sync/ftfw", "sync/notrack", "sync/alarm", "stats"])
def test_examples_of_the_package(lab: Lab, name: str) -> None:
	"""Ours and 1.4.7, one after the other: the same commands have an answer, which begins with the same line, and the script for
	keepalived goes through."""
	lab.ip("fw1", "link add eth2 type veth peer name eth2 netns " + lab.ns("fw2"), "link set eth2 up",
	       "addr add 192.168.100.100/24 dev eth2")
	lab.ip("fw2", "link set eth2 up")
	file = EXAMPLES / name / "conntrackd.conf"
	said: dict[str, dict[tuple[str, ...], tuple[int, str]]] = {}
	for which in (OURS, DEBIAN):
		daemon = Daemon(lab, "fw1", which, file)
		daemon.wait()
		said[which] = {}
		for options in ASKED:
			done = daemon.ctl(*options)
			first = re.sub(r"\d+", "#", done.stdout.partition("\n")[0])
			said[which][options] = (done.returncode, first)
		if name != "stats":
			text = (EXAMPLES / "sync/primary-backup.sh").read_text()
			script = lab.scratch / f"primary-backup-{which}.sh"
			script.write_text(re.sub(r"^(CONNTRACKD_(BIN|CONFIG))=.*$",
						 lambda m: f"{m[1]}={binary(which) if m[2] == 'BIN' else file}", text, flags=re.M))
			for role in ("primary", "backup", "fault"):
				done = subprocess.run(["nsenter", "-t", str(daemon.process.pid), "-m", "-n", "sh", str(script), role],
						      capture_output=True, text=True, timeout=pace.seconds(60))
				assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, (which, role, done)
		assert daemon.process.poll() is None
		daemon.end()
	assert said[OURS] == said[DEBIAN]
	assert {status for status, _ in said[OURS].values()} == {0}
	assert said[OURS][("-s",)][1] == ("cache stats:" if name == "stats" else "cache internal:")
