# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench tells when something was lost: a figure that does not say so would be worth nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import need
from node import DEBIAN, OURS, TOP, binary

sys.path.insert(0, str(TOP / "bench"))

import report	# noqa: E402
from rig import Bench	# noqa: E402
from rows import ROWS, flat_out	# noqa: E402
import rows	# noqa: E402


@pytest.fixture(scope="module")
def tools() -> Path:
	build = Path(binary(OURS)).resolve().parents[1]
	subprocess.run(["make", "-s", "-C", build / "bench", "bench"], check=True, stdout=subprocess.DEVNULL)
	return build / "bench"


def test_what_is_missing_stale_or_wrong_is_told(tools: Path, tmp_path: Path) -> None:
	with Bench(tools, tmp_path, OURS) as b:
		b.pair()
		b.load("-n", 1000, "insert")
		b.load("-n", 1000, "-f", 2000, "-u6", "insert")
		b.settle()
		assert b.lost() == ""
		b.lab.cable("fw2", 0, up=False)
		b.load("-n", 10, "-f", 5000, "insert")
		b.load("-n", 5, "delete")
		b.load("-n", 3, "-f", 100, "-m", 7, "update")
		b.settle()
		assert b.lost() == "external: 13 of 2005 missing or wrong, 8 stale or wrong"


def test_a_daemon_with_a_tiny_buffer_has_lost_something(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
	"""1.4.7 needs 30 s before it looks at what it missed."""
	need(DEBIAN)
	monkeypatch.setattr("rig.BIG_BUFFERS", {"NetlinkBufferSize": 8192, "NetlinkBufferSizeMaxGrowth": 8192})
	figures = flat_out(rows.Context(tools, tmp_path, quick=True), DEBIAN)
	assert "internal: " in figures["lost"]["active"]


def test_a_run_that_lost_something_does_not_count(tmp_path: Path) -> None:
	def kept(name: str, lost: dict[str, str]) -> str:
		samples = [{"which": which, "round": n, "figures": {"active": value, "replica": 1.0, "rate": 9.0,
								    **({"lost": lost} if which == OURS and n == 0 else {})}}
			   for n in range(3) for which, value in ((OURS, 1.0), (DEBIAN, 4.0))]
		(tmp_path / f"{name}.json").write_text(json.dumps({"samples": samples, "quick": False}))
		page = tmp_path / "RESULTS.md"
		report.write(tmp_path, page)
		return next(line for line in page.read_text().splitlines() if line.startswith("| active"))

	assert next(row for row in ROWS if row.name == "packets").figures[0].key == "active"
	assert kept("packets", {}).endswith("| 1 | 4 | 0.25 | at most 0.4 of 1.4.7 | yes (0.25) |")
	assert kept("packets", {"active": "external: 1 of 9 missing"}).endswith(
		"| 1 **lost something in 1 of 3** | 4 | 0.25 | at most 0.4 of 1.4.7 | does not count: lost |")


def verdict(tmp_path: Path, name: str, label: str, rounds: list[dict[str, float]]) -> str:
	"""What the page says of a figure of ours, each of whose rounds gave these figures."""
	samples = [{"which": which, "round": n, "figures": dict(figures)} for n, figures in enumerate(rounds) for which in (OURS, DEBIAN)]
	(tmp_path / f"{name}.json").write_text(json.dumps({"samples": samples, "quick": False}))
	page = tmp_path / "RESULTS.md"
	report.write(tmp_path, page)
	return next(line for line in page.read_text().splitlines() if line.startswith(f"| {label} |")).split("|")[-2].strip()


def test_one_bad_round_is_enough(tmp_path: Path) -> None:
	"""Where nothing may be lost, and where a bound holds throughout; else it is the median."""
	good, bad = {"off_100000": 0.0}, {"off_100000": 1.0}
	assert verdict(tmp_path, "losses", "entries off at 100000", [good] * 5) == "yes (0)"
	assert verdict(tmp_path, "losses", "entries off at 100000", [good, bad, good, good, good]) == "**no** (1)"
	good, bad = {"i": 1.0, "ask_ms_i": 10.0, "off": 0.0}, {"i": 2.0, "ask_ms_i": 60.0, "off": 0.0}
	assert verdict(tmp_path, "dump", "slowest `-s` beside `-i`", [good, bad, good]) == "**no** (60)"
	assert verdict(tmp_path, "dump", "`-i`", [good, bad, good]) == "yes (1)"


def test_little_is_missing(tmp_path: Path) -> None:
	"""What rounds to the bar does not look as if it reached it; and the command makes as many rounds again."""
	samples = [{"which": which, "round": n, "figures": {"active": value}} for n in range(3) for which, value in ((OURS, 0.451), (DEBIAN, 1.0))]
	(tmp_path / "alone.json").write_text(json.dumps({"samples": samples, "quick": False}))
	report.write(tmp_path, tmp_path / "RESULTS.md")
	text = (tmp_path / "RESULTS.md").read_text()
	assert "| **no** (0.451) |" in text
	assert "`bench/run --rounds 3 alone`, 3 rounds." in text


def test_what_was_compared_afterwards_spoils_the_figure(tmp_path: Path) -> None:
	figures = {"seconds": 1.0, "to_injector": 1.0, "missing": 0.0, "internal_off": 0.0, "peer_off": 0.0}
	assert verdict(tmp_path, "commit", "commit over the injector", [figures] * 3) == "yes (1)"
	for proof in ("missing", "internal_off", "peer_off"):
		assert verdict(tmp_path, "commit", "commit over the injector", [figures, {**figures, proof: 2.0}]) == "does not count: lost"


def test_each_proof_and_what_it_spoils_is_a_figure() -> None:
	for row in ROWS:
		keys = {f.key for f in row.figures}
		for proof, spoiled in row.proof.items():
			assert {proof, *spoiled} <= keys, row.name


def test_a_sample_that_failed_is_told(tmp_path: Path) -> None:
	samples = [{"which": which, "round": n, "figures": {"active": 1.0}} for which, n in ((OURS, 0), (DEBIAN, 0), (DEBIAN, 1))]
	(tmp_path / "packets.json").write_text(json.dumps(
		{"samples": samples, "quick": False, "failed": [{"which": OURS, "round": 1, "why": "RuntimeError: it died"}]}))
	report.write(tmp_path, tmp_path / "RESULTS.md")
	assert "1 round of this one, 2 of 1.4.7, and 1 that FAILED (ours: RuntimeError: it died)" in (tmp_path / "RESULTS.md").read_text()


def test_the_readme_keeps_its_table_when_not_all_is_measured(tmp_path: Path) -> None:
	readme = tmp_path / "README"
	before = f"a\n{report.BEGIN}\n| old |\n{report.END}\nb\n"
	readme.write_text(before)
	with pytest.raises(SystemExit, match="stays as it is"):
		report.write_readme(tmp_path, readme)
	assert readme.read_text() == before


def test_all_flows_of_a_churn_are_established_in_the_end(tools: Path, tmp_path: Path) -> None:
	"""Also those that are still waiting for their answer when the last begins."""
	with Bench(tools, tmp_path, OURS) as b:
		b.pair()
		assert b.load("-n", 300, "-k", 100, "-r", 3000, "churn")["taken"] == 2 * 300 + 200
		b.settle()
		assert b.lost() == ""
		assert b.fw1.ok("-i").count(" ESTABLISHED ") == b.lab.flows("fw1") == 100


@pytest.mark.parametrize("program,option", [("run", "--list"), ("asymmetric.py", "--help")])
def test_it_tells_what_it_has(program: str, option: str) -> None:
	done = subprocess.run([sys.executable, TOP / "bench" / program, option], capture_output=True, text=True)
	assert done.returncode == 0 and done.stderr == "", done.stderr
	if option == "--list":
		assert [line.split()[0] for line in done.stdout.splitlines()] == [
			*(row.name for row in ROWS), "instructions", "all:"]


def test_flows_through_the_firewall_are_what_the_generator_says(tools: Path, tmp_path: Path) -> None:
	with Bench(tools, tmp_path, OURS) as b:
		b.lab.forwarding()
		done = b.packets("-n", 500, "-x", 2)
		assert done["packets"] == done["forwarded"] == 500 * (3 + 2)
		assert b.lab.flows("fw1") == 500
		with b.listener("batched", "fw1") as heard:
			b.packets("-n", 500, "-f", 1000)
		assert heard["events"] == 3 * 500 and heard["overruns"] == 0
