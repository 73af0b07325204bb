/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of a link that seems fit and is not: nothing is heard on it, or datagrams cannot
 * leave. An interface that is down, and the like: link_state.c. */
#include "channel/channel_state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

#define DEAF_MS 10000 /* a peer speaks once a second */
/* so long without an error, and datagrams have left meanwhile: it is over */
#define SENT_AGAIN_MS  3000
#define UNSENT_LINES   5 /* at once; then one per minute */
#define UNSENT_LINE_MS 60000

bool trouble_is_deaf(const struct channel *c, size_t i, struct mono now)
{
	return c->cb.peers_speak && i == c->multi.active && c->link[i].state == LINK_STATE_UP &&
	       !mono_is_set(c->multi.link[i].heard) &&
	       mono_diff_ms(now, c->multi.since) >= DEAF_MS &&
	       mono_diff_ms(now, c->multi.link[i].usable_since) >= DEAF_MS;
}

void trouble_tell_deaf(struct channel *c, struct mono now)
{
	struct link *l = &c->link[c->multi.active];
	const struct channel_link_stats *s = &l->stats;
	char dest[INET6_ADDRSTRLEN];

	if (l->said_deaf || !trouble_is_deaf(c, c->multi.active, now))
		return;
	l->said_deaf = true;
	log_warnx("line %u: %s link: nothing was ever heard on it for %d s, with %s %s, port %u; "
		  "refused: %" PRIu64 " of others, %" PRIu64 " on other interfaces, %" PRIu64
		  " of this node itself. Does the peer run, is it told this node's address and the "
		  "same port, and do the rules of both let it pass?",
		  l->conf->line, l->ops->kind, DEAF_MS / 1000,
		  l->conf->type == CHANNEL_MCAST ? "the group" : "the peer",
		  link_addr_text(l, &l->conf->dest, dest), l->conf->port,
		  s->refused_source + s->held_back, s->refused_interface, s->own);
}

void trouble_unsent(struct link *l, int err, struct mono now)
{
	if (!mono_is_set(l->unsent.since)) {
		l->unsent.since = now;
		l->unsent.before = l->unsent.n;
	}
	l->unsent.n++;
	l->unsent.err = err;
	l->unsent.last = now;
	l->unsent.sent = l->stats.sent_pkts;
}

static const char *unsent_cause(int err)
{
	switch (err) {
	case EPERM:
		return ": a rule of this machine for what goes out (nft, iptables), or a security "
		       "module, refuses them";
	case EACCES:
		return ": a route of type prohibit, or a security module, refuses them";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return ": there is no route, or nobody answers at the next hop";
	case EADDRNOTAVAIL:
	case EINVAL:
		return ": has the address of the link, or a route with a source, gone?";
	case EMSGSIZE:
		return ": they are larger than the way takes";
	default:
		return "";
	}
}

/* Datagrams that could not leave though the link seems fit: said at the beginning, when the reason
 * changes, and at the end, which only one that leaves can show: another link may carry them now,
 * and in ALARM a node without news has nothing to say. An interface that is down, and the like, is
 * said by link_state.c. */
void trouble_tell_unsent(struct link *l, struct mono now)
{
	if (!mono_is_set(l->unsent.since))
		return;
	if (l->stats.sent_pkts > l->unsent.sent &&
	    mono_diff_ms(now, l->unsent.last) >= SENT_AGAIN_MS) {
		if (l->unsent.said != 0)
			log_notice("line %u: %s link: datagrams leave again, after %" PRId64
				   " s; %" PRIu64 " could not",
				   l->conf->line, l->ops->kind,
				   mono_diff_ms(l->unsent.last, l->unsent.since) / 1000,
				   l->unsent.n - l->unsent.before);
		l->unsent.said = 0;
		l->unsent.since = (struct mono){ 0 };
		return;
	}
	if (l->state != LINK_STATE_UP || l->unsent.said == l->unsent.err ||
	    !log_limit_pass(&l->unsent.lines, UNSENT_LINES, UNSENT_LINE_MS, now, NULL))
		return;
	l->unsent.said = l->unsent.err;
	log_warnx("line %u: %s link: datagrams cannot be sent: %s%s", l->conf->line, l->ops->kind,
		  strerror(l->unsent.err), unsent_cause(l->unsent.err));
}
