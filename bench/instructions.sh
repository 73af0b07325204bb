#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Instructions per event on the hot path, counted by callgrind on deterministic input: kernel message -> record ->
# datagram on the active node, datagram -> record on the replica. And bytes per flow.
#
#   bench/instructions.sh BUILD-DIR [FLOWS]
set -eu
build=${1:?usage: bench/instructions.sh BUILD-DIR [FLOWS]}
flows=${2:-20000}
top=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
lib=$build/src
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -g -I"$top/include" -o "$tmp/hotpath" "$top/bench/hotpath.c" \
	"$lib/libdaemon.a" "$lib/libkernel.a" "$lib/libsync.a" "$lib/libcache.a" "$lib/libwire.a" "$lib/libflow.a" \
	"$lib/libbase.a" -lmnl
count() {	# function -> instructions
	valgrind --tool=callgrind --toggle-collect="$1" --callgrind-out-file="$tmp/$1.out" "$tmp/hotpath" send "$flows" \
		>"$tmp/$1.txt" 2>"$tmp/$1.err" || { cat "$tmp/$1.err"; exit 1; }
	sed -n 's/^==.*Collected : //p' "$tmp/$1.err"
}
send=$(count hot_send)
recv=$(count hot_receive)
events=$((flows * 3))
cat "$tmp/hot_send.txt"
echo "kernel message -> datagram: $((send / events)) instructions per event"
echo "datagram -> record:         $((recv / events)) instructions per event"
"$tmp/hotpath" memory 1000000
[ -z "${KEEP:-}" ] || cp "$tmp"/*.out "$KEEP"
