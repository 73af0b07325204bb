/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `-s peers`: how each peer stands, as values and in words for people. What stands there is for
 * sync/ to say; not in 1.4.x. */
#include "command/report.h"

#include <inttypes.h>

#include "base/value_rows.h"
#include "command/values.h"

static long long seconds(struct mono since, struct mono now)
{
	return mono_is_set(since) ? (long long)mono_diff_ms(now, since) / 1000 : 0;
}

/* ---- the node ---- */

struct standing_values {
	struct sync_standing all;
	int8_t heard;	   /* -1: not known in this mode */
	const char *lacks; /* of the worst peer; NULL: nothing */
};

static const char *lack_name(enum standing_lack lack)
{
	static const char *const name[] = {
		[STANDING_LACKS_TIME] = "time",	  [STANDING_LACKS_PROOF] = "proof",
		[STANDING_LACKS_TABLE] = "table", [STANDING_LACKS_ANSWER] = "answer",
		[STANDING_LACKS_REST] = "rest",	  [STANDING_LACKS_GAP] = "gap",
	};

	return lack == STANDING_LACKS_NOTHING ? NULL : name[lack];
}

#define S struct standing_values
static const struct value_row standing_rows[] = {
	YES_NO(S, all.received, "received", NULL,
	       "all that the peers told is here: this node is fit to take over"),
	YES_NO_IF_KNOWN(S, heard, "heard", NULL,
			"all peers have acknowledged what this node told (modes that acknowledge)"),
	GAUGE(S, all.peers, "known", "peers", NULL, "peers heard of"),
	YES_NO(S, all.whole, "complete", NULL,
	       "the internal cache holds every flow that it should"),
	YES_NO(S, all.kept, "kept", NULL, "what the peers have told has found its place"),
	WORD_IF_KNOWN(S, lacks, "lacks", NULL, "what the worst peer lacks, as in `peer`"),
	VALUE_END
};
#undef S

static void report_node(const void *of, struct text *out)
{
	const struct sync_standing *all = &((const struct standing_values *)of)->all;

	text_printf(out, "received: %s", all->received ? "yes" : "no");
	if (all->peers == 0)
		text_str(out, ", no peer was heard");
	else if (!all->whole)
		text_str(out, ", our own cache is incomplete (-s cache)");
	else if (!all->kept)
		text_str(out, ", part of what the peers have told found no place, or may have "
			      "ended (-s cache; the log)");
	text_printf(out, "\nheard: %s\n",
		    !all->acks ? "not known in this mode" :
		    all->heard ? "yes" :
				 "no");
}

const struct value_group standing_group = {
	.name = "standing",
	.help = "Is this node in sync?",
	.rows = standing_rows,
	.prose = report_node,
};

/* ---- a peer ---- */

struct peer_values {
	struct sync_peer_view view;
	struct mono now;
	bool asks, acks; /* what the mode can do */
	const char *state, *lacks;
	bool received;
	int8_t heard, sending; /* -1: not known in this mode */
	int64_t since_s;
	int64_t behind, lag_ms, nacks;	      /* -1: not known in this mode */
	int64_t gap_s, table_s, table_states; /* -1: none is open, none is wanted */
	int64_t mtu_there, mtu_here;	      /* -1: they do not differ */
};

#define S struct peer_values
static const struct value_row peer_rows[] = {
	CHARS(S, view.name, "peer", NULL, "its address"),
	WORD(S, state, "state", NULL,
	     "the worst that holds: `not known yet`, `in sync`, `gets our full table`, `its full "
	     "table is not proven to be here`, `its full table is coming`, `asks for our full "
	     "table again and again`, `its full table does not come whole`, `something it sent is "
	     "missing`, `behind`, `does not acknowledge`, `speaks another mode`, `silent`, `speaks "
	     "another protocol`"),
	GAUGE_IF_KNOWN(S, since_s, "state_s", "s", NULL, "since that holds"),
	YES_NO(S, view.left, "left", NULL, "it speaks from another address now"),
	GAUGE_IF_KNOWN(S, view.silent_ms, "last_heard_ms", "ms", NULL, "since its last message"),
	GAUGE(S, view.number, "number", NULL, NULL, "number of that message"),
	YES_NO(S, received, "received", NULL, "what it told is all here"),
	WORD_IF_KNOWN(S, lacks, "lacks", NULL,
		      "why not: `time`: it has not had time to tell everything once, `proof`: "
		      "nothing proves that its table is here whole, `table`: that is to be asked "
		      "for, `answer`: is asked for, `rest`: has come, and its own cache is "
		      "incomplete, `gap`: messages are missing"),
	GAUGE_IF_KNOWN(S, gap_s, "gap_s", "s", NULL, "since a gap is open"),
	GAUGE_IF_KNOWN(S, table_states, "table_states", "messages", NULL,
		       "states of its full table so far"),
	GAUGE_IF_KNOWN(S, table_s, "table_s", "s", NULL, "since that is wanted"),
	GAUGE(S, view.failed, "table_failed", "answers", NULL,
	      "answers in a row that did not come, or not whole"),
	YES_NO_IF_KNOWN(S, heard, "heard", NULL,
			"it has acknowledged what this node told, but for the last moments"),
	GAUGE_IF_KNOWN(S, behind, "behind", "messages", NULL, "told and not acknowledged"),
	GAUGE_IF_KNOWN(S, lag_ms, "lag_ms", "ms", NULL, "the oldest of them"),
	YES_NO_IF_KNOWN(S, sending, "sending", NULL,
			"the full table of this node is on its way to it"),
	GAUGE_IF_KNOWN(S, nacks, "nacks", "requests", NULL, "open requests to repeat something"),
	COUNTER(S, view.lost, "lost", "messages", NULL,
		"messages of it found missing, in all its lives"),
	COUNTER(S, view.repaired, "repaired", "messages", NULL, "of these, told again"),
	GAUGE_IF_KNOWN(S, mtu_there, "mtu_there", "bytes", NULL,
		       "MTU of its link, where it differs"),
	GAUGE_IF_KNOWN(S, mtu_here, "mtu_here", "bytes", NULL, "and of ours"),
	VALUE_END
};
#undef S

static void report_received(const struct sync_peer_view *v, struct mono now, struct text *out)
{
	text_printf(out, "\treceived: %s",
		    v->standing.lack == STANDING_LACKS_NOTHING ? "yes" : "no");
	switch (v->standing.lack) {
	case STANDING_LACKS_NOTHING:
		break;
	case STANDING_LACKS_TIME:
		text_str(out, ", it has not had time to tell everything once");
		break;
	case STANDING_LACKS_PROOF:
		text_str(out, ", nothing proves that its table is here whole; what it tells no "
			      "more is kept");
		break;
	case STANDING_LACKS_TABLE:
		text_str(out, ", its table is to be asked for");
		break;
	case STANDING_LACKS_ANSWER:
		text_printf(out, ", %" PRIu64 " states of its table so far, in %lld s", v->states,
			    seconds(v->table_since, now));
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
		text_printf(out,
			    "\theard: no, %" PRIu32
			    " messages are not acknowledged, the oldest for %lld s\n",
			    st->behind, (long long)standing_lag_ms(st, now) / 1000);
		return;
	}
}

/* Of the modes in which a node asks for everything. */
static void report_tables(const struct peer_values *p, struct text *out)
{
	const struct sync_peer_view *v = &p->view;
	enum standing_lack lack = v->table;
	const char *from = lack < STANDING_LACKS_TABLE	? "no" :
			   lack == STANDING_LACKS_TABLE ? "wanted" :
							  "asked";

	if (!p->asks)
		return;
	text_printf(out, "\tresync from it: %s", from);
	if (p->acks)
		text_printf(out, ", bulk send to it: %s, open requests to repeat: %" PRIu32,
			    v->sending ? "going on" : "no", v->nacks);
	text_str(out, "\n");
}

static void report_peer(const void *of, struct text *out)
{
	const struct peer_values *p = of;
	const struct sync_peer_view *v = &p->view;

	text_printf(out,
		    "peer %s: %s for %lld s\n\tlast heard %" PRId64 " ms ago, number %" PRIu32 "\n",
		    v->name, p->state, (long long)p->since_s, v->silent_ms, v->number);
	report_received(v, p->now, out);
	report_heard(&v->standing, p->now, out);
	if (v->mtu_there != 0)
		text_printf(out, "\tMTU: %" PRIu32 " there, %" PRIu32 " here\n", v->mtu_there,
			    v->mtu_here);
	if (v->lost > 0)
		text_printf(out, "\tlost: %" PRIu64 " of its messages, repaired: %" PRIu64 "\n",
			    v->lost, v->repaired);
	report_tables(p, out);
}

const struct value_group peer_group = {
	.name = "peer",
	.help = "A peer.",
	.rows = peer_rows,
	.prose = report_peer,
};

static int64_t since(struct mono then, struct mono now)
{
	return mono_is_set(then) ? seconds(then, now) : -1;
}

static void peer_values(const struct command_env *d, struct mono now, struct peer_values *p)
{
	const struct sync_peer_view *v = &p->view;
	const struct standing *st = &v->standing;
	bool acks = sync_can(d->sync, SYNC_ACKS), wanted = v->table >= STANDING_LACKS_TABLE;

	p->now = now;
	p->asks = sync_can(d->sync, SYNC_ASKS);
	p->acks = acks;
	p->state = standing_name(st->state);
	p->since_s = seconds(st->since, now);
	p->received = st->lack == STANDING_LACKS_NOTHING;
	p->lacks = lack_name(st->lack);
	p->gap_s = since(st->gap_since, now);
	p->table_s = wanted ? since(v->table_since, now) : -1;
	p->table_states = wanted ? (int64_t)v->states : -1;
	p->heard = st->heard == STANDING_CANNOT_TELL ? -1 : st->heard == STANDING_HEARD;
	p->behind = acks ? (int64_t)st->behind : -1;
	p->lag_ms = acks ? standing_lag_ms(st, now) : -1;
	p->sending = acks ? v->sending : -1;
	p->nacks = acks ? (int64_t)v->nacks : -1;
	p->mtu_there = v->mtu_there != 0 ? (int64_t)v->mtu_there : -1;
	p->mtu_here = v->mtu_there != 0 ? (int64_t)v->mtu_here : -1;
}

/* ---- one of whom nothing was understood ---- */

#define S struct peer_values
static const struct value_row stranger_rows[] = {
	CHARS(S, view.name, "peer", "peer %: ", "its address"),
	WORD(S, state, "state", "% for ", "`speaks another mode`, `speaks another protocol`"),
	GAUGE_IF_KNOWN(S, since_s, "state_s", "s", "% s\n", "since that is so"), VALUE_END
};
#undef S

const struct value_group stranger_group = {
	.name = "stranger",
	.help = "A node of which nothing was understood.",
	.rows = stranger_rows,
};

void report_peers(const struct command_env *d, struct values *v)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	struct mono now = evloop_now(d->loop);
	struct standing_values st;
	struct peer_values p;

	sync_standing(s, now, &st.all);
	st.heard = st.all.acks ? st.all.heard : -1;
	st.lacks = lack_name(st.all.lack);
	values_group(v, "standing", &standing_group, &st);
	values_list(v, "peers");
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (!sync_peer_view(s, i, now, &p.view))
			continue;
		peer_values(d, now, &p);
		values_group(v, NULL, &peer_group, &p);
	}
	values_list_end(v);
	values_list(v, "strangers");
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (!sync_stranger_view(s, i, now, &p.view))
			continue;
		peer_values(d, now, &p);
		values_group(v, NULL, &stranger_group, &p);
	}
	values_list_end(v);
}
