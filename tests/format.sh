#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Are the folders of format.list laid out as .clang-format says, with lines of at most 100 columns? Prints each
# place. `tests/format.sh --write` lays them out (make format). Another version of clang-format than Debian 12's breaks
# some lines elsewhere, so only that one is asked; without it the columns are still counted.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
format=${CLANG_FORMAT:-clang-format}

folders() {
	grep -v '^#' "$top/tests/format.list"
}

files() {	# the C files of those folders; flex and bison have no formatter
	folders | while read -r dir; do
		find "$top/$dir" -maxdepth 1 -name '*.[ch]' ! -name conf_lex.c ! -name 'conf_parse.[ch]'
	done
}

too_wide() {	# file...
	for file; do
		expand -t 8 "$file" | awk -v f="${file#"$top/"}" 'length > 100 { print f ":" NR ": " length " columns" }'
	done
}

laid_out() {	# file...
	"$format" --dry-run "$@" 2>&1 | sed -n "s|^$top/||; s/ warning: code should be clang-formatted.*/ not laid out/p"
}

have_format() {
	"$format" --version 2>/dev/null | grep -q 'version 14\.'
}

if [ "${1:-}" = --write ]; then
	have_format || { echo "clang-format 14 is needed (Debian 12)" >&2; exit 1; }
	files | xargs "$format" -i
	exit
fi

# Both ways of finding something, tried on a file with one long line: a check that finds nothing would always pass.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp "$top/.clang-format" "$tmp"
printf 'int  x; /* %0100d */\n' 0 >"$tmp/bad.c"
[ "$(too_wide "$tmp/bad.c" | wc -l)" -eq 1 ] || { echo "long lines are not found any more"; exit 1; }

for dir in $(folders); do
	[ -d "$top/$dir" ] || { echo "format.list: there is no $dir"; exit 1; }
done
found=$(too_wide $(files) "$top"/src/*/*.[ly])
if have_format; then
	[ -n "$(laid_out "$tmp/bad.c")" ] || { echo "clang-format finds nothing any more"; exit 1; }
	found="$found
$(laid_out $(files))"
else
	echo "no clang-format 14: only the columns were counted"
fi
found=$(echo "$found" | grep .) || exit 0
echo "$found"
exit 1
