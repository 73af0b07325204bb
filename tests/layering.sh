#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may include whom: reads the #include lines of src/ and include/ and compares them with the table below, which is
# the table of doc/architecture.md. Fails with one line per violation. Run from anywhere.
#
# Self-check first: a tree with a forbidden include must be found out, or this test would be a check that cannot fail.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)

allowed() {	# module -> modules it may include besides itself
	case "$1" in
	base)	echo "" ;;
	flow)	echo "base" ;;
	proto)	echo "base flow" ;;
	cache)	echo "base flow" ;;
	kernel)	echo "base flow" ;;
	channel) echo "base" ;;
	standing) echo "base flow proto" ;;
	sync)	echo "base flow proto standing" ;;
	stats)	echo "base flow" ;;
	control) echo "base" ;;
	client)	echo "base flow control" ;;
	check)	echo "base conf" ;;
	conf)	echo "base" ;;		# plus <module>/<module>_conf.h of any module
	node)	echo "base flow proto cache sync standing" ;;
	follow)	echo "base flow cache sync standing node kernel" ;;
	helper)	echo "base flow" ;;
	queue)	echo "base flow kernel" ;;
	gate)	echo "base flow" ;;
	command) echo "base flow proto cache sync standing node follow kernel channel control gate" ;;
	daemon)	echo "base flow proto cache node follow command kernel channel sync standing stats control conf check client helper queue gate" ;;
	*)	return 1 ;;
	esac
}

# Third-party headers stay in one folder each: pattern and the only module that may include it.
third_party='
libnetfilter_conntrack/:kernel
libmnl/|linux/netfilter/nfnetlink:kernel queue
libnetfilter_queue/|libnetfilter_cthelper/:queue
libnfnetlink/:kernel channel
nftables/:queue
systemd/:daemon
'

check() {	# directory -> violations on stdout
	cd "$1"
	find src include -name '*.[chyl]' | sort | while read -r file; do
		module=$(echo "$file" | cut -d/ -f2)
		if ! list=$(allowed "$module"); then
			echo "$file: unknown module $module"
			continue
		fi
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | while read -r inc; do
			case "$inc" in
			config.h) continue ;;
			*/*) other=${inc%%/*} ;;
			*) other=$module ;;	# generated or private, beside the file
			esac
			case "$inc" in	# what a version of the protocol has of its own is nobody else's business
			proto/*/*) [ "$module" = proto ] || echo "$file: $module may not include $inc" ;;
			esac
			[ "$other" = "$module" ] && continue
			case " $list " in *" $other "*) continue ;; esac
			[ "$module" = conf ] && case "$inc" in
			*_conf.h) continue ;;
			esac
			echo "$file: $module may not include $inc"
		done
		echo "$third_party" | while IFS=: read -r pattern modules; do
			[ -n "$pattern" ] || continue
			case " $modules " in *" $module "*) continue ;; esac
			grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<($pattern)" "$file" |
				sed "s|^|$file:|; s|\$| (belongs to: $modules)|"
		done
		# daemon knows all, nobody knows daemon: covered by the table. Headers of a .c come first:
		case "$file" in
		src/*/main.c | src/*/conf_*.y | src/*/conf_*.l) ;;
		src/*.c)
			own="$module/$(basename "$file" .c).h"
			if [ -f "include/$own" ]; then
				first=$(sed -n 's/^#include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | grep -v '^config.h$' |
					head -1)
				[ "$first" = "$own" ] || echo "$file: includes $first before its own header $own"
			fi ;;
		esac
	done
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/src/proto/v1" "$tmp/src/base" "$tmp/include/proto/v1"
printf '#include "cache/table.h"\n' >"$tmp/src/proto/v1/bad.c"
mkdir -p "$tmp/src/sync"
printf '#include <libmnl/libmnl.h>\n' >"$tmp/src/base/bad.c"
printf '#include "proto/v1/hdr.h"\n' >"$tmp/src/sync/bad.c"
if [ "$(check "$tmp" | wc -l)" -ne 3 ]; then
	echo "layering.sh does not find violations any more" >&2
	check "$tmp" >&2
	exit 1
fi

found=$(check "$top")
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
