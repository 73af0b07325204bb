/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam between the data path and the replication protocols: each call goes to the configured
 * mode, or to what all have in common. */
#include "sync/sync.h"

#include "sync/peer_state.h"

static const struct sync_ops *const sync_modes[] = {
#define ROW(mode, ops, like) [SYNC_MODE_##mode] = &(ops),
	SYNC_MODES(ROW)
#undef ROW
};

struct sync *sync_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq,
		       struct mono now)
{
	return sync_modes[conf->mode]->open(env, conf, first_seq, now);
}

bool sync_can(const struct sync_conf *conf, enum sync_can what)
{
	return sync_modes[conf->mode]->can & what;
}

void sync_close(struct sync *s)
{
	if (s)
		s->ops->close(s);
}

enum sync_verdict sync_recv(struct sync *s, const struct peer_addr *from, const struct message *msg,
			    struct cursor body, struct mono now)
{
	return s->ops->recv(s, from, msg, body, now);
}

struct mono sync_tick(struct sync *s, struct mono now)
{
	struct mono next = track_tick(s, now);

	next = mono_min(next, peer_tick(s, now));
	peer_look_all(s, now);
	next = mono_min(next, s->ops->tick(s, now));
	return mono_min(next, resync_run(s, now));
}

bool sync_transmit(struct sync *s, struct mono now)
{
	return s->ops->transmit(s, now);
}

void sync_bulk(struct sync *s, struct mono now)
{
	if (sync_does(s, SYNC_ASKS)) /* else everything is sent anyway */
		s->ops->bulk(s, NULL, true, now);
}

bool sync_bulk_running(const struct sync *s)
{
	return sync_does(s, SYNC_ASKS) && s->ops->bulk_running(s);
}

const struct sync_stats *sync_stats(const struct sync *s)
{
	return &s->stats;
}

void sync_count_refused(struct sync *s, enum proto_err err)
{
	proto_stats_count(&s->stats.wire, err);
}

void sync_queues(const struct sync *s, struct sync_queues *q)
{
	s->ops->queues(s, q);
}

bool sync_ring_next(const struct sync *s, uint32_t *pos, struct sync_sent *out)
{
	return s->ops->ring_next && s->ops->ring_next(s, pos, out);
}
