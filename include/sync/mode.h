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

extern const struct sync_ops ftfw_ops;

/* A line for the log; limit (may be NULL) lets five pass and one more per 10 s. */
void sync_say(struct sync *s, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt,
	      va_list ap) __attribute__((format(printf, 5, 0)));

static inline bool sync_within(struct mono since, int64_t ms, struct mono now)
{
	return mono_is_set(since) && mono_diff_ns(now, since) < ms * MONO_NS_PER_MS;
}

static inline bool sync_due(struct mono t, struct mono now)
{
	return mono_is_set(t) && !mono_before(now, t);
}

#endif
