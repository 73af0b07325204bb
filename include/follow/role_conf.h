/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_ROLE_CONF_H
#define CONNTRACKD_FOLLOW_ROLE_CONF_H

#include <stdint.h>

#define ROLE_NAME_MAX  63 /* bytes of the name of an instance or a group */
#define ROLE_NAMES_MAX 32
#define ROLE_PATH_MAX  107

struct role_names {
	uint32_t n;
	char name[ROLE_NAMES_MAX][ROLE_NAME_MAX + 1];
};

/* Section Role: keepalived says what this node is, and is told whether it may be more. */
struct role_conf {
	char fifo[ROLE_PATH_MAX + 1]; /* of keepalived; empty: none */
	/* whose lines decide; both empty: all */
	struct role_names instances, groups;
	char track_file[ROLE_PATH_MAX + 1]; /* empty: none */
	uint32_t listen_s; /* without a peer for so long after the start this node is ready */
};

#endif
