/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_STATUS_PAGE_H
#define CONNTRACKD_COMMAND_STATUS_PAGE_H

#include "base/text.h"
#include "command/env.h"

/* --status for people: at most STATUS_ROWS rows of 80 columns, which is a terminal of 24 with what
 * `watch` puts above. */
#define STATUS_ROWS 22u
void status_page(const struct command_env *d, struct text *out);

#endif
