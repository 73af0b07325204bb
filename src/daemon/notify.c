/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the service manager (sd_notify(3), sd_watchdog_enabled(3)).
 *
 * The sign of life comes from a timer of the loop: a loop that is stuck in a callback gives none,
 * and is restarted. */
#include "daemon/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#define STATUS_MS	  10000
#define WATCHDOG_LEAST_MS 20   /* nobody means less, and the loop has other things to do */
#define FIRST_STATUS_MS	  1000 /* the manager knows the child of -d by then */

static void tell(const struct notify *n, const char *text)
{
	if (!n->on)
		return;
#ifdef HAVE_SYSTEMD
	sd_notify(0, text);
#else
	(void)text;
#endif
}

void notify_init(struct notify *n, bool on)
{
	*n = (struct notify){ .on = on && getenv("NOTIFY_SOCKET") };
#ifdef HAVE_SYSTEMD
	uint64_t usec;

	if (n->on && sd_watchdog_enabled(0, &usec) > 0)
		n->watchdog_ms = usec < WATCHDOG_LEAST_MS * 1000 ? WATCHDOG_LEAST_MS :
								   (int64_t)(usec / 1000);
#endif
}

void notify_ready_child(const struct notify *n, long pid)
{
	char text[64];

	snprintf(text, sizeof(text), "MAINPID=%ld\nREADY=1", pid);
	tell(n, text);
}

void notify_ready(const struct notify *n)
{
	tell(n, "READY=1");
}

static void on_watchdog(void *ctx, struct mono now)
{
	struct notify *n = ctx;

	tell(n, "WATCHDOG=1");
	ev_timer_set(n->loop, &n->watchdog, mono_add_ms(now, n->watchdog_ms / 2));
}

void notify_begin(struct notify *n, struct evloop *loop, struct mono now)
{
	n->loop = loop;
	n->watchdog = (struct ev_timer){ .cb = on_watchdog, .ctx = n, .name = "watchdog" };
	n->next_status = mono_add_ms(now, FIRST_STATUS_MS);
	if (n->on && n->watchdog_ms > 0)
		ev_timer_set(loop, &n->watchdog, mono_add_ms(now, n->watchdog_ms / 2));
}

bool notify_status_due(const struct notify *n, struct mono now)
{
	return n->on && n->loop && !mono_before(now, n->next_status);
}

void notify_status(struct notify *n, struct mono now, const char *fmt, ...)
{
	char text[sizeof(n->status) + sizeof("STATUS=")] = "STATUS=", *status = text + strlen(text);
	va_list ap;

	n->next_status = mono_add_ms(now, STATUS_MS);
	va_start(ap, fmt);
	vsnprintf(status, sizeof(n->status), fmt, ap);
	va_end(ap);
	if (strcmp(status, n->status) == 0)
		return;
	strcpy(n->status, status);
	tell(n, text);
}

void notify_stopping(struct notify *n)
{
	if (n->loop)
		ev_timer_del(n->loop, &n->watchdog);
	tell(n, "STOPPING=1");
	n->on = false;
}
