#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Are the tests of replication worth anything? Break the engine in one way after the other (the lines of `list`) and expect
# the simulation, or the unit test named there, to notice each of them. A rule that changes nothing is a failure too: it
# has to follow the source.
#
#   MUTANT=name run.sh     one of them
#   MUTANT_SEEDS=n         so many seeds of each of its kinds (150); the first that notices ends the run
#   MUTANT_JOBS=n          so many at a time (the processors)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "${srcdir:-$here/../..}/.." && pwd)
seeds=${MUTANT_SEEDS:-150}
cc=${CC:-$(sed -n 's/^CC = //p' Makefile 2>/dev/null || true)}
cc=${cc:-cc}
flags="-std=gnu11 -D_GNU_SOURCE -O1 -w -I$top/include -I$top/tests -I$top/tests/sim -DTESTS_SRCDIR=\"$top/tests\""

[ -z "${work:-}" ] || flags="$flags -I$work"	# config.h

# One mutant, by the number of its line.
one() {
	IFS='|' read -r name mode judge file rule <<-END
		$(sed -n "$1p" "$here/list")
	END
	dir=$work/$name
	mkdir "$dir"
	sed "$rule" "$top/src/$file" >"$dir/${file##*/}"
	if cmp -s "$dir/${file##*/}" "$top/src/$file"; then
		echo "$name: the rule no longer matches $file"
		return 1
	fi
	$cc $flags -c "$dir/${file##*/}" -o "$dir/mutant.o" || { echo "$name: does not compile"; return 1; }
	others=$(ls "$work"/engine/*.o | grep -v "/$(echo "$file" | tr / _).o\$")
	case $judge in
	unit/*)
		$cc $flags "$top/tests/$judge.c" "$work"/unit/*.o $others "$dir/mutant.o" -lcmocka -o "$dir/test"
		seen='^\[  FAILED  \] [a-z]' ;;
	*)
		$cc "$work"/sim/*.o $others "$dir/mutant.o" $wrap -o "$dir/test"
		seen='seed .* failed at' ;;
	esac
	# Five minutes: a broken engine may send for ever.
	if SIM_MODE=$mode SIM_KIND=$judge SIM_SEEDS=$seeds timeout 300 "$dir/test" >"$dir/out" 2>&1; then
		echo "$name: NOT NOTICED by $judge"
		return 1
	fi
	echo "$name: $(grep -m 1 "$seen" "$dir/out" || echo "$judge: crashed, or ran too long")"
	rm -r "$dir"
}

if [ "${1:-}" = --one ]; then
	one "$2"
	exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
wrap=$(sed -n 's/^SIM_WRAP = //p' "$top/tests/sim/tests.mk")
jobs=${MUTANT_JOBS:-$(nproc 2>/dev/null || echo 1)}
: >"$work/config.h"	# no option of the build matters here
flags="$flags -I$work"
export work wrap MUTANT_SEEDS="$seeds" CC="$cc"

compile() {	# directory, sources
	mkdir "$work/$1"
	dir=$work/$1
	shift
	for src in "$@"; do
		rel=${src#"$top"/tests/}
		echo "$src"
		echo "$dir/$(echo "${rel#"$top"/src/}" | tr / _).o"
	done | xargs -P "$jobs" -n 2 sh -c "$cc $flags -c \"\$0\" -o \"\$1\""
}

compile sim "$top"/tests/sim/*.c
compile unit "$top"/tests/unit/flow/flow_random.c "$top"/tests/unit/flow/expect_random.c
compile engine "$top"/src/node/*.c "$top"/src/base/*.c "$top"/src/flow/*.c \
	"$top"/src/proto/*.c "$top"/src/proto/v1/*.c "$top"/src/cache/*.c "$top"/src/standing/*.c "$top"/src/sync/*.c

bad=0
grep -nE "^${MUTANT:-[a-z]}${MUTANT:+[|]}" "$here/list" | cut -d : -f 1 |
	xargs -P "$jobs" -n 1 "$0" --one || bad=1
exit $bad
