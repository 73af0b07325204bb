/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that the files of the data path share. */
#include "node/path.h"

#include <inttypes.h>
#include <stdio.h>

void path_log(struct pipeline *p, int level, const char *text)
{
	if (p->env.log)
		p->env.log(p->env.ctx, level, text);
}

/* Said once per ten seconds, because every further flow would say it again. */
void path_full(struct pipeline *p, uint64_t *counter, const char *cache, struct mono now)
{
	uint64_t suppressed;
	char line[160];

	(*counter)++;
	if (p->env.full && log_limit_pass(&p->full_call, 1, 1000, now, NULL))
		p->env.full(p->env.ctx);
	if (!log_limit_pass(&p->full_log, 1, 10000, now, &suppressed))
		return;
	snprintf(line, sizeof(line),
		 "%s has no room (HashLimit, or memory): %" PRIu64 " refused so far", cache,
		 *counter);
	path_log(p, LOG_LVL_WARNING, line);
}

void path_changed(struct pipeline *p, enum internal_change change, uint32_t id, struct mono now)
{
	if (change == INTERNAL_NEW)
		sync_local_birth(p->sync, id, now);
	else if (change != INTERNAL_NOTHING)
		sync_local_change(p->sync, id, now);
}

const struct ct_flow *path_with_timeout(const struct pipeline *p, const struct ct_flow *f,
					struct ct_flow *copy)
{
	if (!flow_is_offloaded(f) || (f->has & FLOW_HAS_TIMEOUT) || !p->env.timeout)
		return f;
	flow_copy(copy, f);
	copy->timeout_s = p->env.timeout(p->env.ctx, f);
	if (copy->timeout_s > 0)
		copy->has |= FLOW_HAS_TIMEOUT;
	return copy;
}

void path_ended(struct pipeline *p, const struct ct_flow *f)
{
	if (f->has & FLOW_HAS_COUNTERS) {
		p->stats.traffic_bytes += f->rare->bytes[0] + f->rare->bytes[1];
		p->stats.traffic_packets += f->rare->packets[0] + f->rare->packets[1];
	}
	if (p->env.ended)
		p->env.ended(p->env.ctx, f);
}

uint32_t path_expects_resync_done(struct pipeline *p, uint32_t peers)
{
	uint32_t swept = 0;

	for (uint8_t i = 0; p->expects && i < PEERS_MAX; i++)
		if (peers >> i & 1)
			swept += exp_path_resync_done(p->expects, i);
	return swept;
}
