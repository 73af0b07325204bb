/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate between the kernel's queue, the caches and the role of this node.
 *
 * Nobody tells the gate that the role has changed: at the end of each turn of the loop it looks. So
 * whatever may set the role one day, the gate follows. A commit has begun or waits by the end of
 * the turn in which the node became active; when there is none, everything is there that will be.
 *
 * While the gate is open nothing listens to the queue, and rules with "bypass" let packets by. To
 * stop listening is to drop what is in the queue, so first the queue is told to let by what is
 * new, then what waits gets its verdicts, and only an empty queue is closed. */
#include "daemon/gating.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "command/gate_values.h"
#include "daemon/own_addrs.h"
#include "gate/packet.h"
#include "queue/queue.h"
#include "queue/queue_rules.h"

#define RENEW_MS (QUEUE_RULES_TIMEOUT_MS / 4)
#define AGAIN_MS 5000 /* after the queue could not be opened */

struct gating {
	struct evloop *loop;
	struct gate_conf conf;
	const struct activity *activity;
	const struct jobs *jobs;
	struct gate *gate;
	struct ahead *ahead;
	struct own_addrs *own;
	struct queue_rules *rules; /* NULL: they are somebody else's */
	struct mono renewed;
	struct packet_queue *queue; /* NULL while the gate is open */
	struct ev_timer tick, renew;
	struct ev_work work;
	struct mono again;	 /* not before: the queue could not be opened */
	char lacks[256];	 /* why */
	uint64_t dropped_kernel; /* of queues that were closed since */
};

/* ---- what the gate asks ---- */

static enum gate_known on_known(void *ctx, const struct ct_flow *tuple, struct mono now)
{
	const struct gating *g = ctx;

	switch (ahead_known(g->ahead, tuple, now)) {
	case AHEAD_UNKNOWN:
		return GATE_UNKNOWN;
	case AHEAD_UNSURE:
		return GATE_UNSURE;
	case AHEAD_MISSING:
		return GATE_MISSING;
	case AHEAD_THERE:
		return GATE_THERE;
	}
	return GATE_UNSURE;
}

static bool on_commit(void *ctx, const struct ct_flow *tuple, struct mono now)
{
	const struct gating *g = ctx;

	return ahead_commit(g->ahead, tuple, now);
}

static void on_sweep(void *ctx, const struct ct_flow *const *tuples, size_t n, struct mono now)
{
	const struct gating *g = ctx;

	ahead_sweep(g->ahead, tuples, n, now);
}

static bool on_own(void *ctx, uint8_t l3, const uint8_t *addr)
{
	const struct gating *g = ctx;

	return own_addrs_has(g->own, l3, addr);
}

static void on_verdict(void *ctx, uint32_t packet, bool pass)
{
	const struct gating *g = ctx;

	if (g->queue) /* else the kernel has dropped all that it held */
		packet_queue_verdict(g->queue, packet, pass);
}

/* ---- what the gate is told ---- */

static void settle(struct gating *g)
{
	ev_work_arm(g->loop, &g->work);
}

static bool on_work(void *ctx, struct mono now)
{
	struct gating *g = ctx;
	bool more = gate_step(g->gate, now);

	if (g->queue)
		packet_queue_flush(g->queue);
	return more;
}

static void on_tick(void *ctx, struct mono now)
{
	(void)now;
	settle(ctx);
}

static void on_sure(void *ctx, struct mono now)
{
	struct gating *g = ctx;

	(void)now;
	gate_sure(g->gate);
	settle(g);
}

static void on_swept(void *ctx, struct mono now)
{
	struct gating *g = ctx;

	gate_swept(g->gate, now);
	settle(g);
}

static void on_packet(void *ctx, const struct queue_packet *p)
{
	struct gating *g = ctx;

	gate_packet(g->gate, p->id, p->l3, p->bytes, p->len, evloop_now(g->loop));
}

/* ---- closing and opening ---- */

/* Rules of our own queue for a second, and are told so again and again. */
static int hold_rules(struct gating *g, bool on, struct mono now)
{
	g->renewed = now;
	return g->rules ? queue_rules_hold(g->rules, on) : 0;
}

static bool is_closed(const struct gating *g)
{
	return gate_state(g->gate) == GATE_CLOSED || gate_state(g->gate) == GATE_OPENING;
}

static void on_renew(void *ctx, struct mono now)
{
	struct gating *g = ctx;

	if (!is_closed(g))
		return;
	if (hold_rules(g, true, now) < 0 && !g->lacks[0]) {
		snprintf(g->lacks, sizeof(g->lacks), "its rules are gone");
		log_errx("gate: its rules are gone: nothing is held any more");
	}
	ev_timer_set(g->loop, &g->renew, mono_add_ms(now, RENEW_MS));
}

static int open_queue(struct gating *g, bool passing, struct text *err)
{
	const struct queue_cb cb = { .ctx = g, .packet = on_packet };
	const struct queue_conf conf = {
		.num = (uint16_t)g->conf.queue_num,
		.max_len = g->conf.queue_len,
		.copy_range = GATE_PACKET_COPY,
		.gso = true,
		.passing = passing,
	};

	return packet_queue_open(g->loop, &conf, &cb, &g->queue, err);
}

static void close_queue(struct gating *g)
{
	struct queue_kernel k = { 0 };

	if (g->queue && queue_kernel_read((uint16_t)g->conf.queue_num, &k))
		g->dropped_kernel += k.dropped_full + k.dropped_socket;
	packet_queue_close(g->queue);
	g->queue = NULL;
}

/* What was held meanwhile went with the queue. */
static void never_mind(struct gating *g, struct mono now)
{
	close_queue(g);
	ahead_end(g->ahead);
	gate_all_there(g->gate);
	while (gate_step(g->gate, now))
		;
	gate_drained(g->gate);
}

static void shut(struct gating *g, struct mono now)
{
	struct text err = { 0 };
	int rc;

	if (mono_is_set(g->again) && mono_before(now, g->again))
		return;
	rc = own_addrs_take(g->own);
	if (rc == 0)
		rc = ahead_begin(g->ahead, now);
	gate_close(g->gate); /* packets may come while the queue is opened */
	if (rc == 0)
		rc = open_queue(g, false, &err);
	if (rc == 0 && hold_rules(g, true, now) < 0) {
		rc = -EINVAL;
		text_str(&err, "its rules are gone");
	}
	if (rc == 0) {
		log_notice("gate: closed");
		if (g->rules)
			ev_timer_set(g->loop, &g->renew, mono_add_ms(now, RENEW_MS));
		g->lacks[0] = '\0';
		g->again = (struct mono){ 0 };
	} else {
		const char *why = err.buf ? err.buf : strerror(-rc);

		never_mind(g, now);
		if (strncmp(g->lacks, why, sizeof(g->lacks) - 1) != 0)
			log_errx("gate: it cannot be closed: %s", why);
		snprintf(g->lacks, sizeof(g->lacks), "%s", why);
		g->again = mono_add_ms(now, AGAIN_MS);
	}
	text_free(&err);
}

static void all_there(struct gating *g, struct mono now)
{
	gate_all_there(g->gate);
	hold_rules(g, false, now);
	if (packet_queue_hold(g->queue, false) < 0)
		log_warnx("gate: the kernel goes on queueing packets: they pass, slowly");
	settle(g);
}

static void drain(struct gating *g)
{
	const struct gate_stats *s = gate_stats(g->gate);
	struct queue_kernel k = { 0 };

	if (gate_holds(g->gate) > 0 ||
	    (queue_kernel_read((uint16_t)g->conf.queue_num, &k) && k.waiting > 0))
		return;
	close_queue(g);
	ahead_end(g->ahead);
	gate_drained(g->gate);
	log_notice("gate: open; %" PRIu64 " packets were held, at most %" PRId64 " ms", s->held,
		   s->longest_ms);
}

static bool is_backup(const struct gating *g)
{
	return !activity_active(g->activity) && activity_role(g->activity) != ACTIVITY_NONE;
}

static void follow_role(struct gating *g, struct mono now)
{
	const bool backup = is_backup(g);

	if (gate_state(g->gate) == GATE_OPEN && backup)
		shut(g, now);
	if (gate_state(g->gate) == GATE_CLOSED && !backup) {
		gate_begin_open(g->gate);
		settle(g);
	}
	if ((gate_state(g->gate) == GATE_OPENING || gate_state(g->gate) == GATE_DRAINING) &&
	    backup) {
		gate_close(g->gate);
		packet_queue_hold(g->queue, true);
		hold_rules(g, true, now);
		if (g->rules)
			ev_timer_set(g->loop, &g->renew, mono_add_ms(now, RENEW_MS));
	}
	if (gate_state(g->gate) == GATE_OPENING && !jobs_running(g->jobs, JOB_COMMIT) &&
	    !jobs_waiting(g->jobs, JOB_COMMIT))
		all_there(g, now);
	if (gate_state(g->gate) == GATE_DRAINING)
		drain(g);
}

void gating_turn(struct gating *g, struct mono now)
{
	follow_role(g, now);
	if (g->queue)
		packet_queue_flush(g->queue);
	if (gate_holds(g->gate) > 0 || gate_state(g->gate) == GATE_DRAINING ||
	    (mono_is_set(g->again) && is_backup(g))) {
		if (!ev_timer_armed(&g->tick))
			ev_timer_set(g->loop, &g->tick, mono_add_ms(now, GATE_TICK_MS));
	}
}

void gating_values(const struct gating *g, struct gating_values *out)
{
	struct queue_kernel k = { 0 };

	if (g->queue)
		queue_kernel_read((uint16_t)g->conf.queue_num, &k);
	*out = (struct gating_values){
		.state = gate_state_name(gate_state(g->gate)),
		.holds = gate_holds(g->gate),
		.holds_tuples = gate_holds_tuples(g->gate),
		.gate = *gate_stats(g->gate),
		.dropped_kernel = g->dropped_kernel + k.dropped_full + k.dropped_socket,
		.lacks = g->lacks[0] ? g->lacks : NULL,
	};
	ahead_stats(g->ahead, &out->ahead);
}

/* ---- lifetime ---- */

static int open_rules(struct gating *g, const struct channel_conf *channel, struct text *err)
{
	const char *except[CHANNEL_LINKS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < channel->n_links; i++) {
		if (channel->link[i].ifname[0])
			except[n++] = channel->link[i].ifname;
	}
	return queue_rules_open((uint16_t)g->conf.queue_num, except, n, &g->rules, err);
}

static int open_parts(struct gating *g, const struct channel_conf *channel, struct commit *commit,
		      struct text *err)
{
	const struct gate_env env = {
		.ctx = g,
		.known = on_known,
		.commit = on_commit,
		.sweep = on_sweep,
		.own = on_own,
		.verdict = on_verdict,
	};
	const struct ahead_cb cb = { .ctx = g, .sure = on_sure, .swept = on_swept };
	struct hash_key key;
	int rc = hash_key_random(&key);

	if (rc == 0)
		rc = own_addrs_open(g->loop, &g->own, err);
	if (rc == 0)
		rc = ahead_open(g->loop, commit, &cb, &g->ahead, err);
	if (rc < 0)
		return rc;
	g->gate = gate_new(&g->conf, &env, &key);
	if (!g->gate)
		return -ENOMEM;
	/* That the queue is another program's should be said now, not in the hour of need. */
	if (g->conf.file)
		text_printf(err, "%s:%u:%u: gate: ", g->conf.file, g->conf.line, g->conf.column);
	rc = open_queue(g, true, err);
	close_queue(g);
	if (rc == 0 && g->conf.rules == GATE_RULES_NATIVE)
		rc = open_rules(g, channel, err);
	if (rc == 0)
		text_reset(err);
	return rc;
}

int gating_open(struct evloop *loop, const struct gate_conf *conf,
		const struct channel_conf *channel, const struct activity *activity,
		const struct jobs *jobs, struct commit *commit, struct gating **out,
		struct text *err)
{
	struct gating *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->conf = *conf;
	g->activity = activity;
	g->jobs = jobs;
	g->tick = (struct ev_timer){ .cb = on_tick, .ctx = g, .name = "gate" };
	g->renew = (struct ev_timer){ .cb = on_renew, .ctx = g, .name = "rules of the gate" };
	g->work = (struct ev_work){ .step = on_work, .ctx = g, .name = "gate" };
	rc = open_parts(g, channel, commit, err);
	if (rc < 0) {
		gating_close(g);
		return rc;
	}
	*out = g;
	return 0;
}

void gating_close(struct gating *g)
{
	if (!g)
		return;
	ev_timer_del(g->loop, &g->tick);
	ev_timer_del(g->loop, &g->renew);
	ev_work_del(g->loop, &g->work);
	queue_rules_close(g->rules);
	packet_queue_close(g->queue);
	gate_free(g->gate);
	ahead_close(g->ahead);
	own_addrs_close(g->own);
	free(g);
}

void gating_set_pipeline(struct gating *g, struct pipeline *p)
{
	ahead_set_pipeline(g->ahead, p);
}
