#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Instructions per event on the hot path, counted by callgrind on deterministic input: kernel message -> record ->
# datagram on the active node, and what the acknowledgements cost it; datagram -> record on the replica. Bytes per event on
# the link, bytes per flow in memory.
#
#   bench/instructions.sh BUILD-DIR [FLOWS]     prints the figures
#   bench/instructions.sh --check BUILD-DIR     status 1 if one is above bench/budget, 77 if they mean nothing here
#
# KEEP=DIR keeps callgrind's files there.
set -eu
check=
[ "${1:-}" != --check ] || { check=yes; shift; }
build=${1:?usage: bench/instructions.sh [--check] BUILD-DIR [FLOWS]}
flows=${2:-20000}
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Numbers of another compiler, or of a build that checks itself, say nothing about the code.
unfit() {
	command -v valgrind >/dev/null || echo "valgrind is not installed"
	! grep -q -- -fsanitize "$build/src/Makefile" || echo "a build with sanitizers"
	! grep -q '^#define CONNTRACKD_DEBUG' "$build/config.h" || echo "a build with --enable-debug"
	grep -q '^CFLAGS = .*-O2' "$build/src/Makefile" || echo "a build without -O2"
	cc=$(sed -n 's/^CC = //p' "$build/src/Makefile")
	version=$($cc -dM -E - </dev/null | sed -n 's/^#define __GNUC__ //p')-$($cc -dM -E - </dev/null | grep -c __clang__ || :)
	[ "$version" = 12-0 ] || echo "the budget is for gcc 12, this is $($cc --version | head -1)"
	[ "$(uname -m)" = x86_64 ] || echo "the budget is for x86_64"
}

if [ -n "$check" ]; then
	why=$(unfit)
	[ -z "$why" ] || { echo "skipped: $why"; exit 77; }
fi
make -s -C "$build/bench" hotpath

count() {	# function -> instructions
	valgrind --tool=callgrind --toggle-collect="$1" --callgrind-out-file="$tmp/$1.out" "$build/bench/hotpath" send "$flows" \
		>"$tmp/$1.txt" 2>"$tmp/$1.err" || { cat "$tmp/$1.err" >&2; exit 1; }
	sed -n 's/^==.*Collected : //p' "$tmp/$1.err"
}

send=$(count hot_send)
recv=$(count hot_receive)
ack=$(count hot_acknowledged)
events=$((flows * 3))
"$build/bench/hotpath" memory 1000000 >"$tmp/memory"
bytes=$(sed -n 's/.* datagrams, \([0-9]*\) bytes,.*/\1/p' "$tmp/hot_send.txt")

# Figures of a path that does nothing are no figures. (That all flows come to both tables, the program looks itself; the last
# ends may wait for their acknowledgement.)
grep -q 'left: [0-9][0-9]* internal, 0 external$' "$tmp/hot_send.txt" || { echo "flows are left" >&2; exit 1; }
for n in "$send" "$recv" "$ack" "$bytes"; do
	[ "${n:-0}" -gt 0 ] || { echo "nothing was counted" >&2; exit 1; }
done
memory() {
	sed -n "s/^$1: \([0-9]*\)[0-9.]* bytes per flow.*/\1/p" "$tmp/memory"
}
cat >"$tmp/figures" <<END
send_instructions $((send / events))
receive_instructions $((recv / events))
acknowledged_instructions $((ack / events))
link_bytes $((bytes / events))
internal_bytes $(memory internal)
external_bytes $(memory external)
END
[ -z "${KEEP:-}" ] || cp "$tmp"/*.out "$KEEP"
if [ -z "$check" ]; then
	cat "$tmp/hot_send.txt" "$tmp/figures"
	exit
fi
status=0
while read -r name most; do
	case $name in '#'* | '') continue ;; esac
	is=$(sed -n "s/^$name \([0-9][0-9]*\)$/\1/p" "$tmp/figures")
	if [ -z "$is" ]; then
		echo "$name: in the budget, but not measured"
		status=1
	elif [ "$is" -gt "$most" ]; then
		echo "$name: $is, above the budget of $most"
		status=1
	else
		echo "$name: $is of $most"
	fi
done <"$here/budget"
exit $status
