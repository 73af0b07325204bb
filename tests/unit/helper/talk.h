/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_HELPER_TALK_H
#define TESTS_UNIT_HELPER_TALK_H

#include "base/text.h"
#include "helper/helper.h"

/* A flow of which packets are shown to a parser: what it says of them as text, and the packets as
 * they would leave. Addresses: client 10.1.0.2 (fd01::2) port 40000, server 10.2.0.2 (fd02::2).
 * With nat the client is seen as 192.0.2.1 (fd09::1) and the server is asked for as 192.0.2.2
 * (fd09::2), and every port that is announced has been taken: the next one is used. */
struct talk {
	const struct helper *helper;
	uint8_t l3, l4;
	bool nat;
	uint32_t seq[2];
	struct helper_tuple tuple[2];
	struct helper_private priv;
	struct helper_stream stream[2];
	struct text out[2]; /* what each receiver has got */
	bool untold;	    /* what was announced could not be written any more */
};

void talk_begin(struct talk *t, const char *helper, uint8_t l3, uint8_t l4, uint16_t server_port,
		bool nat);
void talk_to(struct talk *t, const char *server); /* another address is asked */
void talk_between(struct talk *t, const char *client, const char *server); /* they have these */
void talk_end(struct talk *t);

/* One packet of n bytes from the client (reply: from the server). Gives what is announced: "tcp
 * 2049" or "udp 5353>40000 any permanent", separated by "; ", "" for nothing. Valid until the next
 * call. */
const char *talk_say(struct talk *t, bool reply, const void *bytes, size_t n);

#endif
