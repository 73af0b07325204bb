/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_CHANNEL_STATE_H
#define CONNTRACKD_CHANNEL_CHANNEL_STATE_H

#include "base/evloop.h"
#include "channel/batch.h"
#include "channel/channel.h"
#include "channel/ifwatch.h"
#include "channel/link.h"
#include "channel/multi.h"

/* Inside of the channel; for its own files only, each of which calls those below it:
 *
 *   channel.c   it is opened and closed, the links are watched, statistics
 *   reopen.c    a link is opened, and opened anew
 *   receive.c   datagrams come
 *   send.c      datagrams leave
 *   choose.c    which link sends
 *   trouble.c   what is said of a link that does not do its work */

#define RECV_ROUNDS 8u /* per wake-up: 256 datagrams, then others get their turn */

struct channel {
	struct evloop *loop;
	struct channel_cb cb;
	struct link link[CHANNEL_LINKS_MAX];
	size_t n_links;
	struct multi multi;
	struct ifwatch ifwatch;
	struct ev_timer watch; /* looks at addresses, routes and silence */
	struct mono looked;    /* at the state of the links, last time */
	bool none;	       /* no link is usable: that was said */
	struct batch batch;
	unsigned int rounds; /* of reception per wake-up */
	/* LINK_RX_SLOTS buffers of LINK_DATAGRAM_MAX bytes: touched as far as used */
	uint8_t *rx_mem;
	struct ev_timer retry;
	struct ev_timer look; /* at the interfaces: something was wrong with a link */
	uint32_t keep;	      /* datagrams that wait for a TCP connection */
	uint64_t given_up;    /* because there were more */
	bool refused;	      /* channel_datagram() gave NULL since the last writable() */
};

/* ---- reopen.c ---- */

/* Open it at the start. What will not become right by itself is an error: -errno with a line in
 * *err. */
int reopen_first(struct channel *c, struct link *l, struct text *err);
/* Its interface has come, or is another one: open the sockets again, and say so. */
void reopen_link(struct channel *c, struct link *l);
void reopen_close(struct channel *c, struct link *l);
/* Has the interface of a scoped link come, or become another one? Sockets of other links do not
 * mind. */
bool reopen_is_anew(const struct link *l);

/* ---- receive.c ---- */

/* A datagram of the link has been received. */
void receive_heard(struct link *l, const struct link_rx_item *item, struct mono now);
/* Callbacks of a link's socket and of its timer; ctx is the link. */
void receive_ready(void *ctx, unsigned int ready, struct mono now);
void receive_gathered(void *ctx, struct mono now);

/* ---- send.c ---- */

/* What waits leaves, and the owner may go on. */
void send_go_on(struct channel *c, struct mono now);
/* The same, if this is the link that sends. */
void send_writable(struct link *l, struct mono now);
/* Callback of the timer; ctx is the channel. */
void send_retry(void *ctx, struct mono now);

/* ---- choose.c ---- */

/* Largest payload of a datagram on the link, bytes. */
size_t choose_payload(const struct link *l);
/* Look at all links. */
void choose_look(struct channel *c, struct mono now);
/* Does another link send from now on? */
bool choose_again(struct channel *c, struct mono now);
/* A datagram cannot leave. Is there another way for it? */
bool choose_another(struct channel *c);
/* Wake up when the link that sends takes more, or do not. */
void choose_wait_writable(struct channel *c, bool wait);
/* Something is wrong with a link: look at the interfaces before long. */
void choose_suspect(struct channel *c);

/* ---- trouble.c ---- */

/* Nothing was ever heard where we send, and the peer should send there, too. */
bool trouble_is_deaf(const struct channel *c, size_t i, struct mono now);
/* Said once of the link that sends: one that was never heard was never right. */
void trouble_tell_deaf(struct channel *c, struct mono now);
/* A datagram could not leave; err is an errno. What is said about it can wait for the next watch,
 * which knows the state of the link. */
void trouble_unsent(struct link *l, int err, struct mono now);
/* That is said at its beginning, when the reason changes, and at its end. */
void trouble_tell_unsent(struct link *l, struct mono now);

#endif
