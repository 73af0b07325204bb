/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdicts about entries: a flow received from a peer is to be put into the kernel, or its end
 * was received, and the kernel already has an entry with one of its tuples.
 *
 * That entry may be the same connection, being forwarded right now; or what a packet in mid-stream
 * began, because packets were here before the commit; or what is left of the last time this node
 * was active; or the next connection of the same two ends; or another flow. Status bits do not show
 * which, since a program that writes an entry sets them; packets do. So evidence of packets is
 * gathered first, and the table of rules judges by that evidence.
 *
 * Equal tuples need no destruction: an entry updated in place serves the old connection and the new
 * one. Where the translations differ, or the flow has ended at the peer, the entry stays only if
 * packets have established its connection here, in both directions, later than the peer's last
 * change. A handshake does not count as that: to replace it costs a second, to keep it may cost a
 * connection.
 *
 * Not evidence: ASSURED and SEEN_REPLY of an entry that was written, time stamps (written ones have
 * them too), and CTA_ID, which the next entry of the same tuples gets again nearly always. */
#include "flow/judge.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#define NEVER	UINT32_MAX
#define NEWS_S	2u /* a packet of so few seconds ago is newer than news */
#define SLACK_S 2u /* the kernel counts whole seconds, and so do we */

/* One direction of a flow in comparable form. */
struct tuple {
	uint8_t src[16], dst[16];
	struct flow_ports ports;
	uint32_t l4;
};

_Static_assert(sizeof(struct tuple) == 40, "compared as bytes: no padding");

static void tuple_orig(struct tuple *t, const struct ct_flow *f)
{
	const uint8_t *addr = (const uint8_t *)&f->addr;
	size_t len = f->l3 == AF_INET ? 4 : 16;

	*t = (struct tuple){ .l4 = f->l4 };
	memcpy(t->src, addr, len);
	memcpy(t->dst, addr + len, len);
	if (f->has & FLOW_HAS_PORTS)
		t->ports = f->orig;
}

/* The reply tuple: the kernel's own, or what the kernel will make of the translations that a peer
 * has sent. */
static void tuple_reply(struct tuple *t, const struct ct_flow *f)
{
	const uint8_t *addr;
	size_t len = f->l3 == AF_INET ? 4 : 16;
	struct ct_flow m;

	flow_copy(&m, f);
	if (!(m.has & FLOW_HAS_REPLY))
		flow_mirror_reply(&m);
	addr = (const uint8_t *)&m.addr;
	*t = (struct tuple){ .l4 = m.l4 };
	memcpy(t->src, addr + 2 * len, len);
	memcpy(t->dst, addr + 3 * len, len);
	if (m.has & FLOW_HAS_PORTS)
		t->ports = m.reply;
}

static bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* How far a TCP connection is: a higher number is a later state. */
static unsigned int tcp_age(uint8_t state)
{
	switch (state) {
	case TCP_CONNTRACK_NONE:
		return 0;
	case TCP_CONNTRACK_SYN_SENT:
	case TCP_CONNTRACK_SYN_SENT2:
		return 1;
	case TCP_CONNTRACK_SYN_RECV:
		return 2;
	case TCP_CONNTRACK_ESTABLISHED:
		return 3;
	default:
		return 4; /* on its way out; CLOSE after a reset may come from any state */
	}
}

/* ---- evidence ---- */

static uint32_t status_of(const struct ct_flow *f)
{
	return f->has & FLOW_HAS_STATUS ? f->status : 0;
}

bool ct_has_ended(const struct ct_flow *f)
{
	return f->l4 == IPPROTO_TCP && (f->has & FLOW_HAS_PROTO_STATE) &&
	       (f->proto_state == TCP_CONNTRACK_TIME_WAIT || f->proto_state == TCP_CONNTRACK_CLOSE);
}

/* How many seconds ago the last packet of an entry was, from its timeout: every packet sets that to
 * this kernel's value for the state. 0 where nothing can be said, NEVER for a timeout that no
 * packet has set. */
static uint32_t idle_s(const struct ct_timeouts *t, const struct ct_flow *entry, bool shortest)
{
	uint32_t timeout_s = ct_timeouts_of(t, entry), idle = ct_timeouts_idle_s(t, entry);

	if (timeout_s == 0 || !(entry->has & FLOW_HAS_TIMEOUT) ||
	    (status_of(entry) & (IPS_OFFLOAD | IPS_HW_OFFLOAD | IPS_FIXED_TIMEOUT)))
		return 0;
	if (entry->timeout_s > timeout_s)
		return NEVER;
	return shortest ? idle : timeout_s - entry->timeout_s;
}

/* Has a packet renewed the timeout of an entry since we wrote it? Where the timeout that was
 * written is not remembered, it was shorter than what a packet sets (kernel/ct_put.c sees to that),
 * so that without a packet the entry seems to have been idle since before the write. */
static bool renewed(const struct ct_flow *entry, const struct ct_question *q)
{
	uint32_t end_s = q->now_s + entry->timeout_s, idle = idle_s(q->timeouts, entry, false);
	uint32_t own_s = ct_timeouts_of(q->timeouts, entry);

	if (!(entry->has & FLOW_HAS_TIMEOUT))
		return false;
	if (q->memory.end_s)
		return end_s > q->memory.end_s + SLACK_S || q->memory.end_s > end_s + SLACK_S;
	if (!q->memory.received_s || idle == NEVER)
		return false;
	/* So short a timeout was written unchanged: only a packet that came clearly later can be
	 * seen. */
	if (own_s > 0 && own_s <= 2 * CT_SHOW_NEWS_S)
		return idle + SLACK_S < q->now_s - q->memory.received_s;
	return idle < q->now_s - q->memory.received_s + SLACK_S;
}

/* Has the entry had a packet since it was written? TCP's own flags are not used here. */
static bool any_packet(const struct ct_flow *entry, bool handshake, const struct ct_question *q)
{
	uint32_t idle;

	switch (q->memory.last) {
	case CT_PACKETS:
		return true;
	case CT_WRITTEN:
		return renewed(entry, q);
	case CT_UNKNOWN:
		break;
	}
	if (entry->l4 != IPPROTO_TCP || handshake)
		return true;
	/* A packet after began_s: had the entry been written after it, we would remember. */
	idle = idle_s(q->timeouts, entry, false);
	return idle != NEVER && idle > 0 && idle + SLACK_S < q->now_s - q->began_s;
}

static bool is_since(uint32_t idle, const struct ct_question *q)
{
	uint32_t last_s = idle < q->now_s ? q->now_s - idle : 0;

	if (idle == NEVER)
		return false;
	switch (q->way) {
	case CT_WAY_COMMIT:
		return last_s + 1 >= q->changed_s || (q->active_s && last_s + 1 >= q->active_s);
	case CT_WAY_NEWS:
	case CT_WAY_OWN:
		/* A node that has missed a change of roles believes that it was active all the
		 * time. */
		return idle <= NEWS_S;
	case CT_WAY_END:
		return !q->memory.received_s || last_s + 1 >= q->memory.received_s;
	case CT_WAYS:
		break;
	}
	return true;
}

/* Are the entry's TCP windows up to date? A node may believe that it was active all the time, and
 * have missed that the other node was active in between: then the peer has changed the flow later
 * than the last packet passed here, if it has changed the flow at all. */
static bool windows_of_today(uint32_t idle, const struct ct_question *q)
{
	if (q->memory.last == CT_PACKETS && q->memory.born_s && q->memory.born_s > q->changed_s)
		return true;
	if (!q->active_s || q->took_over)
		return false;
	return q->changed_s <= q->active_s || (idle != NEVER && q->now_s - idle > q->changed_s);
}

struct ct_evidence ct_evidence(const struct ct_flow *entry, const struct ct_question *q)
{
	struct ct_evidence ev = { .ended = ct_has_ended(entry) };
	bool tcp = entry->l4 == IPPROTO_TCP;
	bool handshake =
		tcp && (entry->has & FLOW_HAS_PROTO_STATE) && tcp_age(entry->proto_state) < 3;
	uint32_t idle = idle_s(q->timeouts, entry, true);

	for (int dir = 0; dir < 2; dir++)
		ev.packets[dir] = tcp && q->tcp_flags[dir] & IP_CT_TCP_FLAG_MAXACK_SET;
	/* A liberal TCP entry whose windows are outdated lets packets pass without setting the
	 * flag. */
	if (!ev.packets[0] && !ev.packets[1] && any_packet(entry, handshake, q)) {
		ev.packets[0] = !(entry->has & FLOW_HAS_COUNTERS) || entry->rare->packets[0] > 0;
		ev.packets[1] = (status_of(entry) & IPS_SEEN_REPLY) &&
				(!(entry->has & FLOW_HAS_COUNTERS) || entry->rare->packets[1] > 0);
	}
	ev.windows = windows_of_today(idle, q);
	ev.established = ev.packets[0] && ev.packets[1] && !ev.ended && !handshake;
	ev.since = (ev.packets[0] || ev.packets[1]) && is_since(idle, q);
	return ev;
}

/* ---- the table ---- */

/* clang-format off: columns */
#define SAME (CT_SAME | CT_REVERSED)
const struct ct_rule ct_rules[] = {
	/*    tuples         must               must not             commit, news */
	{ 3, SAME, S_ENDED | SINCE, K_ENDED, { CT_LEAVE, CT_LEAVE } },
	{ 3, SAME, S_ENDED, 0, { CT_LEAVE, CT_UPDATE } },
	{ 4, SAME, K_ENDED | SINCE, 0, { CT_LEAVE, CT_UPDATE } },
	{ 10, CT_REVERSED, 0, K_ASSURED | K_ENDED, { CT_REPLACE, CT_REPLACE } },
	{ 5, CT_SAME, K_FURTHER, K_ASSURED | K_ENDED, { CT_KEEP, CT_KEEP } },
	{ 6, SAME, K_ASSURED | SINCE, K_ENDED, { CT_KEEP, CT_KEEP } },
	{ 5, SAME, S_MORE, K_ASSURED, { CT_REPLACE, CT_REPLACE } },
	{ 7, SAME, S_MORE, 0, { CT_REPLACE, CT_NONE } },
	{ 4, SAME, K_ENDED, 0, { CT_UPDATE, CT_UPDATE } },
	{ 5, CT_SAME, 0, K_ASSURED, { CT_UPDATE, CT_UPDATE } },
	{ 7, SAME, K_FURTHER | K_HIT, 0, { CT_RAISE, CT_KEEP } },
	{ 7, SAME, 0, 0, { CT_RAISE, CT_UPDATE } },
	{ 8, CT_TRANSLATED, K_ESTABLISHED | SINCE, 0, { CT_NEWER, CT_NEWER } },
	{ 9, CT_TRANSLATED, S_ENDED, 0, { CT_LEAVE, CT_LEAVE } },
	{ 9, CT_TRANSLATED, 0, 0, { CT_REPLACE, CT_REPLACE } },
	{ 11, CT_ANOTHER, S_ENDED, 0, { CT_OTHER_FLOW, CT_OTHER_FLOW } },
	{ 11, CT_ANOTHER, K_ESTABLISHED, 0, { CT_OTHER_FLOW, CT_OTHER_FLOW } },
	{ 12, CT_ANOTHER, 0, 0, { CT_REPLACE, CT_REPLACE } },
	/* The peer has sent the end of the flow. */
	{ 0, CT_ANY, K_HIT | SINCE, K_ENDED, { [CT_WAY_END] = CT_USED } },
	{ 0, CT_ANY, 0, 0, { [CT_WAY_END] = CT_REMOVE } },
	/* Nothing was received: an entry that has ended or become another flow since is left
	 * alone. */
	{ 6, CT_SAME, K_ASSURED | SINCE, K_ENDED, { [CT_WAY_OWN] = CT_KEEP } },
	{ 7, CT_SAME, K_ASSURED, K_ENDED, { [CT_WAY_OWN] = CT_RAISE } },
};
/* clang-format on */
const size_t ct_n_rules = sizeof(ct_rules) / sizeof(ct_rules[0]);

enum ct_verdict ct_judge_facts(enum ct_way way, enum ct_tuples tuples, unsigned int facts)
{
	for (size_t i = 0; i < ct_n_rules; i++) {
		const struct ct_rule *r = &ct_rules[i];

		if (r->verdict[way] != CT_NONE && (r->tuples & tuples) &&
		    (facts & r->must) == r->must && !(facts & r->must_not))
			return (enum ct_verdict)r->verdict[way];
	}
	return CT_LEAVE;
}

static enum ct_tuples compare(const struct ct_flow *entry, const struct ct_flow *f)
{
	struct tuple orig, reply, k_orig, k_reply;

	tuple_orig(&orig, f);
	tuple_reply(&reply, f);
	tuple_orig(&k_orig, entry);
	tuple_reply(&k_reply, entry);
	if (tuple_equal(&k_orig, &orig))
		return tuple_equal(&k_reply, &reply) ? CT_SAME : CT_TRANSLATED;
	return tuple_equal(&k_orig, &reply) && tuple_equal(&k_reply, &orig) ? CT_REVERSED :
									      CT_ANOTHER;
}

static bool lacks(const struct ct_flow *entry, const struct ct_flow *f, uint32_t part)
{
	return (f->has & part) && !(entry->has & part);
}

enum ct_verdict ct_judge(const struct ct_flow *entry, const struct ct_flow *f,
			 const struct ct_question *q, const struct ct_evidence *ev)
{
	bool further = f->l4 == IPPROTO_TCP && (f->has & entry->has & FLOW_HAS_PROTO_STATE) &&
		       tcp_age(entry->proto_state) > tcp_age(f->proto_state);
	unsigned int facts =
		(ev->ended ? K_ENDED : 0u) | (status_of(entry) & IPS_ASSURED ? K_ASSURED : 0u) |
		(ev->packets[0] || ev->packets[1] ? K_HIT : 0u) |
		(ev->established ? K_ESTABLISHED : 0u) | (further ? K_FURTHER : 0u) |
		(ev->since ? SINCE : 0u) | (ct_has_ended(f) ? S_ENDED : 0u) |
		(lacks(entry, f, FLOW_HAS_HELPER) || lacks(entry, f, FLOW_HAS_MASTER_PORTS) ?
			 S_MORE :
			 0u);
	enum ct_tuples tuples = compare(entry, f);

	/* Two flows of the peer, of which only one can have the tuple: the newer flow gets it. */
	if (tuples == CT_ANOTHER && !ev->ended && q->memory.last == CT_WRITTEN &&
	    q->memory.peers_s && q->memory.peers_s >= q->changed_s)
		facts |= K_ESTABLISHED;
	return ct_judge_facts(q->way, tuples, facts);
}

bool ct_scales_unknown(const struct ct_flow *f)
{
	return f->l4 == IPPROTO_TCP && !(f->has & FLOW_HAS_WSCALE) &&
	       (!(f->has & FLOW_HAS_PROTO_STATE) || tcp_age(f->proto_state) >= 3);
}

void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f)
{
	size_t len = f->l3 == AF_INET ? 4 : 16;
	struct tuple t;

	tuple_reply(&t, f);
	*r = (struct ct_flow){ .l3 = f->l3, .l4 = f->l4, .zone = f->zone, .orig = t.ports };
	r->has = f->has & (FLOW_HAS_PORTS | FLOW_HAS_ZONE);
	memcpy(&r->addr, t.src, len);
	memcpy((uint8_t *)&r->addr + len, t.dst, len);
	if (f->zone_dir == FLOW_ZONE_ORIG)
		r->has &= ~FLOW_HAS_ZONE; /* the reply direction has none */
	else if (f->zone_dir == FLOW_ZONE_REPLY)
		r->zone_dir = FLOW_ZONE_ORIG; /* the direction of the request */
}
