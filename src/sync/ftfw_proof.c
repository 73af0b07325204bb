/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: when the answer to our RESYNC is whole.
 *
 * It is when the RESYNC is acknowledged, no NACK of ours is open, and nothing waits for its turn.
 * The acknowledgement leaves the peer after all its objects (ours on purpose, 1.4.7's by the order
 * of its queue; verified), so each object came before it or left a gap before it. A gap is closed
 * when the NACK for it is acknowledged, which the peer does after it has sent those again; if these
 * are lost too there is another gap before that acknowledgement, and another NACK.
 *
 * Why not before HELLO is settled: 1.4.7 empties its resend queue at each HELLO it gets, and takes
 * any number with it. So what got lost until then cannot be repaired, and an ACK may cover what
 * never arrived. The RESYNC of StartupResync carries HELLO all the same, because 1.4.x expects it
 * first; but it is sent before we have heard the peer, so the beginning of the answer may be
 * missing unnoticed: it only makes the peer's table come sooner, and every new peer is asked again,
 * as soon as HELLO is settled. The answer of a 1.4.x to that proves nothing yet: it is asked once
 * more a second and a half after HELLO_BACK, when no HELLO of ours is under way any more; a
 * HELLO_BACK that comes later all the same makes us ask again. Who answers and is of our kind has
 * told its life by then.
 *
 * When several peers speak, an ACK may be meant for another one and by chance cover our number.
 * Sweeping on it could remove what lives, so then nothing is swept. */
#include "sync/ftfw_proof.h"

#include "sync/control.h"

#define SETTLE_MS 3000 /* longest wait for HELLO_BACK before a RESYNC is asked for */
/* after that none of our HELLOs is under way any more, nor an answer: it waits up to a second */
#define CALM_MS 1500
/* for an answer whose ACK was passed over while other data keeps coming; doubles */
#define PATIENCE_MS    60000
#define PATIENCE_TRIES 6

void proof_asked(struct sync *s, struct peer *p, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct ftfw_peer *fp = ftfw_peer(f, p);

	fp->proof = (struct ftfw_proof){
		.seq = s->next - 1,
		.weak = f->hello != HELLO_DONE,
		.unsure = !fp->confirmed,
		.data = now,
		.early = sync_within(f->hello_done, CALM_MS, now),
	};
}

void proof_again(struct ftfw *f, uint32_t seq)
{
	f->base.ask = true;
	for (struct peer *p = NULL; (p = peer_next(&f->base, p));) {
		if (p->rs.state != RS_ASKED || ftfw_peer(f, p)->proof.acked ||
		    ftfw_peer(f, p)->proof.seq != seq)
			continue;
		p->rs.asked = (struct mono){ 0 };
		p->rs.stale = true;
	}
}

/* We have stopped waiting only because it took long, and the entries have not been marked since:
 * here it is. */
static void proof_comes(struct resync *rs)
{
	if (rs->state != RS_WANT || !rs->late)
		return;
	rs->state = RS_ASKED;
	rs->asked = rs->begun;
	rs->stale = rs->late = false;
}

/* The end will come by itself. Until then the RESYNC must not stand in the way of what is sent
 * after it. */
void proof_partial(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	struct ftfw_proof *proof = &ftfw_peer(f, p)->proof;
	struct resend_entry *e = resend_find(&f->ring, seq);

	if (proof->seq != seq || proof->acked)
		return;
	proof_comes(&p->rs);
	if (p->rs.state != RS_ASKED || !mono_is_set(p->rs.asked))
		return;
	p->rs.late = false;
	p->rs.partial = now;
	p->rs.tries = 0;
	if (e && e->state == RESEND_LIVE)
		settle(f, e, RESEND_ACKED, now);
}

void proof_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	struct ftfw_proof *proof = &ftfw_peer(f, p)->proof;
	bool lost;

	if (!proof->acked && !seq_after(from, proof->seq) && !seq_before(to, proof->seq))
		proof_comes(&p->rs);
	if (p->rs.state != RS_ASKED || !mono_is_set(p->rs.asked) || proof->acked ||
	    seq_before(to, proof->seq))
		return;
	/* The first it heard of us came after it. The number right behind it proves nothing: a peer
	 * of our kind leaves a RESYNC out until it is answered. */
	lost = proof->unsure && seq_after(from, proof->seq + 1);
	proof->unsure = false;
	proof->acked = !seq_after(from, proof->seq);
	proof->passed_over = !proof->acked;
	if (!lost)
		return;
	p->rs.stale = true;
	resync_want(p, 0, now);
}

struct mono proof_ask_at(const struct sync *s, const struct peer *p)
{
	const struct ftfw *f = (const struct ftfw *)s;

	if (f->hello != HELLO_DONE || !f->peer[p->id].confirmed)
		return mono_add_ms(p->contact, SETTLE_MS);
	return f->peer[p->id].proof.early && p->incarnation == 0 ?
		       mono_add_ms(f->hello_done, CALM_MS) :
		       p->rs.not_before;
}

/* When p's answer is overdue; not set: it is not, or cannot be. */
static struct mono proof_overdue(const struct peer *p, const struct ftfw_proof *proof)
{
	uint32_t tries = p->rs.tries < PATIENCE_TRIES ? p->rs.tries : PATIENCE_TRIES;
	struct mono due;

	if (!mono_is_set(p->rs.asked) || proof->acked)
		return (struct mono){ 0 };
	if (mono_is_set(p->rs.partial))
		return mono_add_ms(p->rs.partial, FTFW_ANSWER_MS);
	due = mono_add_ms(proof->data, proof->passed_over ? FTFW_PASSED_MS : FTFW_ANSWER_MS);
	/* Data that keeps coming may be live changes only. But a long table takes long, so patience
	 * grows. */
	if (proof->passed_over)
		due = mono_min(due, mono_add_ms(p->rs.asked, (int64_t)PATIENCE_MS << tries));
	return due;
}

struct mono proof_check(struct sync *s, struct peer *p, struct mono now)
{
	struct ftfw_proof *proof = &ftfw_peer((struct ftfw *)s, p)->proof;
	struct mono overdue = proof_overdue(p, proof),
		    calm = mono_add_ms(((struct ftfw *)s)->hello_done, CALM_MS);

	if (mono_is_set(p->rs.asked) && proof->acked && p->nacks_out == 0 &&
	    p->track.reorder.n == 0) {
		if (proof->weak) {
			resync_need(s, p, now);
		} else if (proof->early &&
			   p->incarnation == 0) { /* a request of its own may still tell its life */
			if (mono_before(now, calm))
				return calm;
			p->rs.stale = true;
			resync_want(p, 0, now);
		} else {
			resync_done(s, p,
				    !peer_others(s, p,
						 mono_diff_ms(now, p->rs.asked) + FTFW_ANSWER_MS,
						 now),
				    now);
		}
	} else if (sync_due(overdue, now)) {
		resync_need(s, p, now);
		p->rs.late = true;
	}
	return overdue;
}
