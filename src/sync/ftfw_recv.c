/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: what a message of a peer says, and HELLO (doc/protocol.md sections 5 and 6).
 *
 * A node sets HELLO from its start until it has heard a HELLO_BACK. The number alone does not tell
 * a restart: 1.4.x starts from the wall clock, and an idle node uses one number per second, so a
 * restarted idle node very nearly continues its old numbers.
 *
 *   known peer, HELLO, number     handshake going on           handshake over
 *   continues (or a small gap)    the same life                a new life
 *   slightly before               late, if the peer is heard   of the old handshake and recent:
 *                                                              dropped; else new life
 *   far away                      a new life                   a new life */
#include "sync/ftfw_recv.h"

#include "sync/ack.h"
#include "sync/bulk.h"
#include "sync/control.h"
#include "sync/ftfw_proof.h"
#include "sync/peer_state.h"

#define HELLO_SLACK 4096 /* numbers one handshake may span */
/* numbers before the first HELLO we saw that may belong to the same handshake */
#define HELLO_LATE    64
#define HELLO_LATE_MS 5000
/* so soon after its first message late ones may be much older: we came into a burst */
#define HELLO_BURST_MS 1000

/* ---- HELLO ---- */

/* Our HELLO has arrived. A 1.4.x never misses what is lost of the messages that carry it, so
 * whoever got a bulk send while they did gets another one. */
static void recv_hello_back(struct ftfw *f, struct mono now)
{
	f->hello = HELLO_DONE;
	f->hello_done = now;
	for (struct peer *p = NULL; (p = peer_next(&f->base, p));)
		if (!mono_is_set(p->bulk_at))
			p->bulk_at = mono_add_ms(now, PEER_BULK_MS);
}

static void recv_hello(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	if (msg->hello & MSG_HELLO) {
		fp->speaks = true;
		fp->hello_end = msg->seq + 1;
		fp->hello_at = now;
		f->say_back = true;
		if (log_limit_pass(&fp->hello_limit, 2, 100, now, NULL))
			fp->ack_soon = true;
	} else if (p->in_hello) {
		p->in_hello = false;
		fp->hello_end = msg->seq;
	}
	if (!(msg->hello & MSG_HELLO_BACK))
		return;
	if (f->hello == HELLO_SAY)
		recv_hello_back(f, now);
	else if (p->incarnation == 0 &&
		 (p->nacks_out > 0 || (p->rs.state == RS_ASKED && mono_is_set(p->rs.asked) &&
				       !fp->proof.early))) /* else it is asked again */
		/* a HELLO was late: a 1.4.x cannot send again what we miss */
		settle_missed(f, p, now);
}

/* Does this HELLO begin a new life of a known peer? quiet: nothing else has come for so long that
 * it is not merely late. */
static bool hello_is_restart(const struct peer *p, const struct ftfw_peer *fp, uint32_t seq,
			     bool quiet, struct mono now)
{
	bool burst = sync_within(p->contact, HELLO_BURST_MS, now);
	uint32_t late = burst ? HELLO_SLACK : HELLO_LATE;

	/* a 1.4.x may restart before it has heard HELLO_BACK, from a lower number */
	if (p->in_hello) {
		if (!seq_after(seq, p->track.last) &&
		    (quiet || (!burst && seq_before(seq, fp->hello_first))))
			return true;
		return seq - p->track.last - 1 + HELLO_SLACK > 2 * HELLO_SLACK;
	}
	if (!seq_before(seq, fp->hello_first - late) && seq_before(seq, fp->hello_end))
		return quiet || !sync_within(fp->hello_at, HELLO_LATE_MS, now);
	return true;
}

/* ---- what track.c and peer.c tell ---- */

static void recv_resync(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now)
{
	struct sync *s = &f->base;

	peer_set_incarnation(s, p, msg->from, now);
	if (sync_is_mtu_note(msg->to))
		peer_mtu(s, p, msg->to >> 20 & 0xf, msg->to & SYNC_MTU_BYTES, now);
	else if (msg->to != 0) /* that of NOTRACK has its number there */
		peer_other_mode(s, p, &p->source[0], SYNC_SIGN_UNKNOWN, now);
	if (!bulk_asked(f, p, msg->seq, now))
		ack_never(f, p);
}

enum sync_verdict ftfw_accept(struct sync *s, struct peer *p, const struct message *msg,
			      struct cursor body, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	enum sync_verdict verdict = SYNC_ACCEPTED;

	recv_hello(f, p, msg, now);
	switch ((enum msg_kind)msg->kind) {
	case MSG_FLOW:
	case MSG_EXPECT:
		verdict = sync_digest(s, p, msg, body, true, now);
		if (verdict == SYNC_ACCEPTED)
			ftfw_peer(f, p)->proof.data = now;
		break;
	case MSG_ACK:
		ack_got_ack(f, p, msg, now);
		break;
	case MSG_NACK:
		ack_got_nack(f, p, msg, now);
		break;
	case MSG_RESYNC:
		recv_resync(f, p, msg, now);
		break;
	case MSG_NOT_WHOLE:
		proof_partial(f, p, msg->from, now);
		break;
	case MSG_IN_ALARM:
		peer_other_mode(s, p, &p->source[0], SYNC_SIGN_ALARM, now);
		break;
	case MSG_COMPLETE: /* of NOTRACK */
	case MSG_PARTIAL:
		peer_other_mode(s, p, &p->source[0], SYNC_SIGN_UNKNOWN, now);
		break;
	case MSG_ACTIVE:
		p->active_at = now;
		break;
	case MSG_NONE:
	case MSG_ALIVE:
		break;
	case MSG_UNKNOWN: /* counted when they came */
	case MSG_NO_TYPE:
		verdict = SYNC_REFUSED;
	}
	ack_accepted(f, p, msg->seq, msg_is_state(msg->kind), now);
	return verdict;
}

void ftfw_missing(struct sync *s, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	ack_nack(f, p, from, to, now);
	/* The peer keeps about as many messages as we do: of so many, some are surely gone when our
	 * NACK arrives. */
	if (to - from + 1 > ftfw_peer_ring(f, p) / 2)
		settle_missed(f, p, now);
}

void ftfw_contact(struct sync *s, struct peer *p, bool fresh, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct ftfw_peer *fp = ftfw_peer(f, p);

	(void)fresh;
	ack_forget_peer(f, p);
	fp->ack_heard = now;
	fp->hello_first = fp->hello_end = p->track.last + 1;
	fp->window = f->ack_window;
	fp->confirmed = fp->bulk_owed = fp->speaks = false;
	fp->owed = OWED_TABLE;
	fp->given_up = false;
	fp->req.active = fp->req_next.active = false;
	/* Answer at once: the other side learns from it that we hear each other, and so does not
	 * wait a second for each step of the handshake. 1.4.x takes it as what it is, an
	 * acknowledgement. */
	fp->ack_soon = true;
	p->incarnation = 0;
	p->rs = (struct resync){ .stale = true };
	resync_want(p, 0, now);
}

void ftfw_gone(struct sync *s, struct peer *p)
{
	struct ftfw_peer *fp = ftfw_peer((struct ftfw *)s, p);

	ack_forget_peer((struct ftfw *)s, p);
	hold_free(&fp->holds);
	*fp = (struct ftfw_peer){ 0 };
}

/* Type and flags that FTFW does not know: another mode, a newer version, or garbage. */
static void recv_refuse(struct sync *s, struct mono now)
{
	proto_stats_count(&s->stats.wire, PROTO_BAD_HEADER);
	s->stats.other_mode++;
	sync_report(s, NULL, now, SYNC_OTHER_MODE);
}

enum sync_verdict ftfw_recv(struct sync *s, const struct peer_addr *from, const struct message *msg,
			    struct cursor body, struct mono now)
{
	bool refused = msg_is_refused(msg->kind), hello = (msg->hello & MSG_HELLO) && !refused,
	     quiet;
	struct peer *p;

	if (refused)
		recv_refuse(s, now);
	p = peer_find(s, from, msg, !refused, now);
	if (!p)
		return refused ? SYNC_REFUSED : SYNC_DROPPED;
	/* Its number may be garbage too: believed only where a number is expected. */
	if (refused && msg->seq - p->track.last - 1 >= REORDER_MIN)
		return SYNC_REFUSED;
	quiet = hello && !sync_within(p->heard, HELLO_BURST_MS, now);
	peer_heard(s, p, now);
	if (hello && hello_is_restart(p, ftfw_peer((struct ftfw *)s, p), msg->seq, quiet, now))
		peer_restart(s, p, msg->seq, true, now);
	return track_message(s, p, msg, body, now);
}
