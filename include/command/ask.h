/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_ASK_H
#define CONNTRACKD_COMMAND_ASK_H

#include "control/verdict.h"
#include "command/env.h"

/* --health, --ready, --live: gathers what is judged by health.c. */
void ask_daemon(const struct command_env *d, enum ctl_question question, struct verdict *v);

#endif
