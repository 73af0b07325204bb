#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every file of src/ has a unit test of its own name, or a row of tested.list that says where it is tested.
set -eu

cd "$(dirname "$0")"
status=0
say() { echo "$*"; status=1; }

for file in ../src/*/*.c ../src/*/*/*.c; do
	name=$(echo "${file#../src/}" | sed 's/\.c$//')
	case "$name" in conf/conf_lex | conf/conf_parse) continue ;; esac	# generated
	row=$(awk -v n="$name" '$1 == n' tested.list)
	if [ -f "unit/${name}_test.c" ]; then
		[ -z "$row" ] || say "$name has a test of its own name: tested.list need not have it"
	elif [ -z "$row" ]; then
		say "$name: no unit/${name}_test.c, and tested.list does not say where it is tested"
	fi
done
while read -r name tests; do
	case "$name" in '#'*) continue ;; esac
	[ -f "../src/$name.c" ] || say "tested.list: there is no src/$name.c"
	[ -n "$tests" ] || say "tested.list: $name: where?"
	for test in $tests; do
		[ -f "$test" ] || say "tested.list: $name: there is no tests/$test"
	done
done <tested.list
exit $status
