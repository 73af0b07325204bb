#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make install` over the distribution's package: man(1) must show our pages. Of two pages of one name it shows the
# compressed one, which is the package's.
set -u
build=${top_builddir:-..}
top=${top_srcdir:-$(dirname "$0")/..}
to=$(mktemp -d) || exit 1
trap 'rm -rf "$to"' EXIT
bad=0

fail()
{
	echo "FAIL: $1"
	bad=1
}

man=$to/usr/share/man
mkdir -p "$man/man8" "$man/man5"
echo theirs | gzip >"$man/man8/conntrackd.8.gz"
echo theirs | gzip >"$man/man5/conntrackd.conf.5.gz"
dirs="prefix=/usr mandir=/usr/share/man DESTDIR=$to"
# shellcheck disable=SC2086
${MAKE:-make} -C "$build" install-man install-data-hook $dirs >"$to/log" 2>&1 || { cat "$to/log"; fail "make install"; }
for page in 8/conntrackd.8 5/conntrackd.conf.5; do
	[ ! -e "$man/man$page" ] || fail "$page stands beside the compressed one"
	zcat "$man/man$page.gz" | cmp - "$top/$(basename "$page")" || fail "$page.gz is not ours"
done
# shellcheck disable=SC2086
${MAKE:-make} -C "$build" uninstall-man uninstall-hook $dirs >"$to/log" 2>&1 || { cat "$to/log"; fail "make uninstall"; }
[ -z "$(find "$man" -type f)" ] || fail "left behind: $(find "$man" -type f)"
exit $bad
