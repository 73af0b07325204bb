/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_MODE_H
#define CONNTRACKD_SYNC_MODE_H

#include <stdarg.h>

#include "base/log.h"
#include "sync/sync.h"
#include "sync/sync_conf.h"

/* What the object of every protocol begins with. For the files of this folder only. */
struct sync {
	const struct sync_ops *ops;
	const struct sync_env *env;	/* borrowed */
	const struct sync_conf *conf;	/* borrowed */
	struct sync_stats stats;
};

extern const struct sync_ops ftfw_ops, notrack_ops, alarm_ops;

/* A state message: decode it and hand it on. whole: this protocol always sends whole flows, so that an update replaces
 * too; merging would keep what a tuple had in its life before, if the messages in between are missing or were folded
 * into one. Gives SYNC_ACCEPTED, or SYNC_REFUSED (counted). */
enum sync_verdict sync_digest_flow(struct sync *s, uint8_t peer, const struct wire_hdr *hdr, struct cursor body,
				   bool whole, struct mono now);

/* A line for the log; limit (may be NULL) lets five pass and one more per 10 s. */
void sync_say(struct sync *s, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt,
	      va_list ap) __attribute__((format(printf, 5, 0)));

/* env.peer_begins, if it is wanted. */
void sync_peer_begins(const struct sync *s, uint8_t peer);

static inline bool sync_within(struct mono since, int64_t ms, struct mono now)
{
	return mono_is_set(since) && mono_diff_ns(now, since) < ms * MONO_NS_PER_MS;
}

static inline bool sync_due(struct mono t, struct mono now)
{
	return mono_is_set(t) && !mono_before(now, t);
}

/* A message about an expectation, types EXP_NEW to EXP_DEL: decode it and hand it on. SYNC_ACCEPTED, or SYNC_REFUSED
 * (counted). */
enum sync_verdict sync_digest_expect(struct sync *s, uint8_t peer, const struct wire_hdr *hdr, struct cursor body,
				     struct mono now);

#endif
