/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets a place at the control server, and who loses one. At the cap the oldest client without a
 * request makes room, then the one whose reader has taken nothing for longest; if there is none, new
 * clients wait in the kernel's queue. Users who may only look have half of the places, make room for
 * each other alone, and do not wait: root would wait behind them. */
#include "control/connection.h"

/* Whom to drop at the cap: the oldest without a request, else the reader that has been asleep
 * longest. Either among the users who may only look or among the others. */
static struct control_client *find_victim(struct control_server *s, bool readers, struct mono now)
{
	struct control_client *stalled = NULL;
	struct list_node *n;

	for (n = s->clients.next; n != &s->clients; n = n->next) {
		struct control_client *c = container_of(n, struct control_client, node);

		if (c->reader != readers)
			continue;
		if (c->state == CLIENT_REQUEST)
			return c;
		if (ctl_out_queued(c->out) > 0 && mono_diff_ms(now, c->moved) >= CTL_STALLED_MS &&
		    (!stalled || mono_before(c->moved, stalled->moved)))
			stalled = c;
	}
	return stalled;
}

static void drop(struct control_client *victim)
{
	struct control_server *s = victim->server;

	s->stats.dropped++;
	if (victim->state == CLIENT_REQUEST)
		s->stats.no_request++;
	connection_close(victim);
}

bool place_make_room(struct control_server *s, struct mono now)
{
	struct control_client *victim;

	if (s->n_clients < CTL_CLIENTS_MAX)
		return true;
	victim = find_victim(s, true, now);
	if (!victim)
		victim = find_victim(s, false, now);
	if (victim)
		drop(victim);
	return victim != NULL;
}

bool place_for_reader(struct control_server *s, uid_t uid, struct mono now)
{
	struct control_client *victim;

	if (s->n_readers < CTL_READERS_MAX)
		return true;
	victim = find_victim(s, true, now);
	if (victim) {
		drop(victim);
		return true;
	}
	if (log_limit_pass(&s->refused_log, 1, 10000, now, NULL))
		log_warnx("control socket: user %u: not served: %u clients of the group %s are "
			  "being served",
			  (unsigned int)uid, s->n_readers, s->conf.group);
	return false;
}
