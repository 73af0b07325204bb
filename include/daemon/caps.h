/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_CAPS_H
#define CONNTRACKD_DAEMON_CAPS_H

#include "base/text.h"

/* May we read and write the kernel's tables? 0, or -EPERM with a line in *err. Asked first, so that
 * nothing is created by somebody who cannot run the daemon anyway. */
int caps_check_net_admin(struct text *err);

#endif
