/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timeout of a committed entry.
 *
 * A peer sends the timeout of a flow when the flow changes. Afterwards packets renew the timeout in
 * the peer's kernel for hours without an event, so for most flows the age of the last message means
 * nothing. What counts is whether the peer was heard since: it would have sent the end.
 *
 *	state received				timeout
 *	TCP ESTABLISHED, FIN_WAIT, CLOSE_WAIT,	the larger of the timeout received and our
 *						kernel's own timeout of that state,
 *	LAST_ACK; all but TCP			less the time beyond 10 s for which the peer has
 *						not been heard (ALARM: less the age beyond
 *						RefreshTime)
 *	the same, with a timeout of an		our kernel's own timeout, less the same
 *	offloaded flow
 *	TCP handshakes, TIME_WAIT, CLOSE	the timeout received less its age; nothing left:
 *						the flow has ended
 *
 * Packets renew the timeouts of the first row, so as long as the peer was heard the flow may be in
 * use however old its last message is. A peer that was silent for longer than such a timeout may
 * have gone on forwarding behind a broken link: its flows get the 30 s in which a flow in use has a
 * packet (keepalives are made for the shortest timeout that firewalls have), and no more.
 *
 * An offloaded flow has a timeout of a day that the kernel raises again and again; such a timeout
 * does not describe the connection. An assured TCP flow without any state is an offloaded one,
 * which its node knows from a dump only: it is ESTABLISHED.
 *
 * CommitTimeout replaces all that for entries that are created. */
#include "follow/entry_timeout.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#define GRACE_S	  10
#define LEAST_S	  30
#define UNKNOWN_S 60 /* no timeout received, and none of our own: as 1.4.x */
/* what the kernel gives an offloaded flow, again when half of it is over */
#define LIFTED_S 86400

static uint32_t own_timeout(const struct entry_timeout *l, const struct ct_flow *f)
{
	if (f->l4 == IPPROTO_TCP && !(f->has & FLOW_HAS_PROTO_STATE) && flow_packets_renew(f))
		return l->own.tcp_s[TCP_CONNTRACK_ESTABLISHED];
	return ct_timeouts_of(&l->own, f);
}

/* Is the timeout of f that of an offloaded flow? Only these protocols are offloaded. Where our own
 * timeout is as long, a received one of that length may describe the connection. */
static bool is_lifted(const struct ct_flow *f, uint32_t own_s)
{
	if (f->l4 != IPPROTO_TCP && f->l4 != IPPROTO_UDP && f->l4 != IPPROTO_GRE)
		return false;
	return own_s > 0 && own_s < LIFTED_S / 2 && f->timeout_s >= LIFTED_S / 2 &&
	       f->timeout_s <= LIFTED_S;
}

static uint32_t renewed_timeout(const struct entry_timeout *l, const struct ct_flow *f,
				uint32_t age_s, uint32_t silent_s)
{
	uint32_t own_s = own_timeout(l, f), left_s = own_s;
	uint32_t since_s = l->refresh_s > 0 ? age_s : silent_s;
	uint32_t grace_s = l->refresh_s > 0 ? l->refresh_s : GRACE_S;
	uint32_t lost_s = since_s > grace_s ? since_s - grace_s : 0;

	if ((f->has & FLOW_HAS_TIMEOUT) && f->timeout_s > own_s && !is_lifted(f, own_s))
		left_s = f->timeout_s;
	if (left_s == 0)
		left_s = UNKNOWN_S;
	if (left_s <= LEAST_S || lost_s == 0)
		return left_s;
	return left_s - LEAST_S > lost_s ? left_s - lost_s : LEAST_S;
}

static uint32_t received_timeout(const struct entry_timeout *l, const struct ct_flow *f,
				 uint32_t age_s)
{
	uint32_t timeout_s = f->has & FLOW_HAS_TIMEOUT ? f->timeout_s : own_timeout(l, f);

	if (!(f->has & FLOW_HAS_TIMEOUT) && timeout_s == 0)
		timeout_s = UNKNOWN_S;
	return timeout_s > age_s ? timeout_s - age_s : 0;
}

uint32_t entry_timeout_kept(const struct entry_timeout *l, const struct ct_flow *f, uint32_t age_s,
			    uint32_t silent_s)
{
	return flow_packets_renew(f) ? renewed_timeout(l, f, age_s, silent_s) :
				       received_timeout(l, f, age_s);
}

uint32_t entry_timeout_created(const struct entry_timeout *l, uint32_t kept_s)
{
	return l->commit_timeout_s > 0 ? l->commit_timeout_s : kept_s;
}
