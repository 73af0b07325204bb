/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules across options, after everything was read: what has to be there, what contradicts each
 * other, and defaults that depend on other options. Nothing here asks the machine; whether an
 * interface or an address exists is found out by the daemon.
 */
#include "conf/conf_ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETLINK_BUFFER_MIN     2304 /* bytes; the kernel takes no less (seen on 6.1) */
#define SCHED_PRIORITY_DEFAULT 99

static const struct conf_seen *seen(struct conf_ctx *ctx, enum conf_section section,
				    const char *name)
{
	return conf_seen_in(ctx, section, name, 0);
}

static void check_mode(struct conf_ctx *ctx)
{
	const struct conf_place top = { .file = ctx->file, .line = 1, .column = 1 };
	bool both = ctx->sync_at.line && ctx->stats_at.line;

	ctx->conf.mode = ctx->sync_at.line && !(both && ctx->prefer_stats) ? CONF_MODE_SYNC :
			 ctx->stats_at.line				   ? CONF_MODE_STATS :
									     CONF_MODE_HELPER_ONLY;
	if (both && ctx->prefer_stats)
		conf_warn(ctx, &ctx->sync_at,
			  "section Sync is not used: section Stats in line %u is, because of -S",
			  ctx->stats_at.line);
	else if (both)
		conf_warn(ctx, &ctx->stats_at,
			  "section Stats is not used: section Sync in line %u is; with -S the "
			  "statistics mode runs instead",
			  ctx->sync_at.line);
	if (!ctx->sync_at.line && !ctx->stats_at.line && !ctx->helper_at.line &&
	    !ctx->sync_not_understood)
		conf_error(ctx, &top,
			   "there is nothing to do: neither section Sync nor Stats nor Helper is "
			   "there");
}

static void check_timers(struct conf_ctx *ctx)
{
	struct sync_conf *s = &ctx->conf.sync;
	const struct conf_seen *commit = seen(ctx, CONF_SYNC, "CommitTimeout");
	const struct conf_seen *refresh = seen(ctx, CONF_ALARM, "RefreshTime");
	const struct conf_seen *cache_timeout = seen(ctx, CONF_ALARM, "CacheTimeout");

	if (commit->given && !commit->bad && s->commit_timeout_s && s->disable_external) {
		conf_warn(ctx, &commit->at,
			  "CommitTimeout has no effect with DisableExternalCache on");
		s->commit_timeout_s = 0; /* or no timeouts would be sent to the peer */
	}
	if (s->mode == SYNC_MODE_ALARM && s->cache_timeout_s <= s->refresh_s && !refresh->bad &&
	    !cache_timeout->bad && (refresh->given || cache_timeout->given))
		conf_warn(ctx, cache_timeout->given ? &cache_timeout->at : &refresh->at,
			  "CacheTimeout (%u) is not longer than RefreshTime (%u): states may "
			  "expire before they are sent again",
			  s->cache_timeout_s, s->refresh_s);
}

static void check_gate(struct conf_ctx *ctx)
{
	struct gate_conf *g = &ctx->conf.gate;
	const struct conf_seen *wait = seen(ctx, CONF_GATE, "Wait");

	if (!g->on)
		return;
	if (ctx->conf.sync.disable_external && !wait->given) {
		conf_warn(
			ctx, &ctx->gate_at,
			"Gate has no effect with DisableExternalCache on, but with Wait: there is "
			"nothing to commit");
		g->on = false;
	} else if (!ctx->conf.sync.disable_external && wait->given) {
		conf_warn(ctx, &wait->at,
			  "Wait has no effect without DisableExternalCache on: packets wait for "
			  "the commit");
	} else if (wait->given && g->rules == GATE_RULES_NATIVE) {
		conf_warn(ctx, &seen(ctx, CONF_GATE, "Rules")->at,
			  "Rules native has no effect with Wait: rules of yours have to queue the "
			  "packets (conntrackd.conf(5), Gate)");
	}
}

static void check_sync(struct conf_ctx *ctx)
{
	struct sync_conf *s = &ctx->conf.sync;

	if (!seen(ctx, CONF_OPTIONS, "ActiveActive")->given)
		s->active_active = s->disable_external;
	if (!ctx->mode_given && !ctx->sync_not_understood)
		conf_warn(ctx, &ctx->sync_at, "section Sync has no Mode: FTFW is taken");
	check_timers(ctx);
	if (ctx->expect_at.line && !ctx->conf.sync.expect.n_names && ctx->conf.sync.expect.on)
		conf_warn(ctx, &ctx->expect_at,
			  "the list of helpers is empty: expectations of all helpers are "
			  "replicated; write ExpectationSync on if that is meant");
	check_gate(ctx);
	conf_check_links(ctx);
}

static void check_netlink_buffer(struct conf_ctx *ctx)
{
	struct kernel_conf *k = &ctx->conf.kernel;
	const struct conf_seen *size = seen(ctx, CONF_GENERAL, "NetlinkBufferSize");
	const struct conf_seen *growth = seen(ctx, CONF_GENERAL, "NetlinkBufferSizeMaxGrowth");

	if (k->netlink_buffer && k->netlink_buffer < NETLINK_BUFFER_MIN)
		conf_warn(ctx, &size->at,
			  "NetlinkBufferSize %u: the kernel makes %d bytes of it, which hold "
			  "hardly one event",
			  k->netlink_buffer, NETLINK_BUFFER_MIN);
	if (k->netlink_buffer_max && k->netlink_buffer_max < k->netlink_buffer)
		conf_warn(
			ctx, &growth->at,
			"NetlinkBufferSizeMaxGrowth is smaller than NetlinkBufferSize: %u is taken",
			k->netlink_buffer);
	if (k->netlink_buffer_max < k->netlink_buffer)
		k->netlink_buffer_max = k->netlink_buffer;
}

/* 
 * With PollSecs the socket of the kernel's events is not opened at all. Then changes of state are
 * seen seconds late, and short flows never; options for events beside PollSecs show that this was
 * not intended.
 */
static void check_polling(struct conf_ctx *ctx)
{
	static const char *const of_events[] = {
		"NetlinkEventsReliable",      "NetlinkOverrunResync", "NetlinkBufferSize",
		"NetlinkBufferSizeMaxGrowth", "EventIterationLimit",
	};
	const struct conf_seen *poll = seen(ctx, CONF_GENERAL, "PollSecs");
	const struct kernel_conf *k = &ctx->conf.kernel;
	char names[128] = "";
	size_t used = 0;

	if (!k->poll_s || poll->bad)
		return;
	for (size_t i = 0; i < sizeof(of_events) / sizeof(of_events[0]); i++) {
		const struct conf_seen *option = seen(ctx, CONF_GENERAL, of_events[i]);
		bool off = (i == 0 && !k->events_reliable) || (i == 1 && !k->overrun_resync_s);

		if (option->given && !option->bad && !off)
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? ", " : "", of_events[i]);
	}
	if (used)
		conf_warn(ctx, &poll->at,
			  "PollSecs turns the kernel's events off (its table is read every %u s "
			  "instead), so these options have no effect: %s",
			  k->poll_s, names);
}

static void check_scheduler(struct conf_ctx *ctx)
{
	const struct conf_seen *priority = seen(ctx, CONF_SCHEDULER, "Priority");
	struct conf_sched *s = &ctx->conf.sched;

	if (priority->given && !priority->bad && !s->priority) {
		conf_warn(ctx, &priority->at,
			  "Priority 0: real-time policies have 1 to 99, so the ordinary policy of "
			  "the system is used");
		s->type = CONF_SCHED_UNSET;
		return;
	}
	if (s->type == CONF_SCHED_UNSET && s->priority)
		s->type = CONF_SCHED_RR;
	if (s->type != CONF_SCHED_UNSET && !s->priority)
		s->priority = SCHED_PRIORITY_DEFAULT;
}

static int compare_nets(const void *a, const void *b)
{
	const struct filter_net *x = a, *y = b;
	int d;

	if (x->family != y->family)
		return x->family == AF_INET ? -1 : 1;
	d = memcmp(&x->addr, &y->addr, x->family == AF_INET ? 4 : 16);
	return d ? d : (int)x->prefix - (int)y->prefix;
}

static void drop_double_nets(struct filter_conf *f)
{
	size_t n = 0;

	if (f->n_nets)
		qsort(f->nets, f->n_nets, sizeof(*f->nets), compare_nets);
	for (size_t i = 0; i < f->n_nets; i++) {
		if (!n || compare_nets(&f->nets[n - 1], &f->nets[i]))
			f->nets[n++] = f->nets[i];
	}
	f->n_nets = n;
}

/* An Accept list without a member lets no flow pass, here and with 1.4.x; with From Kernelspace
 * 1.4.x treats such a list as if there were none. */
static void check_empty(struct conf_ctx *ctx, const char *set, enum filter_policy *policy,
			bool empty, const struct conf_place *at)
{
	if (*policy != FILTER_ACCEPT || !empty)
		return;
	if (!ctx->conf.filter.kernelspace) {
		conf_error(ctx, at, "%s: the Accept list is empty: nothing would pass", set);
		return;
	}
	conf_warn(ctx, at,
		  "%s: the Accept list is empty: taken as if it were not there, as 1.4.x does From "
		  "Kernelspace",
		  set);
	*policy = FILTER_NONE;
}

static void check_filter(struct conf_ctx *ctx)
{
	struct filter_conf *f = &ctx->conf.filter;
	bool protos = false;

	for (size_t i = 0; i < sizeof(f->proto) / sizeof(f->proto[0]); i++)
		protos = protos || f->proto[i];
	check_empty(ctx, "Protocol", &f->proto_policy, !protos && !ctx->proto_bad, &ctx->proto_at);
	check_empty(ctx, "Address", &f->addr_policy, !f->n_nets, &ctx->addr_at);
	if (f->state_policy == FILTER_ACCEPT && !f->tcp_states && !ctx->state_bad &&
	    !f->kernelspace)
		conf_warn(ctx, &ctx->state_at,
			  "State: the Accept list is empty: no TCP flow passes");
	else
		check_empty(ctx, "State", &f->state_policy, !f->tcp_states && !ctx->state_bad,
			    &ctx->state_at);
	drop_double_nets(f);
	if (f->kernelspace && f->addr_policy != FILTER_NONE)
		conf_warn(ctx, &ctx->addr_at,
			  "Address From Kernelspace means the same as From Userspace: original "
			  "source or reply source; 1.4.x compared original source and destination");
}

static void check_role(struct conf_ctx *ctx)
{
	const struct conf_seen *fifo = seen(ctx, CONF_ROLE, "Fifo");
	const struct conf_seen *track = seen(ctx, CONF_ROLE, "TrackFile");
	const struct role_conf *r = &ctx->conf.role;

	if (ctx->role_at.line && ctx->conf.mode != CONF_MODE_SYNC)
		conf_warn(ctx, &ctx->role_at,
			  "section Role has no effect without section Sync: there is no role");
	if (ctx->role_at.line && !fifo->given && !track->given)
		conf_warn(ctx, &ctx->role_at,
			  "section Role has no effect without Fifo or TrackFile");
	else if (!fifo->given && r->instances.n + r->groups.n > 0)
		conf_warn(ctx, &ctx->role_at,
			  "section Role: Instance and Group have no effect without Fifo");
	if (r->fifo[0] && strcmp(r->fifo, r->track_file) == 0)
		conf_error(ctx, &track->at, "TrackFile: \"%s\" is the Fifo of line %u",
			   r->track_file, fifo->at.line);
}

void conf_check(struct conf_ctx *ctx)
{
	check_mode(ctx);
	if (ctx->sync_at.line)
		check_sync(ctx);
	if (ctx->conf.mode != CONF_MODE_SYNC)
		ctx->conf.channel.n_links = 0; /* read and checked, but not used */
	check_netlink_buffer(ctx);
	check_polling(ctx);
	check_scheduler(ctx);
	check_filter(ctx);
	check_role(ctx);
	conf_check_helpers(ctx);
}
