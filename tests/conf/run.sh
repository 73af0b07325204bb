#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every *.conf here is read by confdump. NAME.print is what it must be understood as; NAME.errors is what must be said
# about it (errors and warnings). A file without .print must be refused. What was printed must be read as the same
# again.
# UPDATE=1 writes the expected files; look at the difference before committing.
set -u
dir=${srcdir:-.}/conf
[ -d "$dir" ] || dir=$(dirname "$0")
dump=${CONFDUMP:-./confdump}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0
n=0

fail()
{
	echo "FAIL: $1"
	bad=$((bad + 1))
}

# expected file, got file, case
compare()
{
	if [ -n "${UPDATE:-}" ]; then
		if [ -s "$2" ]; then cp "$2" "$1"; else rm -f "$1"; fi
	elif [ -f "$1" ]; then
		diff -u "$1" "$2" || fail "$3"
	elif [ -s "$2" ]; then
		cat "$2"
		fail "$3 (nothing of this was expected)"
	fi
}

check()
{
	name=$(basename "$1")
	$dump -n "$name" "$1" >"$tmp/print" 2>"$tmp/errors"
	status=$?
	[ $status -le 1 ] || fail "$1: exit status $status"
	if [ $status = 1 ] && [ -s "$tmp/print" ]; then fail "$1: refused, but printed"; fi
	if [ $status = 1 ] && ! grep -q ': error: ' "$tmp/errors"; then fail "$1: refused without an error"; fi
	if [ $status = 0 ] && grep -q ': error: ' "$tmp/errors"; then fail "$1: error, but accepted"; fi
	compare "${1%.conf}.print" "$tmp/print" "$1: understood as"
	compare "${1%.conf}.errors" "$tmp/errors" "$1: messages"
	[ $status = 0 ] || return
	$dump "$tmp/print" >"$tmp/again" 2>/dev/null || fail "$1: what was printed is refused"
	cmp "$tmp/print" "$tmp/again" || fail "$1: what was printed is read differently"
}

for f in "$dir"/*.conf "$dir"/rejected/*.conf "$dir"/errors/*.conf "$dir"/features/*.conf; do
	check "$f"
	n=$((n + 1))
done

# With a directory beside them, as the daemon reads them.
case $dump in /*) here=$dump ;; *) here=$PWD/$dump ;; esac
for f in "$dir"/beside/*.conf; do
	(cd "$dir/beside" && $here "$(basename "$f")") >"$tmp/print" 2>"$tmp/errors"
	status=$?
	[ $status -le 1 ] || fail "$f: exit status $status"
	compare "${f%.conf}.print" "$tmp/print" "$f: understood as"
	compare "${f%.conf}.errors" "$tmp/errors" "$f: messages"
	n=$((n + 1))
done

# Files that cannot be read at all.
for f in "$tmp/nowhere" "$tmp"; do
	$dump "$f" >"$tmp/print" 2>"$tmp/errors"
	[ $? = 1 ] || fail "$f was accepted"
	grep -q "^error: can't open config file $f: \(No such file or directory\|Is a directory\)$" "$tmp/errors" ||
		fail "message about $f: $(cat "$tmp/errors")"
done

# The shipped example must be something this version can run, without a warning.
example=$dir/../../conntrackd.conf.example
$dump "$example" >"$tmp/print" 2>"$tmp/errors" || fail "$example is refused"
[ -s "$tmp/errors" ] && { cat "$tmp/errors"; fail "$example gives messages"; }

[ $n -gt 100 ] || fail "only $n files found"
echo "$n files, $bad failures"
[ $bad = 0 ]
