#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Private words that were given up for the field's (doc/glossary.md section 2) do not come back: no identifier of src and
# include has one of them as a part between underscores. Comments and texts are not looked at. Prints each file and name.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)

# part of an identifier: the word to use
abolished='
astray: default_route_only
foreign: peer_flows, other_mode, of_others
lap: pass
laps: pass
life: timeout, incarnation
puzzled: not_understood
stray: unexpected
strays: unexpected
teller: bulk_dump
told: received, sent, dumped, said
waiters: job_clients
'
# where a part has its one other meaning: told to a client, or by a script, keepalived and the like
said='^(src|include)/(control/|daemon/roles[.]|follow/(activity|role|role_fifo)[.]).* told$'

# whole names
names='
MARK_QUEUED MARK_SENT MARK_BULK MARK_KNOWN MARK_BATCH MARK_DUE MARK_REPEAT: REPL_*
flow_mark record_mark exp_path_mark env_mark: repl
ct_owner: ct_put_caller
CT_FOREIGN: CT_OTHER_FLOW
JOB_EMPTY JOB_TELL: JOB_CACHE_FLUSH, JOB_BULK
plain_recv plain_put_live plain_put_flow: unack_*
renew_open renew_close: timeout_refresh_*
path_life: pipeline_new
'

names_of() {	# directory -> "file name" of each identifier of the C code there
	(cd "$1" && find src include -name '*.[ch]' | sort) | while read -r file; do
		grep -v '^[[:space:]]*#[[:space:]]*include' "$1/$file" |
			${CC:-gcc} -fpreprocessed -dD -E -P -x c - 2>/dev/null | sed "s/\"\(\\\\.\|[^\"\\\\]\)*\"//g" |
			grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u | sed "s|^|$file |"
	done
}

check() {	# directory -> violations on stdout
	names_of "$1" | awk -v said="$said" -v abolished="$abolished" -v names="$names" '
		BEGIN {
			n = split(abolished, line, "\n")
			for (i = 1; i <= n; i++)
				if (split(line[i], f, ": ") == 2)
					part[f[1]] = f[2]
			n = split(names, line, "\n")
			for (i = 1; i <= n; i++)
				if (split(line[i], f, ": ") == 2) {
					m = split(f[1], w, " ")
					for (k = 1; k <= m; k++)
						whole[w[k]] = f[2]
				}
		}
		{
			use = ""
			if ($2 in whole)
				use = whole[$2]
			n = split(tolower($2), p, "_")
			for (i = 1; i <= n; i++)
				if (p[i] in part && ($1 " " p[i]) !~ said)
					use = part[p[i]]
			if (use != "")
				print $1 ": " $2 ": the word to use is " use
		}'
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/src/base" "$tmp/include/base"
printf '/* a stray word, told in a comment */\nint lap_count; /* and a lifetime */\nconst char *overlap = "foreign \\" told";\n' >"$tmp/src/base/a.c"
printf 'struct flow_mark;\n#define MARK_SENT 1\nint lifetime, is_told;\n' >"$tmp/include/base/a.h"
if [ "$(check "$tmp" | wc -l)" -ne 4 ]; then
	echo "words.sh does not find the words any more, or finds others" >&2
	check "$tmp" >&2
	exit 1
fi

found=$(check "$top")
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
