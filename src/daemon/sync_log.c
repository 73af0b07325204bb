/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What replication reports, in the words of the log (doc/operation.md lists them). What got worse
 * is a warning, what got better a notice, with how long it took and how much it was.
 *
 * Silence: in FTFW and NOTRACK a node says something every second, so ten seconds without a word
 * are no accident of an idle pair; a 1.4.x that writes a large table into its kernel may be silent
 * for some of them. In ALARM there is nothing but the repetition of flows, and a node without flows
 * of its own never speaks: what is said there names both reasons. */
#include "daemon/sync_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEAF_WHY "Is there a rule, a cable or a switch that stops what goes there?"

static const struct {
	enum log_level level;
	uint32_t burst, every_ms; /* 0: as often as it is reported */
} report[SYNC_REPORTS] = {
	[SYNC_PEER_NEW] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_PEER_MOVED] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_PEERS_MANY] = { LOG_LVL_WARNING, 1, UINT32_MAX },
	[SYNC_STATE_BEGAN] = { LOG_LVL_WARNING, 0, 0 },
	[SYNC_STATE_OVER] = { LOG_LVL_NOTICE, 0, 0 },
	[SYNC_OTHER_MODE] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_MTU_DIFFERS] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_MTU_SAME] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_LOSSES_REPAIRED] = { LOG_LVL_NOTICE, 0, 0 },
	[SYNC_TABLE_CAME] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_TABLE_SENT] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_TABLE_ASKED_FOR] = { LOG_LVL_NOTICE, 5, 10000 },
	[SYNC_TABLE_PUT_OFF] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_NUMBER_TWICE] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_NUMBERS_ANEW] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_ACK_OF_NOTHING] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_RING_FULL] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_TABLE_FULL] = { LOG_LVL_WARNING, 5, 10000 },
	[SYNC_TOO_LARGE] = { LOG_LVL_ERROR, 5, 10000 },
};

static void say(struct sync_log_line *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct sync_log_line *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->text, sizeof(out->text), fmt, ap);
	va_end(ap);
}

static long long seconds(const struct sync_report *r)
{
	return (long long)r->ms / 1000;
}

/* ---- how a peer stands ---- */

static void deaf_began(const struct sync_report *r, struct sync_log_line *out)
{
	if (r->sign == SYNC_SIGN_ACKED)
		say(out,
		    "peer %s is heard but has acknowledged nothing for %lld s, %" PRIu64
		    " messages: it does not hear us. " DEAF_WHY,
		    r->peer, seconds(r), r->n);
	else if (r->sign == SYNC_SIGN_SAME_MODE)
		say(out,
		    "peer %s is heard and speaks %s but has acknowledged nothing for %lld s: it "
		    "does not hear us. " DEAF_WHY,
		    r->peer, r->mode, seconds(r));
	else
		say(out,
		    "peer %s is heard but has acknowledged nothing for %lld s: either it speaks "
		    "another mode (NOTRACK, ALARM), or it does not hear us",
		    r->peer, seconds(r));
}

static void state_began(const struct sync_report *r, struct sync_log_line *out)
{
	bool speaks = r->can & SYNC_SPEAKS;

	switch (r->state) {
	case STANDING_SILENT:
		out->level = speaks ? LOG_LVL_WARNING : LOG_LVL_NOTICE;
		say(out, "peer %s has fallen silent: nothing heard for %lld s%s", r->peer,
		    seconds(r), speaks ? "" : "; it is away, or has no flow to repeat");
		return;
	case STANDING_DEAF:
		deaf_began(r, out);
		return;
	case STANDING_BEHIND:
		say(out,
		    "peer %s is behind: of what it was told %" PRIu64
		    " messages are not acknowledged, the oldest for %lld s",
		    r->peer, r->n, seconds(r));
		return;
	case STANDING_GAP:
		say(out, "something that peer %s has sent is missing, for %lld s: it is asked for",
		    r->peer, seconds(r));
		return;
	case STANDING_FAILING:
		say(out,
		    "the full table of peer %s was asked for %" PRIu64
		    " times in %lld s and has not come whole: it is asked for again and again",
		    r->peer, r->n, seconds(r));
		return;
	case STANDING_TWO_ACTIVE:
		say(out,
		    "peer %s is active, and so is this node, for %lld s: both carry the addresses, "
		    "or one of them was "
		    "not told that it is the backup (conntrackd -t there). ActiveActive on, if "
		    "both are meant",
		    r->peer, seconds(r));
		return;
	case STANDING_UNSERVED:
		say(out,
		    "peer %s has asked for our full table %" PRIu64
		    " times in %lld s: what is sent does not reach it whole",
		    r->peer, r->n, seconds(r));
		return;
	default: /* another mode or protocol: what it has said is reported with its message */
		return;
	}
}

static void state_over(const struct sync_report *r, struct sync_log_line *out)
{
	switch (r->state) {
	case STANDING_SILENT:
		say(out, "peer %s is heard again, after %lld s", r->peer, seconds(r));
		return;
	case STANDING_BEHIND:
	case STANDING_DEAF:
		say(out,
		    "peer %s acknowledges what it is told again, after %lld s; up to %" PRIu64
		    " messages had not been acknowledged",
		    r->peer, seconds(r), r->n);
		return;
	case STANDING_GAP:
		say(out, "what peer %s had sent and was missing has come, after %lld s", r->peer,
		    seconds(r));
		return;
	case STANDING_FAILING:
		say(out, "the full table of peer %s has come at last, after %lld s", r->peer,
		    seconds(r));
		return;
	case STANDING_TWO_ACTIVE:
		say(out, "peer %s and this node are not both active any more, after %lld s",
		    r->peer, seconds(r));
		return;
	case STANDING_UNSERVED:
		say(out,
		    "peer %s does not ask for our full table any more: it did %" PRIu64
		    " times in %lld s",
		    r->peer, r->n, seconds(r));
		return;
	default:
		say(out, "peer %s sends nothing any more that %s does not know, after %lld s",
		    r->peer, r->mode, seconds(r));
		return;
	}
}

static void other_mode(const struct sync_report *r, struct sync_log_line *out)
{
	if (r->sign == SYNC_SIGN_ALARM)
		say(out, "peer %s speaks another mode: it is in ALARM", r->peer);
	else if (r->sign == SYNC_SIGN_MUTE)
		say(out,
		    "peer %s sends states but no keepalive, and does not answer a resync request: "
		    "does it speak another mode (ALARM)?",
		    r->peer);
	else if (r->peer)
		say(out, "peer %s speaks another mode: it sends what %s does not know", r->peer,
		    r->mode);
	else
		say(out,
		    "a message that %s does not know was refused: does a peer speak another mode?",
		    r->mode);
}

/* ---- all reports ---- */

static void about_peer(const struct sync_report *r, struct sync_log_line *out)
{
	switch (r->what) {
	case SYNC_PEER_NEW:
		say(out, "new peer %s", r->peer);
		return;
	case SYNC_PEER_MOVED:
		say(out, "peer %s is taken for %s at its new address", r->peer, r->was);
		return;
	case SYNC_STATE_BEGAN:
		state_began(r, out);
		return;
	case SYNC_STATE_OVER:
		state_over(r, out);
		return;
	case SYNC_OTHER_MODE:
		other_mode(r, out);
		return;
	case SYNC_MTU_DIFFERS:
		say(out,
		    "peer %s has an MTU of %" PRIu32 " on the link to us, and we have %" PRIu32
		    ": what is larger than the smaller one may never arrive, and comes by "
		    "repetition only. Make them the same",
		    r->peer, r->from, r->to);
		return;
	case SYNC_MTU_SAME:
		say(out, "peer %s has the same MTU on the link to us now: %" PRIu32, r->peer,
		    r->to);
		return;
	case SYNC_LOSSES_REPAIRED:
		say(out,
		    "%" PRIu64 " messages of peer %s were lost on the way, and have been repaired",
		    r->n, r->peer);
		return;
	case SYNC_TABLE_CAME:
		say(out, "the table of peer %s has come: %" PRIu64 " states, in %lld ms", r->peer,
		    r->n, (long long)r->ms);
		return;
	case SYNC_NUMBER_TWICE:
		say(out, "two different messages of peer %s have number %" PRIu32, r->peer,
		    r->from);
		return;
	case SYNC_NUMBERS_ANEW:
		/* where nothing else tells of a restart (ALARM), an ordinary one looks like this */
		out->level = r->can & SYNC_ASKS ? LOG_LVL_WARNING : LOG_LVL_NOTICE;
		say(out, "numbers of peer %s do not fit any more, picked up at %" PRIu32, r->peer,
		    r->from);
		return;
	case SYNC_ACK_OF_NOTHING:
		say(out,
		    "peer %s acknowledges or misses numbers we never sent: %" PRIu32 "..%" PRIu32
		    ", last is %" PRIu32,
		    r->peer, r->from, r->to, r->last);
		return;
	default:
		return;
	}
}

static void about_us(const struct sync_report *r, struct sync_log_line *out)
{
	switch (r->what) {
	case SYNC_PEERS_MANY:
		say(out, "more than one peer: acknowledgements of this protocol name no addressee, "
			 "so what one of them missed may take a full resync, and stale entries are "
			 "kept");
		return;
	case SYNC_TABLE_SENT:
		say(out, "everything was sent to %s%s: %" PRIu64 " flows, in %lld ms",
		    r->peer ? "peer " : "the peers", r->peer ? r->peer : "", r->n,
		    (long long)r->ms);
		return;
	case SYNC_TABLE_ASKED_FOR:
		say(out, "resync requested by other node");
		return;
	case SYNC_TABLE_PUT_OFF:
		say(out, "several peers ask for everything again and again: not all of them are "
			 "answered at once; this protocol is made for two nodes");
		return;
	case SYNC_RING_FULL:
		say(out, "resend queue full, %" PRIu64 " unacknowledged messages given up so far",
		    r->n);
		return;
	case SYNC_TABLE_FULL:
		if (r->can & SYNC_ACKS)
			say(out,
			    "the internal cache is full, and part of it are flows that have ended "
			    "and whose end no peer has "
			    "acknowledged: %" PRIu64 " of these messages given up so far; peers "
			    "that miss them ask for everything",
			    r->n);
		else
			say(out, "the internal cache is full of flows that have ended and wait for "
				 "the sync link: the message about the oldest is given up");
		return;
	case SYNC_TOO_LARGE:
		say(out, "a flow does not fit into a datagram of this MTU");
		return;
	default:
		about_peer(r, out);
	}
}

bool sync_log_line(struct sync_log *l, const struct sync_report *r, struct sync_log_line *out)
{
	uint64_t more = 0;
	size_t len;

	if (report[r->what].burst > 0 && !log_limit_pass(&l->limit[r->what], report[r->what].burst,
							 report[r->what].every_ms, r->at, &more))
		return false;
	*out = (struct sync_log_line){ .level = report[r->what].level };
	about_us(r, out);
	len = strlen(out->text);
	if (more > 0)
		snprintf(out->text + len, sizeof(out->text) - len, " (%" PRIu64 " more like this)",
			 more);
	return len > 0;
}
