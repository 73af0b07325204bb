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
	no-nack|ack.c|s/if (control_queue(f, WIRE_F_NACK, p->id, from, to)) {/if (from != to + 1) {/
	nack-ignored|ack.c|s/if (!ack_serve(f, p, from, to, now))/if (!f)/
	no-ack|ack.c|/^static void ack_flush_to/,/^}/s/control_queue(f, WIRE_F_ACK[^;]*;/;/
	no-sweep|resync.c|s/s->env->resync_done(.*);/;/
	nack-begins-late|track.c|s/missing(s, p, from, seq - 1, now)/missing(s, p, from + (missing > 1), seq - 1, now)/
	nack-ends-early|track.c|s/missing(s, p, from, seq - 1, now)/missing(s, p, from, seq - (missing > 1 ? 2 : 1), now)/
	unrepairable-acknowledged|ack.c|/unrepairable++/{n;s/ack_never(f, p);/;/}
	resync-acknowledged-at-once|bulk.c|/^bool bulk_asked/,/^}/s/held = hold_add(.*);/held = true;/
	released-while-queued|control.c|/^static bool settle_flow/,/^}/s/m->bits & MARK_QUEUED/!m/
	late-message-digested|track.c|s/^\tif ((int32_t)ahead < 0)$/\tif ((int32_t)ahead < 0 \&\& !(hdr->flags \& WIRE_F_HELLO_MASK) \&\& hdr->type < 3) return sync_digest(s, p, hdr, body, true, now); else &/
	# restart-not-seen|ftfw_recv.c|s/hello_is_restart(p, ftfw_peer((struct ftfw \*)s, p), hdr->seq, now)/!p/
	given-up-unnoticed|control.c|s/settle(f, resend_oldest(&f->ring), RESEND_LOST, now);/settle(f, resend_oldest(\&f->ring), RESEND_MOOT, now);/
	resync-done-too-soon|ftfw_proof.c|s/ \&\& p->nacks_out == 0 \&\& p->track.reorder.n == 0)/)/
	bulk-half-a-lap|bulk.c|/^static bool req_done/,/^}/s/laps == 1 \&\& f->walk.pos >= req->pos/laps == 1/
	bulk-skips-what-was-sent|bulk.c|/^static bool bulk_needless/,/^}/s/!seq_before(m->seq, newest)/m/
	known-before-acknowledged|transmit.c|s/m->bits |= MARK_SENT;/m->bits |= MARK_SENT | MARK_KNOWN;/
	first-part-not-repeated|bulk.c|/^void bulk_confirmed/,/^}/s/if (owed)/if (!f)/
	passed-over-never-repeated|ack.c|/^void ack_check_stuck/,/^}/s/^\t\t\tack_repeat(f, e, now);/\t\t\t;/
	ack-across-the-hold|ack.c|/^static void ack_flush_to/,/^}/s/if (h->passed)/if (f)/
	# sweep-with-others-around|ftfw_proof.c|s/!peer_others(s, p, .*, now))/true)/
	lost-nack-forgotten|control.c|/^void settle_nack_lost/,/^}/s/resync_need(.*);/;/
	other-link-not-known|peer.c|s/p = peer_moved(s, from, hdr, now);/p = NULL;/
	# other-link-after-silence|peer.c|s/return s->n_peers == 1 .*;/return false;/
	incomplete-acknowledged|bulk.c|s/h->until = sync_whole(&f->base) ? HOLD_QUEUE : HOLD_WHOLE;/h->until = HOLD_QUEUE;/
	incomplete-for-ever|bulk.c|/^void bulk_check_whole/,/^}/s/hold_forgo(.*);/;/
	mode=NOTRACK
	nt-loss-not-asked-for|notrack_proof.c|/^void nt_missing/,/^}/s/resync_want(p, GAP_MS, now);/;/
	nt-no-sweep|resync.c|s/s->env->resync_done(.*);/;/
	nt-alive-proves|notrack_proof.c|/^void nt_got_alive/,/^}/s/if (p->life != 0) {/nt_done(s, p, true, now); if (!p) {/
	nt-complete-since-whenever|notrack_proof.c|s/!p->rs.stale \&\& seq_after(since, p->rs.base)/p/
	nt-loss-in-answer-ignored|notrack_proof.c|/^void nt_missing/,/^}/s/p->rs.stale = p->rs.gapped = true;/;/
	nt-not-marked|resync.c|/^void resync_mark/,/^}/s/s->env->resync_begin(.*);/;/
	nt-request-not-answered|notrack.c|/^static void nt_got_resync/,/^}/s/\tnt_lap_request(n, slow .*;/;/
	nt-full-send-ends-early|notrack.c|s/if (walk_load(&n->plain.walk, env))/if (n->plain.walk.pos == 0 \&\& walk_load(\&n->plain.walk, env))/
	nt-incomplete-ended|notrack.c|s/sync_whole(&n->plain.base)/n/
	nt-incomplete-for-ever|notrack.c|/^static bool lap_put_partial/,/^}/s/if (sync_whole(.*))/if (!n)/
	nt-asked-once|resync.c|/^void resync_failed/,/^}/s/resync_want(.*);/rs->state = RS_IDLE;/
	nt-always-fast|plain.c|s/PACE_PER_MS >> slow/PACE_PER_MS/
	plain-late-message-digested|track.c|s/if (!stray_add(&t->stray, hdr->seq, now))/if (p) return s->ops->accept(s, p, hdr, body, now); else if (!p)/
	plain-end-not-sent|plain.c|/^bool plain_put_live/,/^}/s/if (!plain_put_flow(s, r, id, now))/if (!env->is_dead(env->ctx, id) \&\& !plain_put_flow(s, r, id, now))/
	plain-full-channel-forgets|plain.c|/^bool plain_put_live/,/^}/s/^\t\t\treturn false;/\t\t\t;/
	mode=ALARM
	al-never-again|alarm.c|/^static bool refresh_one/,/^}/s/if (!plain_put_flow(&a->plain, r, id, now))/if (!a)/
	al-only-once|alarm.c|/^static bool refresh_one/,/^}/s/alarm_arm(a, m, false, now);/m->seq += 1u << 30;/
	al-not-found|alarm.c|/^static bool refresh_one/,/^}/s/alarm_arm(a, m, true, now);/;/
	al-merges|alarm.c|s/hdr, body, true, now)/hdr, body, false, now)/
	al-restart-not-seen|track.c|/^static enum sync_verdict track_before/,/^}/s/peer_restart(s, p, first, false, now);/return SYNC_DROPPED;/
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
