#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The option lists of conntrackd.conf(5) and doc/config.md come from the table of options (conf_table.c) and must agree
# with it word for word. UPDATE=1 writes them anew, between their BEGIN and END marks.
set -u
dir=${srcdir:-.}/conf
[ -d "$dir" ] || dir=$(dirname "$0")
top=$dir/../..
dump=${CONFDUMP:-./confdump}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0

# file, option of confdump: puts the generated lists in the place of those in the file
renew()
{
	$dump "$2" >"$tmp/lists" || exit 1
	awk -v lists="$tmp/lists" '
		function mark(l) { return l ~ /^(\.\\" |<!-- )(BEGIN|END) / }
		BEGIN {
			while ((getline l < lists) > 0) {
				if (mark(l) && l ~ /BEGIN/) { key = l; text[key] = "" }
				text[key] = text[key] l "\n"
			}
		}
		mark($0) && /BEGIN/ {
			if (!($0 in text)) { print "no such list: " $0 > "/dev/stderr"; exit 1 }
			printf "%s", text[$0]; delete text[$0]; skip = 1
		}
		!skip { print }
		mark($0) && /END/ { skip = 0 }
		END { for (k in text) { print "list is missing in the file: " k > "/dev/stderr"; exit 1 } }
	' "$1" >"$tmp/new" || { echo "FAIL: $1"; bad=1; return; }
	if [ -n "${UPDATE:-}" ]; then
		cp "$tmp/new" "$1"
	elif ! diff -u "$1" "$tmp/new"; then
		echo "FAIL: $1 does not agree with the table of options"
		bad=1
	fi
}

renew "$top/conntrackd.conf.5" -M
renew "$top/doc/config.md" -m
exit $bad
