/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signal flags: one of the two allowed mutable globals (a handler has no other way to tell us). */
#include "daemon/signals.h"

#include <stddef.h>

static volatile sig_atomic_t flag_stop;
static volatile sig_atomic_t flag_reopen;

static void on_stop(int sig)
{
	(void)sig;
	flag_stop = 1;
}

static void on_reopen(int sig)
{
	(void)sig;
	flag_reopen = 1;
}

static const struct {
	int sig;
	void (*handler)(int sig);
} signal_table[] = {
	{ SIGTERM, on_stop },
	{ SIGINT, on_stop },
	{ SIGHUP, on_reopen },
	/* 1.4.x dies of these at once and leaves lock and socket behind; nobody means that by
	 * sending them. */
	{ SIGUSR1, SIG_IGN },
	{ SIGUSR2, SIG_IGN },
	{ SIGALRM, SIG_IGN },
	{ SIGPIPE, SIG_IGN },
};

void signals_init(sigset_t *in_select)
{
	sigset_t block;

	sigemptyset(&block);
	sigprocmask(SIG_SETMASK, NULL, in_select);
	for (size_t i = 0; i < sizeof(signal_table) / sizeof(signal_table[0]); i++) {
		struct sigaction sa = { .sa_handler = signal_table[i].handler };

		sigemptyset(&sa.sa_mask);
		sigaction(signal_table[i].sig, &sa, NULL);
		if (signal_table[i].handler != SIG_IGN) {
			sigaddset(&block, signal_table[i].sig);
			sigdelset(in_select, signal_table[i].sig);
		}
	}
	sigprocmask(SIG_BLOCK, &block, NULL);
}

bool signals_take_stop(void)
{
	bool was = flag_stop;

	flag_stop = 0;
	return was;
}

bool signals_take_reopen(void)
{
	bool was = flag_reopen;

	flag_reopen = 0;
	return was;
}
