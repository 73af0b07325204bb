/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readiness and stop messages to systemd. */
#include "daemon/notify.h"

#include "config.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

bool notify_available(void)
{
	return true;
}

void notify_main_pid(bool on, long pid)
{
	if (on)
		sd_notifyf(0, "MAINPID=%ld", pid);
}

void notify_ready(bool on)
{
	if (on)
		sd_notify(0, "READY=1");
}

void notify_stopping(bool on)
{
	if (on)
		sd_notify(0, "STOPPING=1");
}

#else

bool notify_available(void)
{
	return false;
}

void notify_main_pid(bool on, long pid)
{
	(void)on;
	(void)pid;
}

void notify_ready(bool on)
{
	(void)on;
}

void notify_stopping(bool on)
{
	(void)on;
}

#endif
