/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_STATS_STATS_CONF_H
#define CONNTRACKD_STATS_STATS_CONF_H

#include "base/log_conf.h"

/* Section Stats: where one line per ended flow goes. Independent of the log of General. */
struct stats_conf {
	struct log_conf log;
};

#endif
