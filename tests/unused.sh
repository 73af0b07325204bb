#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# External symbols of src/ that nothing in src/ uses: then only tests call them, or nobody. Those of unused.list have a reason.
# Run in BUILD/tests (make check), for the archives in ../src.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
lib=${1:-../src}
ls "$lib"/lib*.a >/dev/null 2>&1 || { echo "no archives in $lib: make first"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Names in the sources without their comments, and how often; one that is only defined is there once.
cat "$top"/src/*/*.c "$top"/src/*/*/*.c "$top"/src/*/*.[ly] | grep -v '^[[:space:]]*#' |
	${CC:-gcc} -fpreprocessed -dD -E -P -x c - 2>/dev/null | sed 's/"[^"]*"//g' | tr -cs 'A-Za-z0-9_' '\n' | sort | uniq -c |
	awk '{ print $2, $1 }' | sort >"$tmp/count"
# The inline functions of headers use some, too.
cat "$top"/include/*/*.h "$top"/include/*/*/*.h | grep -E '^[[:space:]]' | ${CC:-gcc} -fpreprocessed -dD -E -P -x c - 2>/dev/null |
	tr -cs 'A-Za-z0-9_' '\n' | sort -u >"$tmp/headers"

for a in "$lib"/lib*.a; do
	name=$(basename "$a" .a)
	[ -d "$top/src/${name#lib}" ] || continue	# of a folder that is no more, in an old build directory
	nm --defined-only "$a" 2>/dev/null
done | awk '$2 ~ /^[TDRBV]$/ && $3 !~ /^(conf_lex_|conf_yy|__|_)/ { print $3 }' | sort -u >"$tmp/symbols"
[ "$(wc -l <"$tmp/symbols")" -gt 300 ] || { echo "nm finds no symbols any more"; exit 1; }
join -a1 "$tmp/symbols" "$tmp/count" | awk '$2 < 2 { print $1 }' | comm -23 - "$tmp/headers" >"$tmp/unused"
grep -v '^#' "$top/tests/unused.list" | awk '{ print $1 }' | sort >"$tmp/known"

status=0
if new=$(comm -23 "$tmp/unused" "$tmp/known" | grep .); then
	echo "used by nothing in src/:"
	echo "$new"
	status=1
fi
if gone=$(comm -13 "$tmp/unused" "$tmp/known" | grep .); then
	echo "used by now, or gone; to be taken out of unused.list:"
	echo "$gone"
	status=1
fi
exit $status
