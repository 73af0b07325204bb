/* SPDX-License-Identifier: GPL-2.0-or-later */
/* THE DATA PATH ON ONE SCREEN.
 *
 *   kernel event -> pipeline_event --> source: filter, internal cache -> sync (queued once)
 *   end of turn --> pipeline_turn ---> sync_transmit -> path_encode -> proto->put_flow -> datagram
 *   datagram -----> pipeline_datagram: proto->next -> sync_recv -> sink: external cache, or kernel
 *
 * This file only connects: what an event means is decided in cache/, what is sent and when in
 * sync/, what the bytes are in proto/. The source and the sink (node/source.h, node/sink.h) are
 * what the settings of the caches make them; nothing here asks for those. In the statistics mode
 * there is no sync, and the path ends in the source, whose ended flows go to the flow log.
 *
 * Beside it, all of them parts of the same object (node/path.h):
 *
 *   source_cache.c	what our kernel tells, through the internal cache
 *   source_bypass.c	the same without one: a record lives until its message has been made
 *   source.c		otherwise than by an event: dumps, answers, our own commits and flushes
 *   sink_cache.c	what the peers tell, into the external cache
 *   sink_kernel.c	the same into our kernel: which of its flows are the peers'
 *   exp_path.c		the same way for expectations
 *   records.c		what sync asks about an id, which may name a flow or an expectation
 *   ambiguous.c	flows that peers could not tell apart
 *   complete.c		caches that are not complete, and their repair
 *   stale.c		out of the external cache without a message, in steps
 *   path.c		the steps that all these share
 *   pipeline_new.c	made, taken apart
 *
 * Nothing here depends on a socket or on the clock: the simulation in tests/sim links these very
 * files. */
#include "node/pipeline.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "cache/peer_flows.h"
#include "node/path.h"
#include "node/sink.h"
#include "node/source.h"

#define VERSION_LOG_MS 3600000

/* ---- our kernel -> source -> sync ---- */

/* Apart, so that only such flows pay for the copy. */
static __attribute__((noinline)) void path_event_offloaded(struct pipeline *p, enum ct_event what,
							   bool packet, const struct ct_flow *f,
							   struct mono now)
{
	struct ct_flow copy;

	p->source->event(p, what, packet, path_with_timeout(p, f, &copy), now);
}

void pipeline_event(struct pipeline *p, enum ct_event what, const struct ct_flow *f,
		    struct mono now)
{
	bool packet = !(what & CT_EVENT_WRITTEN);

	what &= CT_EVENT_KIND;
	p->stats.events++;
	if (what == CT_EVENT_DESTROY)
		p->sink->ended_here(p, f, packet, now);
	if (what != CT_EVENT_DESTROY && flow_is_offloaded(f))
		path_event_offloaded(p, what, packet, f, now);
	else
		p->source->event(p, what, packet, f, now);
}

/* ---- sync -> proto -> datagram ---- */

static enum msg_change path_change(const struct pipeline *p, const struct flow_rec *rec)
{
	if (rec->state == REC_DEAD)
		return MSG_END;
	/* A dump of an offloaded connection tells no window scales: the peer is to keep those it
	 * knows. */
	if (flow_is_offloaded(&rec->flow) && rec->flow.l4 == IPPROTO_TCP &&
	    !(rec->flow.has & FLOW_HAS_WSCALE))
		return MSG_UPDATE;
	return p->source->change(rec);
}

/* Said once: which names there are changes with the configuration only. */
static void path_helper_left_out(struct pipeline *p, const struct ct_flow *f)
{
	char line[200];

	if (p->stats.helpers_left_out++ > 0)
		return;
	snprintf(line, sizeof(line),
		 "the helper name '%.*s' has more than %d characters: 1.4.x would refuse such "
		 "flows, so "
		 "they are sent without it",
		 FLOW_HELPER_MAX - 1, f->rare->helper, p->proto->helper_max);
	path_log(p, LOG_LVL_WARNING, line);
}

/* A peer that puts the flow into its kernel takes what it is told for the life from now on. In a
 * full send that would give new life to what was told long ago and has ended elsewhere since.
 * Returns f, or *left with the rest of the life told last. */
static const struct ct_flow *path_left(const struct pipeline *p, const struct flow_rec *rec,
				       struct ct_flow *left)
{
	uint32_t age = mono_s(p->now) - rec->updated_s;

	if (!p->sink->in_kernel || age == 0 || !(rec->flow.has & FLOW_HAS_TIMEOUT) ||
	    age >= rec->flow.timeout_s)
		return &rec->flow;
	flow_copy(left, &rec->flow);
	left->timeout_s -= age;
	return left;
}

int path_encode(void *ctx, uint32_t id, uint32_t seq, uint8_t hello, struct writer *out)
{
	struct message msg = { .kind = MSG_FLOW, .hello = hello, .seq = seq };
	struct pipeline *p = ctx;
	const struct flow_rec *rec;
	struct ct_flow left;
	int err;

	if (flow_id_is_expect(id))
		return exp_path_encode(p->expects, id, &msg, p->proto, &p->rules, out);
	rec = table_rec(p->own, id);
	msg.change = (uint8_t)path_change(p, rec);
	err = p->proto->put_flow(out, &msg, path_left(p, rec, &left), &p->rules);
	if (err < 0)
		return err;
	p->stats.sent[msg.change]++;
	if (msg.change != MSG_END && proto_helper_too_long(p->proto, &rec->flow))
		path_helper_left_out(p, &rec->flow);
	return 0;
}

/* ---- datagram -> proto -> sync -> sink ---- */

static void path_other_version(struct pipeline *p, const struct peer_addr *from, uint8_t version,
			       struct mono now)
{
	struct peer_addr spoke = *from;
	char line[160], addr[INET6_ADDRSTRLEN];

	sync_other_protocol(p->sync, from, now);
	if (!log_limit_pass(&p->version_log, 1, VERSION_LOG_MS, now, NULL))
		return;
	if (p->env.out.speaks_from)
		p->env.out.speaks_from(p->env.out.ctx, &spoke);
	if (!inet_ntop(spoke.family, spoke.addr, addr, sizeof(addr)))
		snprintf(addr, sizeof(addr), "?");
	snprintf(line, sizeof(line),
		 "%s sends messages of protocol version %u: they are ignored, only version %u is "
		 "known",
		 addr, version, p->proto->version);
	path_log(p, LOG_LVL_WARNING, line);
}

static void path_check_silence(struct pipeline *p, struct mono now)
{
	char line[240];

	if (!mono_is_set(p->silence_due) || mono_before(now, p->silence_due))
		return;
	p->silence_due = (struct mono){ 0 };
	snprintf(line, sizeof(line),
		 "no message of a peer within %d s: does it run, with the same kind of link, the "
		 "same "
		 "group or addresses and the same port, and do firewall rules let the link's "
		 "traffic in?",
		 PATH_SILENCE_MS / 1000);
	path_log(p, LOG_LVL_WARNING, line);
}

void pipeline_datagram(struct pipeline *p, const struct peer_addr *from, const uint8_t *bytes,
		       size_t n, struct mono now)
{
	struct cursor datagram;

	if (p->sealed.seal.ops)
		bytes = sealed_open(&p->sealed, from, bytes, &n);
	if (!bytes) {
		sync_count_refused(p->sync, PROTO_BAD_SEAL);
		return;
	}
	datagram = cur_init(bytes, n);
	while (datagram.left > 0) {
		struct message msg;
		struct cursor body;
		enum proto_err err = p->proto->next(&datagram, &msg, &body);

		if (err == PROTO_OK) {
			p->silence_due = (struct mono){ 0 };
			sync_recv(p->sync, from, &msg, body, now);
			continue;
		}
		sync_count_refused(p->sync, err);
		/* Of others the length cannot be trusted, so where the next message starts is
		 * unknown. */
		if (err != PROTO_BAD_VERSION)
			break;
		path_other_version(p, from, msg.version, now);
	}
	path_settle(p);
}

ssize_t pipeline_frame(struct pipeline *p, const uint8_t *bytes, size_t n)
{
	const struct seal *seal = &p->sealed.seal;
	size_t len = 0;
	enum proto_err err;

	if (seal->ops)
		return seal->ops->length(seal->ctx, bytes, n);
	err = p->proto->length(cur_init(bytes, n), &len);
	if (err == PROTO_MORE)
		return 0;
	if (err == PROTO_OK || err == PROTO_BAD_VERSION) /* skipped, as in a datagram */
		return (ssize_t)len;
	sync_count_refused(p->sync, err);
	return -1;
}

/* ---- time and sending ---- */

struct mono pipeline_turn(struct pipeline *p, struct mono now, bool *again)
{
	struct mono next;
	bool more;

	*again = false;
	if (!p->sync)
		return complete_step(p, now);
	p->now = now;
	next = p->source->turn(p, now);
	next = mono_min(complete_step(p, now), mono_min(stale_ask(p, now), next));
	next = mono_min(next, sync_tick(p->sync, now));
	path_settle(p);
	more = sync_transmit(p->sync, now);
	more = stale_expire_step(p, now) || more;
	more |= peer_flows_sweep_step(p->peer_flows);
	more |= p->source->more(p);
	*again = stale_sweep_step(p, now) || more;
	path_check_silence(p, now);
	return mono_min(next, mono_min(p->silence_due, p->expire_due));
}
