/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The windows of our own entries at a take-over.
 *
 * There and back before the purge: the entries of this node were made by the handshakes of then,
 * and their windows stand where the connections were when they left. The other node has forwarded
 * them since, and has told nothing, because established TCP makes no events. To such an entry each
 * packet of today is invalid, in both directions.
 *
 * With an external cache the commit comes by those that the peer has told of (row 7). The others
 * are left over: the peer's last word was the connection's end, or the cable was cut. If their
 * ports are in use again, of the next connection every packet is invalid; and one that begins after
 * the take-over gets no answer while its server still has the half of an older one, because the
 * server's word about that (RFC 5961, a challenge ACK) is dropped. Without external cache
 * (DisableExternalCache) the commit brings none at all.
 *
 * So the kernel's table is read, and each entry that has windows, and that no commit judges, is put
 * to the judge (flow/judge.h, CT_WAY_OWN) through the same machine. Nothing is created, replaced or
 * removed; mark, labels and state are not touched. A life is raised where no commit has judged;
 * after one it is left alone, because the next commit has to see by it, and by what is remembered
 * of packets, that another flow uses the entry. For the same reason the walk comes after the commit
 * and not beside it.
 *
 *	read			entry wanted: into the machine; no room for another read: the dump
 *				pauses
 *	machine has room	the dump goes on
 *	dump ends		more was read than there was room for, or the table was resized
 *				meanwhile: once more else done when the machine is empty
 *
 * What a peer has put into our kernel is liberal already, unless windows are tracked, and costs a
 * place in the dump only. */
#include "follow/windows.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/ct_timeouts.h"

#define READS	3u  /* of the whole table, at most */
#define LATE_S	10u /* the addresses of an active node may go so long after its -t or -n */
#define LIBERAL IP_CT_TCP_FLAG_BE_LIBERAL

_Static_assert(CT_BATCH_FLIGHT >= CT_DUMP_READ_MAX,
	       "what one read delivers finds room in an empty machine");

struct windows {
	struct evloop *loop;
	struct windows_cb cb;
	struct ct_dump *dump;
	struct ct_put *put;
	struct ev_work work;
	struct ct_timeouts timeouts;
	bool running, dumped, missed;
	unsigned int reads;
	uint32_t active_s, left_s;
	bool took_over, after_commit;
	struct mono start;
	struct windows_result res;
};

bool windows_may_judge(const struct ct_flow *f, const uint8_t tcp_flags[2])
{
	if (f->l4 != IPPROTO_TCP || !(f->has & FLOW_HAS_STATUS) || !(f->status & IPS_ASSURED) ||
	    flow_is_offloaded(f) || !(f->has & FLOW_HAS_PROTO_STATE) ||
	    (tcp_flags[0] & tcp_flags[1] & LIBERAL))
		return false;
	return f->proto_state == TCP_CONNTRACK_ESTABLISHED ||
	       f->proto_state == TCP_CONNTRACK_FIN_WAIT ||
	       f->proto_state == TCP_CONNTRACK_CLOSE_WAIT ||
	       f->proto_state == TCP_CONNTRACK_LAST_ACK;
}

/* Has a packet passed here after all those of the activity before? */
static bool used_since_left(const struct windows *w, const struct ct_flow *f, struct mono now)
{
	return w->left_s && mono_s(now) > w->left_s + LATE_S + ct_timeouts_idle_s(&w->timeouts, f);
}

static void on_entry(void *ctx, const struct ct_flow *f, const struct ct_seen *seen,
		     struct mono now)
{
	struct windows *w = ctx;
	struct ct_wish wish = {
		.way = CT_WAY_OWN,
		.kept_s = ct_timeouts_of(&w->timeouts, f),
		.changed_s = w->active_s,
		.active_s = w->active_s,
		.took_over = w->took_over,
		.windows_only = w->after_commit,
	};
	struct ct_flow own;

	w->res.total += w->reads == 1;
	if (!windows_may_judge(f, seen->tcp_flags) || used_since_left(w, f, now))
		return;
	flow_copy(&own, f);
	own.rare = NULL;
	own.has &= FLOW_HAS_PORTS | FLOW_HAS_ZONE | FLOW_HAS_REPLY | FLOW_HAS_STATUS |
		   FLOW_HAS_TIMEOUT;
	if (!w->cb.pass(w->cb.ctx, &own))
		return;
	if (ct_put_room(w->put) == 0) {
		w->missed = true;
		return;
	}
	own.has |= FLOW_HAS_PROTO_STATE;
	wish.f = &own;
	ct_put_add(w->put, &wish);
	ev_work_arm(w->loop, &w->work);
}

static void on_put(void *ctx, const struct ct_result *r, struct mono now)
{
	struct windows *w = ctx;

	w->res.loosened += r->loosened;
	w->res.failed += r->outcome == CT_FAILED;
	if (r->loosened && r->written && w->cb.written)
		w->cb.written(w->cb.ctx, r->entry, now);
}

static void on_room(void *ctx, struct mono now)
{
	struct windows *w = ctx;

	(void)now;
	if (w->running)
		ev_work_arm(w->loop, &w->work);
}

static void on_part(void *ctx, struct mono now)
{
	struct windows *w = ctx;

	(void)now;
	if (ct_put_room(w->put) < CT_DUMP_READ_MAX)
		ct_dump_pause(w->dump, true);
}

static void on_dumped(void *ctx, int err, struct mono now)
{
	struct windows *w = ctx;

	(void)now;
	w->dumped = true;
	if (err == -EINTR)
		w->missed = true;
	else
		w->res.err = err;
	ev_work_arm(w->loop, &w->work);
}

static int read_table(struct windows *w)
{
	w->missed = false;
	w->reads++;
	w->dumped = false;
	return ct_dump_start(w->dump, 0);
}

static bool step(void *ctx, struct mono now)
{
	struct windows *w = ctx;
	struct windows_result res;

	ct_put_step(w->put, now);
	if (!w->dumped) {
		if (ct_put_room(w->put) >= CT_DUMP_READ_MAX)
			ct_dump_pause(w->dump, false);
		return false;
	}
	if (ct_put_busy(w->put) > 0)
		return false;
	if (w->missed && !w->res.err) {
		w->res.err = w->reads < READS ? read_table(w) : -EINTR;
		if (!w->res.err)
			return false;
	}
	w->running = false;
	w->res.duration_us = mono_diff_ns(now, w->start) / 1000;
	res = w->res;
	w->cb.done(w->cb.ctx, &res, now);
	return false;
}

int windows_start(struct windows *w, enum windows_when when, struct mono active, struct mono left,
		  struct mono now)
{
	int err;

	if (w->running)
		return -EBUSY;
	w->res = (struct windows_result){ 0 };
	w->active_s = mono_s(mono_is_set(active) ? active : now);
	w->after_commit = when == WINDOWS_AFTER_COMMIT;
	w->left_s = mono_is_set(left) ? mono_s(left) : 0;
	w->took_over = ct_took_over(w->active_s, mono_s(now));
	w->start = now;
	w->reads = 0;
	ct_timeouts_read(&w->timeouts);
	ct_put_timeouts(w->put);
	err = read_table(w);
	w->running = err == 0;
	return err;
}

const struct windows_result *windows_progress(const struct windows *w)
{
	return &w->res;
}

/* ---- lifetime ---- */

uint32_t windows_portid(const struct windows *w)
{
	return ct_put_portid(w->put);
}

int windows_open(struct evloop *loop, const struct windows_cb *cb, struct windows **out,
		 struct text *err)
{
	struct windows *w = calloc(1, sizeof(*w));
	struct ct_put_cb put = { .ctx = w, .done = on_put, .room = on_room, .caller = cb->caller };
	struct ct_dump_cb dump = {
		.ctx = w, .entry = on_entry, .part = on_part, .done = on_dumped
	};
	int ret;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->cb = *cb;
	w->work = (struct ev_work){ .step = step, .ctx = w, .name = "windows" };
	ret = ct_put_open(loop, &put, "window requests", CT_BATCH_FLIGHT, true, &w->put, err);
	if (ret == 0)
		ret = ct_dump_open(loop, &dump, &w->dump, err);
	if (ret < 0) {
		windows_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

void windows_close(struct windows *w)
{
	if (!w)
		return;
	ev_work_del(w->loop, &w->work);
	ct_dump_close(w->dump);
	ct_put_close(w->put);
	free(w);
}
