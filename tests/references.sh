#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What comments and pages refer to is in this tree: pages (x.md), paths (doc/x, tests/x ...) and files of a module
# (kernel/ct_put.c). Prints each place that names something else.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
modules='base|flow|proto|cache|kernel|channel|sync|stats|control|conf|client|node|follow|daemon'

# Made by a test or a build, an example, or another project's:
known='
bench-results/RESULTS.md
build/bench-results/RESULTS.md
Documentation/networking/nf_conntrack-sysctl.rst
src/conf/conf_lex.c
src/conf/conf_parse.c
src/conf/conf_parse.h
'

named() {	# directory -> "file:line:name" of everything it refers to
	cd "$1"
	find . -path ./.git -prune -o -path './build*' -prune -o -path './autom4te.cache' -prune -o -path ./tests/vectors/commit -prune \
		-o -path ./tests/fuzz/corpus -prune -o -path ./tests/references.sh -prune -o -path ./tests/layering.sh -prune \
		-o -type f \( -name '*.[chly158]' -o -name '*.md' -o -name README -o -name NEWS -o -name '*.sh' -o -name '*.py' \
		-o -name '*.mk' -o -name '*.am' -o -name '*.conf' -o -name '*.example' -o -name quickstart \) -print |
		grep -v 'conf_lex\.c$\|conf_parse\.[ch]$' |
		xargs grep -noE "(^|[^A-Za-z0-9_./*\$-])([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\\.md\\b|(^|[^A-Za-z0-9_./\$-])((src|include|doc|tests|bench)/[A-Za-z0-9_./-]+|($modules)/[a-z0-9_/]+)\\.(c|h|l|y|sh|py|list)\\b" /dev/null |
		sed -E 's|^\./||; s|^([^:]*:[0-9]+:)[^A-Za-z0-9]*|\1|'
}

there() {	# directory name: in it, as a path or as a file of a module or folder
	case "$known" in *"
$2
"*) return 0 ;; esac
	[ -e "$1/$2" ] && return 0
	for at in src include doc tests tests/unit; do
		[ -e "$1/$at/$2" ] && return 0
	done
	case "$2" in
	*/*) return 1 ;;
	*.md) find "$1" -path "$1/.git" -prune -o -name "$2" -print | grep -q . ;;
	*) return 1 ;;
	esac
}

missing() {	# directory
	named "$1" | sort -t: -k3 | while IFS=: read -r file line name; do
		if [ "$name" != "${last:-}" ]; then
			last=$name
			if there "$1" "$name"; then ok=1; else ok=; fi
		fi
		[ -n "$ok" ] || echo "$file:$line: there is no $name"
	done
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/src/base" "$tmp/doc"
echo "x" >"$tmp/doc/here.md"
printf '/* doc/here.md, here.md, base/a.c; elsewhere.md 7, doc/gone.md, base/gone.c */\n' >"$tmp/src/base/a.c"
if [ "$(missing "$tmp" | wc -l)" -ne 3 ]; then
	echo "references.sh does not find what is missing any more" >&2
	missing "$tmp" >&2
	exit 1
fi

found=$(missing "$top")
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
