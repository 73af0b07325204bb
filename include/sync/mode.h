/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_MODE_H
#define CONNTRACKD_SYNC_MODE_H

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

#endif
