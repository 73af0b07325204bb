/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves the external cache without a message, in steps from pipeline_turn(): entries that a complete resync did not
 * refresh, and in ALARM those that nobody has spoken of for too long. */
#include "daemon/path.h"

#include <stdio.h>

#define SWEEP_STEP 4096	/* records looked at per turn: well under a millisecond */

void stale_path_resync_begin(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	whole_path_answers_begin(p, p->now);
	if (p->expects)
		exp_path_resync_begin(p->expects, peer);
	if (!p->external)
		return;		/* what flows are in the kernel and stale go by their timeout */
	path_settle(p);
	/* A sweep still under way belongs to the resync before: what it has not reached is judged by the new one. */
	if (p->sweep_peers & (1u << peer)) {
		p->sweep_peers &= ~(1u << peer);
		p->sweep_pos = 0;
	}
	external_resync_begin(p->external, peer);
}

void stale_path_resync_done(void *ctx, uint8_t peer, bool sure)
{
	struct pipeline *p = ctx;
	uint32_t expects = p->expects ? exp_path_resync_done(p->expects, peer) : 0;

	(void)sure;
	if (!p->external)
		return;
	path_settle(p);
	p->sweep_peers |= 1u << peer;
	p->sweep_pos = 0;
	p->swept += expects;
}

/* One step of removing what a completed resync did not refresh. True while there is more. */
bool stale_path_sweep_step(struct pipeline *p)
{
	char line[96];
	uint8_t peer;

	if (p->sweep_peers == 0)
		return false;
	peer = (uint8_t)__builtin_ctz(p->sweep_peers);
	if (external_sweep_step(p->external, peer, &p->sweep_pos, SWEEP_STEP, &p->swept))
		return true;
	if (p->swept > 0) {
		snprintf(line, sizeof(line), "resync complete: %u stale entries removed from the external cache",
			 p->swept);
		path_log(p, LOG_LVL_NOTICE, line);
	}
	p->sweep_peers &= ~(1u << peer);
	p->sweep_pos = 0;
	p->swept = 0;
	return p->sweep_peers != 0;
}

/* One step of looking for entries that nobody has spoken of for too long. Between two walks lies the time that the oldest
 * entry has left, so a table that is refreshed regularly is hardly ever walked. True while there is more. */
bool stale_path_expire_step(struct pipeline *p, struct mono now)
{
	uint32_t removed = 0;	/* of no interest: that entries lapse is how the mode works */
	int64_t left_s;

	if (p->life_s == 0 || (!p->expiring && mono_before(now, p->expire_due)))
		return false;
	if (!p->expiring) {
		p->expire_pos = 0;
		p->oldest_s = UINT32_MAX;
		if (p->expects)
			expects_expire(exp_path_external(p->expects), p->life_s, now, &p->oldest_s);
	}
	p->expiring = external_expire_step(p->external, &p->expire_pos, SWEEP_STEP, p->life_s, now, &p->oldest_s,
					   &removed);
	if (p->expiring)
		return true;
	left_s = p->oldest_s == UINT32_MAX ? p->life_s : (int64_t)p->oldest_s + p->life_s - mono_s(now);
	p->expire_due = mono_add_ms(now, (left_s > 0 ? left_s + 1 : 1) * 1000);
	return false;
}
