/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam between the data path and the replication protocols: each call goes to the protocol of the configured mode.
 * And what they have in common. */
#include "sync/sync.h"

#include <inttypes.h>
#include <stdio.h>

#include "sync/mode.h"
#include "wire/attr.h"

static const struct sync_ops *const sync_modes[] = {
	[SYNC_MODE_FTFW] = &ftfw_ops,
	[SYNC_MODE_ALARM] = &alarm_ops,
	[SYNC_MODE_NOTRACK] = &notrack_ops,
};

struct sync *sync_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq, struct mono now)
{
	const struct sync_ops *ops = sync_modes[conf->mode];
	struct sync *s = ops ? ops->open(env, conf, first_seq, now) : NULL;

	if (s)
		s->ops = ops;
	return s;
}

enum sync_verdict sync_digest_expect(struct sync *s, uint8_t peer, const struct wire_hdr *hdr, struct cursor body,
				     struct mono now)
{
	struct ct_expect e;
	enum wire_err err;

	if (!s->env->expect)
		return SYNC_ACCEPTED;
	err = wire_get_expect(body, &e, &s->stats.wire);
	if (err != WIRE_OK) {
		wire_stats_count(&s->stats.wire, err);
		return SYNC_REFUSED;
	}
	s->env->expect(s->env->ctx, peer, hdr->type == WIRE_EXP_DEL, &e, now);
	return SYNC_ACCEPTED;
}

void sync_peer_begins(const struct sync *s, uint8_t peer)
{
	if (s->env->peer_begins)
		s->env->peer_begins(s->env->ctx, peer);
}

void sync_close(struct sync *s)
{
	if (s)
		s->ops->close(s);
}

void sync_local_change(struct sync *s, uint32_t id, struct mono now)
{
	s->ops->local_change(s, id, false, now);
}

void sync_local_birth(struct sync *s, uint32_t id, struct mono now)
{
	s->ops->local_change(s, id, true, now);
}

void sync_forget(struct sync *s, uint32_t id)
{
	s->ops->forget(s, id);
}

enum sync_verdict sync_recv(struct sync *s, const struct sync_source *from, const struct wire_hdr *hdr,
			    struct cursor body, struct mono now)
{
	return s->ops->recv(s, from, hdr, body, now);
}

struct mono sync_tick(struct sync *s, struct mono now)
{
	return s->ops->tick(s, now);
}

bool sync_transmit(struct sync *s, struct mono now)
{
	return s->ops->transmit(s, now);
}

void sync_bulk(struct sync *s, struct mono now)
{
	s->ops->bulk(s, now);
}

void sync_lost(struct sync *s, struct mono now)
{
	s->ops->lost(s, now);
}

bool sync_make_room(struct sync *s, struct mono now)
{
	return s->ops->make_room(s, now);
}

void sync_ask_resync(struct sync *s, struct mono now)
{
	s->ops->ask_resync(s, now);
}

bool sync_bulk_running(const struct sync *s)
{
	return s->ops->bulk_running(s);
}

bool sync_resync_running(const struct sync *s)
{
	return s->ops->resync_running(s);
}

bool sync_peer_view(const struct sync *s, uint8_t peer, struct mono now, struct sync_peer_view *out)
{
	return peer < SYNC_MAX_PEERS && s->ops->view(s, peer, now, out);
}

const struct sync_stats *sync_stats(const struct sync *s)
{
	return &s->stats;
}

void sync_count_refused(struct sync *s, enum wire_err err)
{
	wire_stats_count(&s->stats.wire, err);
}

void sync_queues(const struct sync *s, struct sync_queues *q)
{
	s->ops->queues(s, q);
}

bool sync_print_ring(const struct sync *s, uint32_t *pos, size_t n, struct text *out)
{
	return s->ops->print_ring(s, pos, n, out);
}

void sync_report(const struct sync *s, struct mono now, struct text *out)
{
	s->ops->report(s, now, out);
}

enum sync_verdict sync_digest_flow(struct sync *s, uint8_t peer, const struct wire_hdr *hdr, struct cursor body,
				   bool whole, struct mono now)
{
	static const enum sync_change change[] = {
		[WIRE_CT_NEW] = SYNC_NEW,
		[WIRE_CT_UPD] = SYNC_UPDATE,
		[WIRE_CT_DEL] = SYNC_DESTROY,
	};
	enum sync_change what = change[hdr->type];
	struct ct_flow flow;
	struct flow_rare rare;
	enum wire_err err = wire_get_flow(body, &flow, &rare, &s->stats.wire);

	if (err != WIRE_OK) {
		wire_stats_count(&s->stats.wire, err);
		return SYNC_REFUSED;
	}
	if (flow_is_offloaded(&flow)) {		/* a 1.4.x passes on what its kernel says */
		flow_settle_offload(&flow);
		flow.status &= ~FLOW_STATUS_OFFLOAD;
	}
	if (whole && what == SYNC_UPDATE)
		what = SYNC_REPLACE;
	s->env->apply(s->env->ctx, peer, what, &flow, now);
	return SYNC_ACCEPTED;
}

void sync_say(struct sync *s, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt,
	      va_list ap)
{
	uint64_t suppressed = 0;
	char line[320];
	int n;

	if (limit && !log_limit_pass(limit, 5, 10000, now, &suppressed))
		return;
	n = vsnprintf(line, sizeof(line), fmt, ap);
	if (suppressed > 0 && n > 0 && (size_t)n < sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, " (%" PRIu64 " more like this)", suppressed);
	s->env->log(s->env->ctx, level, line);
}
