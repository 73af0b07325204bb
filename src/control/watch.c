/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control server is woken for: somebody who comes, unless that has to wait, and the time
 * at which a client is due. */
#include "control/connection.h"

#define RETRY_MS 1000 /* accepting again after a failure or at the cap */

void watch_pause(struct control_server *s, bool pause)
{
	s->paused = pause;
	if (!s->stopped)
		ev_io_want(s->loop, &s->io, pause ? 0 : EV_READ);
}

struct mono watch_due(const struct control_client *c)
{
	switch (c->state) {
	case CLIENT_REQUEST:
		return mono_add_ms(c->since, CTL_REQUEST_MS);
	case CLIENT_RUN:
	case CLIENT_HELD:
		return mono_add_ms(c->told, CTL_ALIVE_MS);
	case CLIENT_FLUSH:
		break;
	}
	return (struct mono){ 0 };
}

/* The timer watches requests that have not come, clients that wait for an answer, and a pause. */
void watch_update(struct control_server *s)
{
	struct mono due = { 0 };
	struct list_node *n;

	if (s->stopped)
		return;
	for (n = s->clients.next; n != &s->clients; n = n->next)
		due = mono_min(due, watch_due(container_of(n, struct control_client, node)));
	if (s->paused)
		due = mono_min(due, mono_add_ms(evloop_now(s->loop), RETRY_MS));
	if (!mono_is_set(due))
		ev_timer_del(s->loop, &s->timer);
	else if (ev_timer_set(s->loop, &s->timer, due) < 0)
		log_warnx("control socket: no memory for a timer");
}
