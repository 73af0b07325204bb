/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets a place at the control server, and who loses one. At the cap the oldest client without
 * a request makes room, then the one whose reader has taken nothing for longest; if there is none,
 * new clients wait in the kernel's queue. Users who may only look have half of the places, make
 * room for each other alone, and do not wait: root would wait behind them. Whoever of them finds no
 * place keeps one of a few until it has been told so; where many come at a time, the latest are. */
#include "control/connection.h"

/* Whom to drop among those who have such a place: the oldest without a request, else the reader
 * that has been asleep longest. */
static struct control_client *find_victim(struct control_server *s, enum control_place place,
					  struct mono now)
{
	struct control_client *stalled = NULL;
	struct list_node *n;

	for (n = s->clients.next; n != &s->clients; n = n->next) {
		struct control_client *c = container_of(n, struct control_client, node);

		if (c->place != place)
			continue;
		if (c->state == CLIENT_REQUEST)
			return c;
		if (ctl_out_queued(c->out) > 0 && mono_diff_ms(now, c->moved) >= CTL_STALLED_MS &&
		    (!stalled || mono_before(c->moved, stalled->moved)))
			stalled = c;
	}
	return stalled;
}

/* False: there is nobody to drop. */
static bool drop_one(struct control_server *s, enum control_place place, struct mono now)
{
	struct control_client *victim = find_victim(s, place, now);

	if (!victim)
		return false;
	s->stats.dropped++;
	if (victim->state == CLIENT_REQUEST)
		s->stats.no_request++;
	connection_close(victim);
	return true;
}

bool place_make_room(struct control_server *s, struct mono now)
{
	return s->stats.clients < CTL_CLIENTS_MAX || drop_one(s, PLACE_NONE, now) ||
	       drop_one(s, PLACE_READER, now) || drop_one(s, PLACE_FULL, now);
}

bool place_for_reader(struct control_server *s, struct mono now)
{
	return s->n_in[PLACE_READER] < CTL_READERS_MAX || drop_one(s, PLACE_READER, now);
}

bool place_to_be_told(struct control_server *s, struct mono now)
{
	return s->n_in[PLACE_NONE] < CTL_TURNED_AWAY_MAX || drop_one(s, PLACE_NONE, now);
}
