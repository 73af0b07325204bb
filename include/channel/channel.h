/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_CHANNEL_H
#define CONNTRACKD_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/evloop.h"
#include "base/outlet.h"
#include "base/text.h"
#include "base/writer.h"

struct channel_conf; /* channel/channel_conf.h */
struct channel;

/* Moves datagrams between nodes; knows nothing about their meaning. One object for all dedicated
 * links of a node: everything received on any link is delivered, sending uses the active one. */

struct channel_cb {
	void *ctx; /* borrowed */
	/* A peer says something every second or so whatever happens, so a link on which nothing is
	 * heard is worth a line. */
	bool peers_speak;
	/* One datagram. Bytes are borrowed until return. */
	void (*datagram)(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			 struct mono now);
	/* How bytes of a stream (TCP) are cut into messages: the length of the one they begin with;
	 * 0 when it is not complete; -1 when they are none, and what follows cannot be trusted.
	 * What is handed to datagram() from a stream are whole messages, one or several. */
	ssize_t (*frame)(void *ctx, const uint8_t *bytes, size_t n);
	/* There was back-pressure (channel_datagram() gave NULL) and now there is room again. */
	void (*writable)(void *ctx, struct mono now);
};

/* Open every link. 0, or -errno with one line in *err that names address, keyword and reason;
 * nothing stays open. An interface or address that is not there is no error: that is logged, and
 * the link comes up when they appear. Multicast receivers are bound to the group address and joined
 * on the interface; the arrival interface of each datagram is checked. conf and loop are
 * borrowed. */
int channel_open(const struct channel_conf *conf, struct evloop *loop, const struct channel_cb *cb,
		 struct channel **out, struct text *err);
void channel_close(struct channel *c);
/* How many times 32 datagrams of a link are handed on before others get their turn; 8 unless said
 * otherwise, and with another number they do not gather either (base/gather.h): packets may wait
 * for what they say. What waits stays in the socket's buffer. */
void channel_set_rounds(struct channel *c, unsigned int rounds);

/* The functions of a struct outlet, ctx being the channel. The cap of a datagram is the largest
 * payload that fits the MTU of the active link; there is none when all buffers wait for a full
 * socket. What is finished leaves with the next flush (sendmmsg), or at once when the batch is
 * full; what the socket does not take stays queued in order. Even: the kernel cuts datagrams of
 * equal length from one piece (udp(7), UDP_SEGMENT). */
struct writer *channel_datagram(void *channel);
bool channel_even(void *channel);
void channel_send(void *channel);
void channel_flush(void *channel);
/* On a UDP or TCP link the peer is heard as its configured address, whichever it speaks from. */
void channel_speaks_from(void *channel, struct peer_addr *from);
struct outlet_mtu channel_mtu(void *channel, int link);

/* A message that is larger than the MTU must still go out, on its own: a buffer of at least n
 * bytes. */
/* caps below this are raised to it: such a datagram is fragmented by IP */
#define CHANNEL_MIN_PAYLOAD 512

struct channel_link_stats {
	const char *kind; /* "multicast", "UDP", "TCP" */
	const char *ifname;
	/* state of the interface that carries it: where the route to the peer leads, or ifname */
	bool up, running;
	bool active;	  /* this one sends */
	bool connections; /* TCP, and so: */
	/* the peer to us (receives), we to the peer (sends) */
	bool server_connected, client_connected;
	unsigned int mtu; /* bytes, of the way to the peer */
	uint64_t sent_bytes, sent_pkts, sent_errors;
	uint64_t recv_bytes, recv_pkts, recv_errors;
	uint64_t refused_interface; /* came in on another interface */
	uint64_t refused_source;    /* neither the peer nor anybody else who may speak */
	/* of a node that has just appeared: the peer by another address, or one more? */
	uint64_t held_back;
	uint64_t own;	/* our own datagram came back */
	bool deaf;	/* it sends, and nothing was ever heard on it for seconds */
	int unsent_err; /* datagrams do not leave, for this errno; 0: they do */
};
/* Of all links: datagrams that wait for a TCP connection, and those that were given up because
 * there were more than ErrorQueueLength. */
void channel_waiting(const struct channel *c, uint32_t *n, uint64_t *given_up);
size_t channel_links(const struct channel *c);
void channel_link_stats(const struct channel *c, size_t i, struct channel_link_stats *out);

#endif
