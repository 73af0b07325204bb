/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_LISTEN_H
#define CONNTRACKD_CONTROL_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "control/control_conf.h"

/* The listening socket and the file it leaves in the file system: private to control/. */
struct control_listen {
	int fd;	   /* -1: closed */
	dev_t dev; /* the file we made, to recognise it again */
	ino_t ino;
};

/* Create the socket at conf->path, replacing only a dead socket. 0, or -errno (see
 * control_path_check() of control/server.h) with one line in *err; then nothing was created and
 * nothing that was not a dead socket removed. */
int control_listen_open(struct control_listen *l, const struct control_conf *conf, struct text *err)
	__attribute__((warn_unused_result));

/* Close it, and remove the file if it is still the one we made. A second call is harmless. */
void control_listen_close(struct control_listen *l, const struct control_conf *conf);

#endif
