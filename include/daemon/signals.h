/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_SIGNALS_H
#define CONNTRACKD_DAEMON_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Signals become flags, and are unmasked only inside pselect(): a flag set just before the loop
 * goes to sleep is never missed, and no handler ever runs between two statements of ours. */

/* Block TERM, INT and HUP and install their handlers; PIPE, USR1, USR2, ALRM are ignored.
 * *in_select is the mask to give to pselect(). */
void signals_init(sigset_t *in_select);

bool signals_take_stop(void);	/* TERM or INT came */
bool signals_take_reopen(void); /* HUP came: reopen the logs */

#endif
