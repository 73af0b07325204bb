/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_CHANNEL_LAB_H
#define TESTS_CHANNEL_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/channel.h"
#include "channel/channel_conf.h"
#include "channel/link.h"

/* Links on real sockets, in a network namespace of its own with two cables: dedi0 to dedi1 is the
 * dedicated link, other0 to other1 is not. What one end sends to the other goes through the cable.
 *
 *   dedi0   10.9.0.1/24 fd09::1/64 fe80::a
 *   dedi1   10.9.0.2/24 fd09::2/64 fe80::b 10.9.0.7/24 (label dedi1:1)
 *   other0  10.9.1.1/24 fd0a::1/64 fe80::c
 *   other1  10.9.1.2/24 fd0a::2/64 fe80::d
 */
#define LAB_PORT 3780
#define LAB_KEEP 8  /* ErrorQueueLength */
#define LAB_LINE 12 /* of every link, in messages */

/* Why there is no laboratory; empty if there is one. */
extern char lab_missing[256];

#define SKIP_WITHOUT_LAB() \
	do { \
		if (lab_missing[0]) \
			skip(); \
	} while (0)

/* Make it, for the rest of the process. */
void lab_enter(void);
/* Make the dedicated link anew: other interfaces with the old names and addresses. */
void lab_remake(void);
/* The two halves of that. */
void lab_remove(void);
void lab_make(void);
/* Set a device up again, with its addresses and what routes to the other end. */
void lab_up(const char *dev);
/* Wait until the kernel says that the device has a carrier, or none: that follows what its other
 * end does a little later. */
void lab_carrier(const char *dev, bool there);
/* The routes only, after a command that took them away. */
void lab_routes(void);
/* A command, quietly; false if it fails. */
bool lab_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A link by addresses as text; dest may be a group, local may be NULL. */
struct channel_link_conf lab_link(enum channel_type type, const char *ifname, const char *local,
				  const char *dest);

/* One end of a link. */
struct lab_node {
	struct channel_conf conf;
	struct channel *c;
	unsigned int n;	       /* datagrams heard */
	unsigned int writable; /* calls */
	size_t bytes;	       /* in them */
	size_t last_len;
	bool numbered; /* they are messages of lab_message(): their order is checked */
	uint32_t next; /* number of the next one; any gap fails the test */
	uint8_t last[65536];
	struct peer_addr from; /* of the last */
};

extern struct evloop *lab_loop; /* of all nodes */

/* Setup and teardown of every test: the loop; the end closes the nodes that are still open, also of
 * a test that failed. */
int lab_begin(void **state);
int lab_end(void **state);

/* channel_open(); with its error text in err (caller frees). */
int lab_try(struct lab_node *x, const struct channel_link_conf *link, struct text *err);
/* Likewise, must succeed; with several links. */
void lab_open_links(struct lab_node *x, const struct channel_link_conf *link, uint32_t n);
void lab_open(struct lab_node *x, const struct channel_link_conf *link);
void lab_close(struct lab_node *x);

void lab_turns(int ms);
/* Until x has heard n, at most 10 s. */
void lab_wait(const struct lab_node *x, unsigned int n);
/* A message of len bytes for a stream, at least 8: its length and a number are in it. */
void lab_message(uint8_t *to, size_t len, uint32_t number);
/* n datagrams of len bytes each, filled with n - 1, ..., 0. */
void lab_send(struct lab_node *x, unsigned int n, size_t len);
struct channel_link_stats lab_stats(const struct lab_node *x);

/* "hello" from a socket of somebody else: out of interface dev, with any source address, to port
 * LAB_PORT. On "lo" the routes decide. */
void lab_stranger(const char *source, const char *dev, const char *dest);

/* The log goes to a file from now on; lab_log_count() counts the lines that contain text,
 * lab_log_end() removes it. */
void lab_log_begin(void);
unsigned int lab_log_count(const char *text);
void lab_log_end(void);

#endif
