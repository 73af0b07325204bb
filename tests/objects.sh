#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the objects of the modules ask each other for. Run in BUILD/tests (make check), for the archives in ../src.
#
#   circles        no two files of a module need each other, also by way of others: of the files of a module some may be read,
#                  and understood, first. The calls of objects.known have a reason; without them there is no circle
#   include circles no two headers do either, of whatever modules
#   no sockets     what decides (node, sync, standing, cache, flow, proto) is told what came and what time it is: no symbol of sockets or clocks
#
# Self-checks: a circle that is made up is found, and so are the sockets of channel and the clock of base.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
lib=${1:-../src}
ls "$lib"/lib*.a >/dev/null 2>&1 || { echo "no archives in $lib: make first"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

fail() {	# what, where
	echo "$1: $2"
	status=1
}

# ---- circles ----

# archive -> "FILE FILE" for each call or use of data from one object to another
edges() {
	${NM:-nm} -A "$1" 2>/dev/null | awk -v archive="$1:" '
		{ sub(archive, ""); file = $1; sub(/\.o:.*/, "", file); kind = $(NF - 1); name = $NF }
		kind == "U" { use[file " " name] = 1; next }
		kind ~ /^[TDBRVW]$/ && name !~ /^__/ { owner[name] = file }
		END {
			for (u in use) {
				split(u, part, " ")
				if (part[2] in owner && owner[part[2]] != part[1])
					print part[1], owner[part[2]]
			}
		}' | sort -u
}

circle() {	# edges on stdin -> the members of the circles, nothing when there is none
	tsort 2>&1 >/dev/null | sed -n 's/^tsort: //p' | grep -v 'contains a loop' | tr '\n' ' '
}

[ -n "$(printf 'a b\nb c\nc a\nc d\n' | circle)" ] && [ -z "$(printf 'a b\nb c\na c\n' | circle)" ] ||
	{ echo "tsort finds no circles any more"; exit 1; }

known() {	# module -> its edges of objects.known
	awk -v module="$1" '$1 == module { print $2, $3 }' "$top/tests/objects.known" | sort
}

for archive in "$lib"/lib*.a; do
	module=$(basename "$archive" .a)
	module=${module#lib}
	[ -d "$top/src/$module" ] || continue	# of a folder that is no more, in an old build directory
	edges "$archive" >"$tmp/edges"
	cat "$tmp/edges" >>"$tmp/all"
	known "$module" >"$tmp/known"
	comm -23 "$tmp/edges" "$tmp/known" >"$tmp/left"
	found=$(circle <"$tmp/left")
	[ -z "$found" ] || fail "$module: files that need each other" "$found"
	# A known one that is gone, or is part of no circle any more, leaves the list.
	while read -r edge; do
		if grep -qxF "$edge" "$tmp/edges" && [ -n "$({ cat "$tmp/left"; echo "$edge"; } | circle)" ]; then
			continue
		fi
		fail "makes no circle any more; to be taken out of objects.known" "$module $edge"
	done <"$tmp/known"
done
[ "$(wc -l <"$tmp/all")" -gt 200 ] || { echo "nm finds no calls any more"; exit 1; }

(cd "$top/include" && grep -Ho '^#include "[^"]*"' ./*/*.h ./*/*/*.h) | sed 's|^\./||; s|:#include "| |; s|"$||' >"$tmp/includes"
[ "$(wc -l <"$tmp/includes")" -gt 100 ] || { echo "no includes found"; exit 1; }
found=$(circle <"$tmp/includes")
[ -z "$found" ] || fail "headers that include each other" "$found"

# ---- sockets and clocks ----

# archive -> what it has of them, by whichever name the C library gives them (__recv_chk, __clock_gettime64)
world() {
	${NM:-nm} --undefined-only "$1" 2>/dev/null | awk '{ print $NF }' | sed 's/@.*//; s/^__//; s/_chk$//; s/64$//' | sort -u |
		grep -xE 'socket|socketpair|bind|connect|listen|accept4?|shutdown|[gs]etsockopt|getsockname|getpeername|send|sendto|sendm?msg|recv|recvfrom|recvm?msg|read|write|p?poll|p?select|epoll_.*|timerfd_.*|time|ftime|gettimeofday|clock_.*|nanosleep|u?sleep|alarm|[gs]etitimer|timer_.*'
}

world "$lib/libchannel.a" | grep -qx socket && world "$lib/libbase.a" | grep -qx clock_gettime ||
	{ echo "nm finds neither socket nor clock where they are"; exit 1; }
for module in node sync standing cache flow proto; do
	[ -f "$lib/lib$module.a" ] || fail "no archive" "lib$module.a"
	found=$(world "$lib/lib$module.a" | tr '\n' ' ')
	[ -z "$found" ] || fail "$module knows sockets or clocks" "$found"
done
exit $status
