/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all modes have in common and needs to know none of them: reading a message about a flow, and
 * reports. */
#include "sync/mode.h"

#include "proto/proto.h"

void sync_report_of(const struct sync *s, const struct peer *p, struct mono now,
		    struct sync_report r)
{
	r.at = now;
	r.mode = s->ops->name;
	r.can = s->ops->can;
	r.peer = p ? p->name : r.peer;
	s->env->report(s->env->ctx, &r);
}

/* ---- reading ---- */

static enum sync_verdict digest_refused(struct sync *s, struct peer *p, enum proto_err err)
{
	proto_stats_count(&s->stats.wire, err);
	p->rs.unread = true;
	return SYNC_REFUSED;
}

static enum sync_verdict digest_expect(struct sync *s, struct peer *p, const struct message *msg,
				       struct cursor body, struct mono now)
{
	struct ct_expect e;
	enum proto_err err;

	if (!s->env->expect)
		return SYNC_ACCEPTED;
	err = s->env->proto->get_expect(body, &e, &s->stats.wire);
	if (err != PROTO_OK)
		return digest_refused(s, p, err);
	s->env->expect(s->env->ctx, p->id, msg->change == MSG_END, &e, now);
	return SYNC_ACCEPTED;
}

enum sync_verdict sync_digest(struct sync *s, struct peer *p, const struct message *msg,
			      struct cursor body, bool whole, struct mono now)
{
	static const uint8_t change[] = {
		[MSG_NEW] = SYNC_NEW,
		[MSG_UPDATE] = SYNC_UPDATE,
		[MSG_END] = SYNC_DESTROY,
	};
	enum sync_change what;
	struct ct_flow flow;
	struct flow_rare rare;
	enum proto_err err;

	p->states++;
	if (msg->kind == MSG_EXPECT)
		return digest_expect(s, p, msg, body, now);
	err = s->env->proto->get_flow(body, &flow, &rare, &s->stats.wire);
	if (err != PROTO_OK)
		return digest_refused(s, p, err);
	if (flow_is_offloaded(&flow)) { /* a 1.4.x passes on what its kernel says */
		flow_settle_offload(&flow);
		flow.status &= ~FLOW_STATUS_OFFLOAD;
	}
	what = change[msg->change];
	if (whole && what == SYNC_UPDATE)
		what = SYNC_REPLACE;
	s->env->apply(s->env->ctx, p->id, what, &flow, now);
	return SYNC_ACCEPTED;
}
