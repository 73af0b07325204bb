/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_CONTROL_CONF_H
#define CONNTRACKD_CONTROL_CONTROL_CONF_H

#include <sys/un.h>

/* Where daemon and client meet when the file has no UNIX { Path }. */
#define CONTROL_PATH_DEFAULT "/var/run/conntrackd.ctl"

/* Longest path without the closing NUL. */
#define CONTROL_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* Longest name of a group, as groupadd(8) has it. */
#define CONTROL_GROUP_MAX 32

/* The control socket (General: UNIX). Plain data, no pointers. */
struct control_conf {
	char path[CONTROL_PATH_MAX + 1];   /* absolute, never empty */
	char group[CONTROL_GROUP_MAX + 1]; /* whose members may connect and ask; empty: nobody's */
};

#endif
