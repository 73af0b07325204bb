/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that peers could not tell apart (cache/clash.c), on their way through the pipeline: not
 * sent while there are several of a name, and sent when one of them is left. And those with a
 * zone of one direction, which are never sent. */
#include "node/path.h"

#include <arpa/inet.h>
#include <stdio.h>

#define CLASH_LOG_MS 600000
#define CLASH_STEP   4096

/* A flow that peers could not tell from another one: whatever waits to be sent about it is not.
 * Only the end of one that they may know is told: nobody else has spoken under its name since. */
void ambiguous_changed(struct pipeline *p, enum internal_change change, uint32_t id,
		       struct mono now)
{
	if (flow_zone_is_partial(&table_rec(internal_table(p->internal), id)->flow))
		ambiguous_zone(p);
	if (change != INTERNAL_DESTROY)
		sync_forget(p->sync, id);
	else if (clash_known(p->clash, id))
		sync_local_change(p->sync, id, now);
	else
		internal_release(p->internal, id);
}

void ambiguous_zone(struct pipeline *p)
{
	if (p->zoned_said)
		return;
	p->zoned_said = true;
	path_log(p, LOG_LVL_WARNING,
		 "the kernel has flows with a zone of one direction ('ct original zone', 'ct reply "
		 "zone'): "
		 "they are not replicated, the sync protocol has no place for it. At a take-over "
		 "they begin anew, translated ones "
		 "are lost. What helps is a zone of both directions ('ct zone'); 'conntrackd -s "
		 "network' counts them");
}

/* The cache says that a flow which was sent until now is one of those. What a peer has of it
 * stays there: it lives, and a peer that injects would remove what its kernel may be forwarding. */
void ambiguous_hidden(void *ctx, uint32_t id, struct mono now)
{
	struct pipeline *p = ctx;
	const struct ct_flow *f = &table_rec(internal_table(p->internal), id)->flow;
	char line[320], src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	const uint8_t *addr = (const uint8_t *)&f->addr;

	sync_forget(p->sync, id);
	if (!log_limit_pass(&p->clash_log, 1, CLASH_LOG_MS, now, NULL))
		return;
	inet_ntop(f->l3, addr, src, sizeof(src));
	inet_ntop(f->l3, addr + (f->l3 == AF_INET ? 4 : 16), dst, sizeof(dst));
	snprintf(line, sizeof(line),
		 "several flows of protocol %u (%s) from %s to %s differ only in what the sync "
		 "protocol "
		 "cannot say (keys, UDP-Lite ports): none of them is replicated, see "
		 "'conntrackd -s network'",
		 f->l4, flow_l4_name(f->l4), src, dst);
	path_log(p, LOG_LVL_WARNING, line);
}

/* Flows that have become the only ones of their name are sent. */
void ambiguous_step(struct pipeline *p, struct mono now)
{
	uint32_t id;

	for (size_t i = 0; i < CLASH_STEP && clash_next(p->clash, &id); i++)
		sync_local_birth(p->sync, id, now);
}
