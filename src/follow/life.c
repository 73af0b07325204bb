/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a committed entry lives.
 *
 * A peer tells the timeout of a flow when the flow changes. Afterwards packets renew the timeout in
 * the peer's kernel for hours without an event, so for most flows the age of what was told says
 * nothing; what does is whether the owner is there: it would have told the end.
 *
 *	told state				life
 *	TCP ESTABLISHED, FIN_WAIT, CLOSE_WAIT,	the larger of what was told and our kernel's own
 *						timeout of that state,
 *	LAST_ACK; all but TCP			less the time beyond 10 s for which the owner has
 *						not been heard (ALARM: less the age beyond
 *						RefreshTime)
 *	the same, told with a lifted life	our kernel's own timeout, less the same
 *	TCP handshakes, TIME_WAIT, CLOSE	what was told less its age; over: the flow has ended
 *
 * Packets renew what is in the first line, so as long as the owner was heard the flow may be in use
 * however old the last news are. An owner silent for longer than such a life may have gone on
 * forwarding behind a broken link: its flows get the 30 s in which a flow in use shows itself
 * (keepalives are made for the shortest timeout that firewalls have), and no more.
 *
 * A flow in a flow table has a life of a day that the kernel lifts again and again; what is told
 * about it is not its own. An assured TCP flow without any state is such a flow, known to its owner
 * from a dump only: it is ESTABLISHED.
 *
 * CommitTimeout replaces all that for entries that are created. */
#include "follow/life.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#define GRACE_S	  10
#define LEAST_S	  30
#define UNKNOWN_S 60 /* neither a told timeout nor one of our own: as 1.4.x */
/* what the kernel gives an offloaded flow, again when half of it is over */
#define LIFTED_S 86400

static uint32_t own_timeout(const struct life *l, const struct ct_flow *f)
{
	if (f->l4 == IPPROTO_TCP && !(f->has & FLOW_HAS_PROTO_STATE) && flow_packets_renew(f))
		return l->own.tcp_s[TCP_CONNTRACK_ESTABLISHED];
	return ct_timeouts_of(&l->own, f);
}

/* Only these protocols are offloaded. A timeout of our own in that range would make a told one of
 * the kind plausible. */
static bool is_lifted(const struct ct_flow *f, uint32_t own_s)
{
	if (f->l4 != IPPROTO_TCP && f->l4 != IPPROTO_UDP && f->l4 != IPPROTO_GRE)
		return false;
	return own_s > 0 && own_s < LIFTED_S / 2 && f->timeout_s >= LIFTED_S / 2 &&
	       f->timeout_s <= LIFTED_S;
}

static uint32_t renewed_life(const struct life *l, const struct ct_flow *f, uint32_t age_s,
			     uint32_t silent_s)
{
	uint32_t own_s = own_timeout(l, f), life_s = own_s;
	uint32_t since_s = l->refresh_s > 0 ? age_s : silent_s;
	uint32_t grace_s = l->refresh_s > 0 ? l->refresh_s : GRACE_S;
	uint32_t lost_s = since_s > grace_s ? since_s - grace_s : 0;

	if ((f->has & FLOW_HAS_TIMEOUT) && f->timeout_s > own_s && !is_lifted(f, own_s))
		life_s = f->timeout_s;
	if (life_s == 0)
		life_s = UNKNOWN_S;
	if (life_s <= LEAST_S || lost_s == 0)
		return life_s;
	return life_s - LEAST_S > lost_s ? life_s - lost_s : LEAST_S;
}

static uint32_t received_timeout(const struct life *l, const struct ct_flow *f, uint32_t age_s)
{
	uint32_t received_s = f->has & FLOW_HAS_TIMEOUT ? f->timeout_s : own_timeout(l, f);

	if (!(f->has & FLOW_HAS_TIMEOUT) && received_s == 0)
		received_s = UNKNOWN_S;
	return received_s > age_s ? received_s - age_s : 0;
}

uint32_t life_kept(const struct life *l, const struct ct_flow *f, uint32_t age_s, uint32_t silent_s)
{
	return flow_packets_renew(f) ? renewed_life(l, f, age_s, silent_s) :
				       received_timeout(l, f, age_s);
}

uint32_t life_created(const struct life *l, uint32_t kept_s)
{
	return l->commit_timeout_s > 0 ? l->commit_timeout_s : kept_s;
}
