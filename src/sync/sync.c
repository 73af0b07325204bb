/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam between the data path and the replication protocols: each call goes to the configured
 * mode, or to what all have in common. */
#include "sync/sync.h"

#include <stdlib.h>

#include "base/hash.h"
#include "sync/peer_state.h"
#include "sync/queue.h"

#define LATE_MAX 16384 /* numbers: a burst that is duplicated, or held back, is no longer */

static const struct sync_ops *const sync_modes[] = {
#define ROW(mode, ops, like) [SYNC_MODE_##mode] = &(ops),
	SYNC_MODES(ROW)
#undef ROW
};

static void sync_init(struct sync *s, const struct sync_ops *ops, const struct sync_env *env,
		      const struct sync_conf *conf, uint32_t first_seq, struct mono now)
{
	struct hash_key random;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		s->peer[i].id = (uint8_t)i; /* of the places that were never used as well */
	s->ops = ops;
	s->env = env;
	s->conf = conf;
	s->first_seq = s->next = first_seq;
	/* The time does for two lives of one node, not for two nodes that were started together. */
	if (hash_key_random(&random) < 0)
		random.k0 = first_seq * 2654435761u ^ (uint32_t)(now.ns >> 8);
	s->incarnation = (uint32_t)random.k0 | 1;
	s->ask = conf->startup_resync && sync_does(s, SYNC_ASKS);
	/* A node that does not say when it restarts: 1.4.x begins with the wall clock, so one that
	 * sent more than one message per second begins again a little before or far before where it
	 * was. */
	s->late_max = s->continue_max = LATE_MAX;
	s->jump_max = TRACK_JUMP;
}

struct sync *sync_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq,
		       struct mono now)
{
	const struct sync_ops *ops = sync_modes[conf->mode];
	struct sync *s = calloc(1, ops->size);

	if (!s)
		return NULL;
	sync_init(s, ops, env, conf, first_seq, now);
	if (ops->open(s, now) == 0)
		return s;
	free(s);
	return NULL;
}

bool sync_can(const struct sync_conf *conf, enum sync_can what)
{
	return sync_modes[conf->mode]->can & what;
}

void sync_close(struct sync *s)
{
	if (!s)
		return;
	queue_close(s);
	if (s->ops->close)
		s->ops->close(s);
	peer_free_all(s);
	free(s);
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
	*q = (struct sync_queues){ .tx_len = s->live.n + s->repair.n };
	if (s->ops->queues)
		s->ops->queues(s, q);
}

bool sync_ring_next(const struct sync *s, uint32_t *pos, struct sync_sent *out)
{
	return s->ops->ring_next && s->ops->ring_next(s, pos, out);
}
