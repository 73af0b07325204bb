/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The role in the running daemon: what a change of it is made of (the same functions that the
 * letters of 1.4.x call), and keepalived at both ends: its FIFO tells the role, and a file tells
 * it whether this node may become the primary. */
#include "daemon/roles.h"

#include <errno.h>

#include <stdlib.h>

#include "base/log.h"
#include "command/ask.h"
#include "follow/external_flush.h"
#include "follow/leaving.h"
#include "follow/role.h"
#include "follow/role_fifo.h"
#include "follow/track_file.h"

#define TRACK_MS 250 /* the track file is looked at so often */

struct roles {
	struct daemon *d;
	struct role_fifo *fifo; /* NULL: none is configured */
	struct track_file track;
	struct role_watch watch;
	struct ev_timer timer;
};

/* ---- what a change is made of ---- */

static void take(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	takeover_active(d->takeover, now);
}

static void leave(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	if (!takeover_schedule(d->takeover, now))
		log_notice("a flush is scheduled already");
	external_flush_fill(d->external_flush, now);
}

static void ask(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	activity_request(d->activity, now);
	if (!sync_can(&d->conf->sync, SYNC_ASKS))
		return;
	external_flush_asked(d->external_flush);
	pipeline_ask(d->pipeline, now);
}

/* ---- keepalived says what this node is ---- */

static void on_told(void *ctx, enum role_kind role, bool crossed, const char *by, struct mono now)
{
	struct daemon *d = ctx;

	/* What came in between was no mistake: somebody else has been the primary meanwhile. */
	if (crossed)
		role_set(d->role, role, by, now);
	else
		role_told(d->role, role, by, now);
}

static int open_fifo(struct roles *r)
{
	const struct role_conf *conf = &r->d->conf->role;
	struct role_fifo_cb cb = { .ctx = r->d, .told = on_told };

	if (!conf->fifo[0])
		return 0;
	r->fifo = role_fifo_open(r->d->loop, conf, &cb);
	return r->fifo ? 0 : -ENOMEM;
}

bool roles_deaf(const struct daemon *d)
{
	struct role_fifo_stats s;

	if (!d->roles || !d->roles->fifo)
		return false;
	role_fifo_stats(d->roles->fifo, &s);
	return !s.open;
}

/* ---- and is told whether it may be the primary ---- */

/* A primary never says no, and neither does one of which nobody knows whether it is: keepalived
 * would take its addresses away. */
static bool may_be_primary(const struct daemon *d)
{
	struct verdict v;

	if (role_now(d->role) == ROLE_PRIMARY || role_doubted(d->role))
		return true;
	ask_daemon(&d->env, CTL_ASKS_READY, &v);
	return v.status == VERDICT_YES;
}

static void track(void *ctx, struct mono now)
{
	struct roles *r = ctx;

	track_file_set(&r->track, may_be_primary(r->d));
	ev_timer_set(r->d->loop, &r->timer, mono_add_ms(now, TRACK_MS));
}

static void on_changed(void *ctx, enum role_kind from, enum role_kind to, struct mono now)
{
	struct roles *r = ctx;

	(void)from;
	if (to == ROLE_PRIMARY) /* at once */
		track(r, now);
}

static void open_track(struct roles *r)
{
	struct daemon *d = r->d;

	if (!d->conf->role.track_file[0])
		return;
	r->track.path = d->conf->role.track_file;
	r->timer = (struct ev_timer){ .cb = track, .ctx = r, .name = "keepalived's track file" };
	r->watch = (struct role_watch){ .ctx = r, .changed = on_changed };
	role_watch_add(d->role, &r->watch);
	track(r, evloop_now(d->loop));
}

/* Without a daemon this node cannot take over without loss. */
static void close_track(struct roles *r)
{
	const struct daemon *d = r->d;

	if (!r->track.path)
		return;
	role_watch_del(&r->watch);
	ev_timer_del(d->loop, &r->timer);
	if (role_now(d->role) != ROLE_PRIMARY && !role_doubted(d->role))
		track_file_set(&r->track, false);
}

/* ---- addresses that leave ---- */

/* Without the addresses the daemon does what it can. */
static int open_leaving(struct daemon *d)
{
	struct text err = { 0 };

	if (addrs_open(d->loop, NULL, NULL, &d->addrs, &err) < 0) {
		log_warnx("%s: flows that go with an address are told as ended",
			  err.buf ? err.buf : "no memory for addresses");
		text_free(&err);
		return 0;
	}
	d->leaving = leaving_open(d->loop, d->addrs, d->pipeline, d->activity);
	return d->leaving ? 0 : -ENOMEM;
}

/* ---- lifetime ---- */

int roles_open(struct daemon *d)
{
	struct role_env env = {
		.activity = d->activity,
		.jobs = d->jobs,
		.has_external = pipeline_external(d->pipeline),
		.has_internal = d->reconcile,
		.tells = sync_can(&d->conf->sync, SYNC_ASKS),
		.ctx = d,
		.take = take,
		.leave = leave,
		.ask = ask,
	};

	if (!pipeline_sync(d->pipeline))
		return 0;
	d->role = role_new(&env);
	d->roles = calloc(1, sizeof(*d->roles));
	if (!d->role || !d->roles)
		return -ENOMEM;
	d->roles->d = d;
	if (open_leaving(d) < 0)
		return -ENOMEM;
	open_track(d->roles);
	return open_fifo(d->roles);
}

void roles_close(struct daemon *d)
{
	if (d->roles) {
		role_fifo_close(d->roles->fifo);
		if (d->role)
			close_track(d->roles);
	}
	leaving_close(d->leaving);
	addrs_close(d->addrs);
	d->leaving = NULL;
	d->addrs = NULL;
	free(d->roles);
	d->roles = NULL;
	role_free(d->role);
	d->role = NULL;
}
