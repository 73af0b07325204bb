#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Three tools that read the code: gcc -fanalyzer, cppcheck, clang-tidy, over src/. `make analyze`; some minutes.
# Each finding is one line "tool file id". Those of analyze.known have been looked at; any other one, and one of that
# list that is not found any more, is printed and fails. Findings in full are in BUILD/analyze/.
# Debian 12's packages: gcc (12), cppcheck (2.10), clang-tidy (14); other versions find other things. A tool that is not there
# is left out, and said.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: analyze.sh BUILD-DIRECTORY [gcc|cppcheck|clang-tidy]...}
shift
[ $# -gt 0 ] || set -- gcc cppcheck clang-tidy
out=$build/analyze
flags="-std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -I$top/include -I$build"
jobs=$(nproc)
mkdir -p "$out"
cd "$top" || exit 1
list=$out/files
ls src/*/*.c src/*/*/*.c | grep -v 'conf_lex.c\|conf_parse.c' >"$list"
export flags out

run_gcc() {	# one log per file, so that two at a time do not mix
	rm -f "$out"/*.gcc
	xargs -P"$jobs" -I{} sh -c 'gcc $flags -O2 -fanalyzer -c -o /dev/null {} 2>"$out/$(echo {} | tr / _).gcc"' <"$list"
	cat "$out"/*.gcc
}

run_cppcheck() {
	# shellcheck disable=SC2086
	cppcheck ${flags#-std=gnu11} --std=c11 --enable=warning,performance,portability --inline-suppr -q -j"$jobs" \
		--suppress=missingIncludeSystem --template='{file}:{line}: warning: {message} [{id}]' --file-list="$list" 2>&1
}

run_clang_tidy() {
	rm -f "$out"/*.tidy
	xargs -P"$jobs" -I{} sh -c 'clang-tidy --quiet {} -- $flags >"$out/$(echo {} | tr / _).tidy" 2>/dev/null' <"$list"
	cat "$out"/*.tidy
}

findings() {	# tool < log: each once
	sed -nE "s|^($top/)?(src/[^:]*):.* (warning\|error): .*\[-?(W[a-zA-Z-]*\|[a-zA-Z][a-zA-Z._-]*)[^]]*\]\$|$1 \2 \4|p" | sort -u
}

status=0
for tool; do
	if ! command -v "$tool" >/dev/null; then
		echo "$tool: not installed, left out"
		continue
	fi
	"run_$(echo "$tool" | tr - _)" >"$out/$tool.log"
	findings "$tool" <"$out/$tool.log" >"$out/$tool.found"
	grep "^$tool " tests/analyze.known | awk '{ print $1, $2, $3 }' | sort -u >"$out/$tool.known"
	if new=$(comm -23 "$out/$tool.found" "$out/$tool.known" | grep .); then
		echo "new, see $out/$tool.log:"
		echo "$new" | sed 's/^/  /'
		status=1
	fi
	if gone=$(comm -13 "$out/$tool.found" "$out/$tool.known" | grep .); then
		echo "not found any more, to be taken out of tests/analyze.known:"
		echo "$gone" | sed 's/^/  /'
		status=1
	fi
	echo "$tool: $(wc -l <"$out/$tool.found") findings, $(wc -l <"$out/$tool.known") known"
done
exit $status
