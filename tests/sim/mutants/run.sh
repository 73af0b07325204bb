#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Is the simulation worth anything? Build the protocols broken in one way after the other (the table below) and expect the
# simulation to notice each of them within MUTANT_SEEDS seeds. A rule that changes nothing is a failure too: it has to
# follow the source. MUTANT=name runs one.
set -eu

top=$(cd "${srcdir:-$(dirname "$0")/../..}/.." && pwd)
seeds=${MUTANT_SEEDS:-40}	# of each kind
cc=${CC:-$(sed -n 's/^CC = //p' Makefile 2>/dev/null || true)}
cc=${cc:-cc}
flags="-std=gnu11 -D_GNU_SOURCE -O1 -w -I$top/include -I$top/tests/sim"
wrap=$(sed -n 's/^SIM_WRAP = //p' "$top/tests/sim/tests.mk")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# name, file of src/sync, sed script; FTFW unless a line "mode=..." stands before
table() {
	cat <<-'END'
	no-nack|ack.c|s/if (tx_control(f, WIRE_F_NACK, p->id, from, to)) {/if (from != to + 1) {/
	nack-ignored|ack.c|s/if (!ack_serve(f, p, from, to, now))/if (!f)/
	no-ack|ack.c|/^void ack_flush/,/^}/s/tx_control(f, WIRE_F_ACK[^;]*;/;/
	no-sweep|resync.c|s/f->base.env->resync_done(.*);/;/
	nack-begins-late|recv.c|s/ack_nack(f, p, p->last + 1, seq - 1, now)/ack_nack(f, p, p->last + (missing > 1 ? 2 : 1), seq - 1, now)/
	nack-ends-early|recv.c|s/ack_nack(f, p, p->last + 1, seq - 1, now)/ack_nack(f, p, p->last + 1, seq - (missing > 1 ? 2 : 1), now)/
	unrepairable-acknowledged|ack.c|s/ack_hold(p, hdr->seq, HOLD_EVER, 0);/;/
	resync-acknowledged-at-once|bulk.c|/^void bulk_asked/,/^}/s/ack_hold(.*);/;/
	released-while-queued|transmit.c|/^static void tx_settle_flow/,/^}/s/m->bits & MARK_QUEUED/!m/
	late-message-digested|recv.c|s/^\tif ((int32_t)ahead < 0)$/\tif ((int32_t)ahead < 0 \&\& !(hdr->flags \& WIRE_F_HELLO_MASK)) return digest(f, p, hdr, body, now); else &/
	# restart-not-seen|recv.c|s/peer_hello_is_restart(p, hdr->seq, now)/!p/
	given-up-unnoticed|transmit.c|s/tx_settle(f, resend_oldest(&f->ring), RESEND_LOST, now);/tx_settle(f, resend_oldest(\&f->ring), RESEND_MOOT, now);/
	resync-done-too-soon|resync.c|s/ || p->nacks_out > 0 || p->reorder.n > 0)/)/
	bulk-half-a-lap|bulk.c|/^static bool req_done/,/^}/s/laps == 1 \&\& f->walk.pos >= req->pos/laps == 1/
	bulk-skips-what-was-sent|bulk.c|/^static bool bulk_needless/,/^}/s/!seq_before(m->seq, newest)/m/
	known-before-acknowledged|transmit.c|s/m->bits |= MARK_SENT;/m->bits |= MARK_SENT | MARK_KNOWN;/
	first-part-not-repeated|bulk.c|/^void bulk_confirmed/,/^}/s/if (!owed)/if (f)/
	passed-over-never-repeated|ack.c|/^void ack_check_stuck/,/^}/s/^\t\t\tack_repeat(f, e, now);/\t\t\t;/
	ack-across-the-hold|ack.c|/^void ack_flush/,/^}/s/if (!h->passed) {/if (!f) {/
	# sweep-with-others-around|resync.c|s/if (!peer_others(f, p, ms, now))/if (f \&\& ms)/
	lost-nack-forgotten|transmit.c|/^void tx_nack_lost/,/^}/s/resync_want(f, p, now);/;/
	other-link-not-known|peer.c|s/p = peer_moved(f, from, hdr, now);/p = NULL;/
	# other-link-after-silence|peer.c|s/return f->n_peers == 1 .*;/return false;/
	incomplete-acknowledged|bulk.c|s/h->until = bulk_whole(f) ? HOLD_QUEUE : HOLD_WHOLE;/h->until = HOLD_QUEUE;/
	incomplete-for-ever|bulk.c|/^void bulk_check_whole/,/^}/s/hold_forgo(f, p);/;/
	mode=NOTRACK
	nt-loss-not-asked-for|notrack_resync.c|/^void nt_missing/,/^}/s/resync_want(n, p, GAP_MS, now);/;/
	nt-no-sweep|notrack_resync.c|/^static void resync_done/,/^}/s/n->plain.base.env->resync_done(.*);/;/
	nt-alive-proves|notrack_resync.c|/^void nt_got_alive/,/^}/s/if (np->life != 0) {/resync_done(n, p, true); if (!p) {/
	nt-complete-since-whenever|notrack_resync.c|s/!np->spoiled \&\& seq_after(since, np->base)/np/
	nt-loss-in-answer-ignored|notrack_resync.c|/^void nt_missing/,/^}/s/np->spoiled = np->gapped = true;/;/
	nt-not-marked|notrack_resync.c|/^static void resync_mark/,/^}/s/n->plain.base.env->resync_begin(.*);/;/
	nt-request-not-answered|notrack.c|/^static void nt_got_resync/,/^}/s/\tnt_lap_request(n, slow .*;/;/
	nt-full-send-ends-early|notrack.c|s/if (walk_load(&n->plain.walk, env))/if (n->plain.walk.pos == 0 \&\& walk_load(\&n->plain.walk, env))/
	nt-incomplete-ended|notrack.c|/^static bool nt_whole/,/^}/s/return .*/return true;/
	nt-incomplete-for-ever|notrack.c|/^static bool lap_put_partial/,/^}/s/if (nt_whole(n))/if (!n)/
	nt-asked-once|notrack_resync.c|/^static void resync_failed/,/^}/s/resync_want(.*);/np->state = NT_IDLE;/
	nt-always-fast|plain_send.c|s/PACE_PER_MS >> slow/PACE_PER_MS/
	plain-late-message-digested|plain_recv.c|s/if (!stray_add(&p->stray, hdr->seq, now))/if (p) return s->ops->accept(s, p, hdr, body, now); else if (!p)/
	plain-end-not-sent|plain_send.c|/^bool plain_put_live/,/^}/s/if (!plain_put_flow(s, r, id, now))/if (!env->is_dead(env->ctx, id) \&\& !plain_put_flow(s, r, id, now))/
	plain-full-channel-forgets|plain_send.c|/^bool plain_put_live/,/^}/s/^\t\t\treturn false;/\t\t\t;/
	mode=ALARM
	al-never-again|alarm.c|/^static bool refresh_one/,/^}/s/if (!plain_put_flow(&a->plain, r, id, now))/if (!a)/
	al-only-once|alarm.c|/^static bool refresh_one/,/^}/s/alarm_arm(a, m, false, now);/m->seq += 1u << 30;/
	al-not-found|alarm.c|/^static bool refresh_one/,/^}/s/alarm_arm(a, m, true, now);/;/
	al-merges|alarm.c|s/hdr, body, true, now)/hdr, body, false, now)/
	al-restart-not-seen|plain_recv.c|/^static enum sync_verdict track(/,/^}/s/plain_restart(s, p, hdr->seq, now);/return SYNC_DROPPED;/
	END
}

objects() {	# directory, sources
	for src in "$@"; do
		obj=$work/$(echo "${src#"$top"/}" | tr / _).o
		$cc $flags -c "$src" -o "$obj"
		echo "$obj"
	done
}

# Everything once; the broken file instead of its own object later.
common=$(objects "$top"/tests/sim/*.c "$top"/src/daemon/pipeline.c "$top"/src/daemon/*path*.c \
	"$top"/src/base/*.c "$top"/src/flow/*.c \
	"$top"/src/wire/*.c "$top"/src/cache/*.c)
sync=$(objects "$top"/src/sync/*.c)
$cc $common $sync $wrap -o "$work/sim"
if ! SIM_SEEDS=$seeds "$work/sim" >"$work/out" 2>&1; then
	echo "the engine as it is fails:"
	tail -n 3 "$work/out"
	exit 1
fi

bad=0
mode=FTFW
table >"$work/table"
while IFS='|' read -r name file rule; do
	case $name in
	mode=*)
		mode=${name#mode=}
		continue ;;
	esac
	case $name in
	"# "*) continue ;;	# what would notice it fails without it: opens[] in sim.c
	esac
	[ "${MUTANT:-$name}" = "$name" ] || continue
	sed "$rule" "$top/src/sync/$file" >"$work/$file"
	if cmp -s "$work/$file" "$top/src/sync/$file"; then
		echo "$name: the rule no longer matches $file"
		bad=1
		continue
	fi
	$cc $flags -c "$work/$file" -o "$work/mutant.o"
	others=$(echo "$sync" | grep -v "src_sync_$file.o\$")
	$cc $common $others "$work/mutant.o" $wrap -o "$work/mutant"
	# More seeds than for the engine as it is, since the first that notices ends the run. Five minutes: a broken engine may
	# send for ever.
	if SIM_MODE=$mode SIM_SEEDS=$((3 * seeds)) timeout 300 "$work/mutant" >"$work/out" 2>&1; then
		echo "$name: NOT NOTICED in $((3 * seeds)) seeds"
		bad=1
	else
		echo "$name: $(grep -m 1 failed "$work/out" || echo crashed or ran too long)"
	fi
done <"$work/table"
exit $bad
