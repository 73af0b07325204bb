/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `-s peers`: how each peer stands, in words for people. What stands there is for sync/ to say; not in 1.4.x. */
#include "daemon/report.h"

#include <inttypes.h>

static long long seconds(struct mono since, struct mono now)
{
	return mono_is_set(since) ? (long long)mono_diff_ms(now, since) / 1000 : 0;
}

static void report_node(const struct sync *s, struct mono now, struct text *out)
{
	struct sync_standing all;

	sync_standing(s, now, &all);
	text_printf(out, "received: %s", all.received ? "yes" : "no");
	if (all.peers == 0)
		text_str(out, ", no peer was heard");
	else if (!all.whole)
		text_str(out, ", our own cache is incomplete (-s cache)");
	else if (!all.kept)
		text_str(out, ", part of what the peers have told found no place (-s cache)");
	text_printf(out, "\nheard: %s\n", !all.acks ? "not known in this mode" : all.heard ? "yes" : "no");
}

static void report_received(const struct sync_peer_view *v, struct mono now, struct text *out)
{
	text_printf(out, "\treceived: %s", v->standing.lack == STANDING_LACKS_NOTHING ? "yes" : "no");
	switch (v->standing.lack) {
	case STANDING_LACKS_NOTHING:
		break;
	case STANDING_LACKS_TIME:
		text_str(out, ", it has not had time to tell everything once");
		break;
	case STANDING_LACKS_PROOF:
		text_str(out, ", nothing proves that its table is here whole; what it tells no more is kept");
		break;
	case STANDING_LACKS_TABLE:
		text_str(out, ", its table is to be asked for");
		break;
	case STANDING_LACKS_ANSWER:
		text_printf(out, ", %" PRIu64 " states of its table so far, in %lld s", v->states, seconds(v->table_since, now));
		break;
	case STANDING_LACKS_REST:
		text_str(out, ", it has sent all it has, and its own cache is incomplete");
		break;
	case STANDING_LACKS_GAP:
		text_printf(out, ", a gap is open for %lld s", seconds(v->standing.gap_since, now));
		break;
	}
	if (v->failed > 0)
		text_printf(out, "; it has failed to come whole %" PRIu32 " times", v->failed);
	text_str(out, "\n");
}

static void report_heard(const struct standing *st, struct mono now, struct text *out)
{
	switch (st->heard) {
	case STANDING_CANNOT_TELL:
		text_str(out, "\theard: not known in this mode\n");
		return;
	case STANDING_HEARD:
		text_str(out, "\theard: yes");
		if (st->behind > 0)
			text_printf(out, ", but for the last %" PRIu32 " messages", st->behind);
		text_str(out, "\n");
		return;
	case STANDING_NOT_YET:
		text_str(out, "\theard: no, our full table is on its way to it\n");
		return;
	case STANDING_NOT_HEARD:
		text_printf(out, "\theard: no, %" PRIu32 " messages are not acknowledged, the oldest for %lld s\n", st->behind,
			    (long long)standing_lag_ms(st, now) / 1000);
		return;
	}
}

/* Of the modes in which a node asks for everything. */
static void report_tables(const struct daemon *d, const struct sync_peer_view *v, struct text *out)
{
	enum standing_lack lack = v->table;
	const char *from = lack < STANDING_LACKS_TABLE ? "no" : lack == STANDING_LACKS_TABLE ? "wanted" : "asked";

	if (!sync_can(&d->conf->sync, SYNC_ASKS))
		return;
	text_printf(out, "\tresync from it: %s", from);
	if (sync_can(&d->conf->sync, SYNC_ACKS))
		text_printf(out, ", bulk send to it: %s, open requests to repeat: %" PRIu32, v->sending ? "going on" : "no", v->nacks);
	text_str(out, "\n");
}

static void report_peer(const struct daemon *d, const struct sync_peer_view *v, struct mono now,
			struct text *out)
{
	text_printf(out, "peer %s: %s for %lld s\n\tlast heard %" PRId64 " ms ago, number %" PRIu32 "\n", v->name,
		    standing_name(v->standing.state), seconds(v->standing.since, now), v->silent_ms, v->number);
	report_received(v, now, out);
	report_heard(&v->standing, now, out);
	if (v->mtu_there != 0)
		text_printf(out, "\tMTU: %" PRIu32 " there, %" PRIu32 " here\n", v->mtu_there, v->mtu_here);
	if (v->lost > 0)
		text_printf(out, "\tlost: %" PRIu64 " of its messages, repaired: %" PRIu64 "\n", v->lost, v->repaired);
	report_tables(d, v, out);
}

void report_peers(const struct daemon *d, struct values *values)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	struct mono now = evloop_now(d->loop);
	struct text *out = values->out;
	struct sync_peer_view v;

	report_node(s, now, out);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (sync_peer_view(s, i, now, &v))
			report_peer(d, &v, now, out);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (sync_stranger_view(s, i, now, &v))
			text_printf(out, "peer %s: %s for %lld s\n", v.name, standing_name(v.standing.state),
				    seconds(v.standing.since, now));
}
