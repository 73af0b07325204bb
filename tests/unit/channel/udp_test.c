/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP links of both families on real sockets (lab.h), and what they share with multicast; IPv6
 * multicast. Who may be heard is tried with real datagrams and a clock of our own. */
#include "channel/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

#define GROUP6 "ff02::50:1"

static struct lab_node a, b; /* on dedi0 and dedi1 */

/* Links of every kind: the addresses of dedi0 and dedi1, or the group. */
static const struct kind {
	const char *name, *shown;
	enum channel_type type;
	const char *addr[2], *group;
	size_t headers;
} kinds[] = {
	{ "UDP over IPv4", "UDP", CHANNEL_UDP, { "10.9.0.1", "10.9.0.2" }, NULL, 28 },
	{ "UDP over IPv6", "UDP", CHANNEL_UDP, { "fd09::1", "fd09::2" }, NULL, 48 },
	{ "UDP over IPv6, link-local", "UDP", CHANNEL_UDP, { "fe80::a", "fe80::b" }, NULL, 48 },
	{ "IPv4 multicast",
	  "multicast",
	  CHANNEL_MCAST,
	  { "10.9.0.1", "10.9.0.2" },
	  "225.0.0.50",
	  28 },
	{ "IPv6 multicast", "multicast", CHANNEL_MCAST, { NULL, NULL }, GROUP6, 48 },
};
#define UDP_KINDS 3 /* the first: both ends have an address */
#define SCOPED	  2 /* from this one on the interface decides */
#define ALL_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct channel_link_conf link_of(const struct kind *k, unsigned int end)
{
	return lab_link(k->type, end ? "dedi1" : "dedi0", k->addr[end],
			k->group ? k->group : k->addr[!end]);
}

static void open_pair(const struct kind *k)
{
	struct channel_link_conf one = link_of(k, 0), two = link_of(k, 1);

	print_message("%s\n", k->name);
	lab_open(&a, &one);
	lab_open(&b, &two);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void close_pair(void)
{
	lab_close(&a);
	lab_close(&b);
}

/* ---- moving datagrams ---- */

static void test_there_and_back(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < ALL_KINDS; i++) {
		const struct kind *k = &kinds[i];

		open_pair(k);
		lab_send(&a, 3, 100);
		lab_wait(&b, 3);
		assert_int_equal(b.last_len, 100);
		assert_int_equal(b.from.family, k->headers == 28 ? AF_INET : AF_INET6);
		assert_int_equal(b.from.link, 0);
		assert_int_equal(lab_stats(&a).sent_pkts, 3);
		assert_int_equal(lab_stats(&a).sent_bytes, 300);
		assert_int_equal(lab_stats(&b).recv_pkts, 3);
		assert_int_equal(lab_stats(&b).recv_bytes, 300);
		assert_true(lab_stats(&a).up && lab_stats(&a).running && lab_stats(&a).active);
		assert_string_equal(lab_stats(&a).kind, k->shown);
		lab_send(&b, 1, 4);
		lab_wait(&a, 1);
		lab_turns(20);
		assert_int_equal(a.n, 1); /* it does not hear itself */
		assert_int_equal(b.n, 3);
		assert_int_equal(lab_stats(&a).own + lab_stats(&b).own, 0);
		close_pair();
	}
}

/* The peer is the same one whichever of its addresses it uses. */
static void test_from(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		union channel_addr peer = { .v6 = IN6ADDR_ANY_INIT };

		open_pair(&kinds[i]);
		inet_pton(b.conf.link[0].family, kinds[i].addr[0], &peer);
		lab_stranger(i == 0 ? "10.9.0.66" : "fe80::66", "dedi0", kinds[i].addr[1]);
		lab_wait(&b, 1);
		assert_memory_equal(b.from.addr, &peer, 16);
		lab_send(&a, 1, 100);
		lab_wait(&b, 2);
		assert_memory_equal(b.from.addr, &peer, 16);
		close_pair();
	}
}

/* More than the budget of one wake-up, more than the ring. The receive buffer holds them all. */
static void test_many(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < ALL_KINDS; i++) {
		open_pair(&kinds[i]);
		lab_send(&a, 1, 100);
		lab_wait(&b, 1); /* the neighbour is known */
		lab_send(&a, 1500, 1000);
		lab_wait(&b, 1501);
		assert_int_equal(b.last[0], 0);
		close_pair();
	}
}

/* A counter of the IPv6 stack. */
/* Sends n datagrams, one per turn. In how many turns did any arrive? */
static unsigned int turns_with_news(unsigned int n)
{
	unsigned int turns = 0, before = b.n + n;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int heard = b.n;

		lab_send(&a, 1, 100);
		evloop_turn(lab_loop, NULL, 0);
		turns += b.n != heard;
	}
	lab_wait(&b, before);
	return turns;
}

/* Many in quick succession are read together, and all of them; but each at once where packets wait
 * for them. */
static void test_gather(void **state)
{
	unsigned int together, at_once;

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		open_pair(&kinds[i]);
		together = turns_with_news(1000);
		channel_set_rounds(b.c, 1);
		lab_turns(20);
		at_once = turns_with_news(1000);
		print_message("%s: 1000 datagrams in %u turns, in a hurry %u\n", kinds[i].shown,
			      together, at_once);
		assert_true(together < 500 && at_once > 900);
		close_pair();
	}
}

static unsigned long snmp6(const char *name)
{
	FILE *f = fopen("/proc/self/net/snmp6", "re");
	unsigned long value = 0, v;
	char key[64];

	assert_non_null(f);
	while (fscanf(f, "%63s %lu", key, &v) == 2) {
		if (strcmp(key, name) == 0)
			value = v;
	}
	fclose(f);
	return value;
}

/* The largest datagram fits the MTU, and one message more would not. */
static void test_payload(void **state)
{
	static const unsigned int mtu[] = { 1500, 1280, 1400, 9000 };
	unsigned long fragments = snmp6("Ip6FragCreates");

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t m = 0; m < sizeof(mtu) / sizeof(mtu[0]); m++) {
		assert_true(lab_sh("ip link set dedi0 mtu %u && ip link set dedi1 mtu %u", mtu[m],
				   mtu[m]));
		for (size_t i = 0; i < ALL_KINDS; i++) {
			size_t cap;

			open_pair(&kinds[i]);
			cap = channel_datagram(a.c)->cap;
			assert_int_equal(cap % 4, 0);
			assert_true(cap + kinds[i].headers <= mtu[m] &&
				    cap + kinds[i].headers + 4 >= mtu[m]);
			if (cap <= sizeof(b.last)) {
				lab_send(&a, 1, cap);
				lab_wait(&b, 1);
				assert_int_equal(b.last_len, cap);
			}
			close_pair();
		}
	}
	assert_int_equal(snmp6("Ip6FragCreates"), fragments);
	assert_true(lab_sh("ip link set dedi0 mtu 1500 && ip link set dedi1 mtu 1500"));
}

/* The neighbour does not answer for a while, so what was sent stays in the send buffer: nothing of
 * it is lost, and the owner is told when there is room again. */
static void test_full_socket(void **state)
{
	static const char *const nobody[] = { "10.9.0.77", "fd09::77" };

	(void)state;
	SKIP_WITHOUT_LAB();
	for (int i = 0; i < 2; i++) {
		struct channel_link_conf link =
			lab_link(CHANNEL_UDP, "dedi0", kinds[i].addr[0], nobody[i]);
		struct channel_link_conf down =
			lab_link(CHANNEL_UDP, "dedi1", nobody[i], kinds[i].addr[0]);
		unsigned int sent = 0;
		struct writer *w;

		print_message("%s\n", kinds[i].name);
		/* A receiver for an address that nobody has yet. */
		assert_true(lab_sh("ip addr add %s dev dedi1 %s", nobody[i], i ? "nodad" : ""));
		lab_open(&b, &down);
		assert_true(lab_sh("ip addr del %s dev dedi1", nobody[i]));
		link.snd_buffer = 8192;
		lab_open(&a, &link);
		while (sent < 1000 && (w = channel_datagram(a.c))) {
			memset(wr_take(w, 100), (int)sent++ & 0xff, 100);
			channel_send(a.c);
			channel_flush(a.c);
		}
		print_message("%u datagrams, then no more\n", sent);
		assert_true(sent >= 64 && sent < 1000);
		assert_int_equal(a.writable, 0);
		assert_true(lab_sh("ip addr add %s dev dedi1 %s", nobody[i], i ? "nodad" : ""));
		lab_wait(&b, sent);
		assert_int_equal(b.last[0], (sent - 1) & 0xff);
		assert_int_equal(lab_stats(&a).sent_errors, 0);
		assert_true(a.writable > 0);
		assert_non_null(channel_datagram(a.c));
		close_pair();
		assert_true(lab_sh("ip addr del %s dev dedi1", nobody[i]));
	}
}

/* ---- who may speak ---- */

/* The link of the second node of a kind, opened without a loop, for datagrams at any time. */
static void raw_open(struct link *l, const struct channel_link_conf *conf)
{
	struct text err = { 0 };

	*l = (struct link){ .ops = &udp_ops, .conf = conf, .tx = -1, .rx = -1 };
	if (udp_ops.open(l, &err) != 0)
		fail_msg("%s", err.buf);
	text_free(&err);
}

/* Who was heard in the last heard_at(), as whom. */
static union channel_addr heard_as[LINK_RX_SLOTS];

/* How many of the datagrams that wait are heard at that time. */
static unsigned int heard_at(struct link *l, int64_t ms)
{
	static uint8_t mem[LINK_RX_SLOTS * LINK_DATAGRAM_MAX];
	struct link_rx rx = { .mem = mem };
	unsigned int got, n = 0;

	usleep(10000);
	do {
		got = l->ops->recv(l, &rx, mono_add_ms((struct mono){ .ns = 1 }, ms));
		for (unsigned int i = 0; i < rx.n; i++)
			memcpy(&heard_as[i], rx.item[i].from.addr, sizeof(heard_as[i]));
		n += rx.n;
	} while (got == LINK_RX_SLOTS);
	return n;
}

static void assert_as(unsigned int i, const char *addr)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(strchr(addr, ':') ? AF_INET6 : AF_INET, &heard_as[i], text, sizeof(text));
	assert_string_equal(text, addr);
}

static const struct sources {
	const char *own, *peer, *first, *second, *third, *off_link;
} sources[UDP_KINDS] = {
	{ "10.9.0.2", "10.9.0.1", "10.9.0.66", "10.9.0.67", "10.9.0.68", "10.99.0.1" },
	{ "fd09::2", "fd09::1", "fd09::66", "fe80::67", "fd09::68", "fd99::1" },
	{ "fe80::b", "fe80::a", "fe80::66", "fd09::67", "fe80::68", "fd99::1" },
};

/* Several nodes behind one destination, and a peer with several addresses: each node has one
 * identity. */
static void test_speakers(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		const struct kind *k = &kinds[i];
		const struct sources *s = &sources[i];
		struct channel_link_conf conf = link_of(k, 1);
		const char *to = k->addr[1];
		struct link l;

		print_message("%s\n", k->name);
		lab_log_begin();
		raw_open(&l, &conf);
		lab_stranger(s->off_link, "dedi0", to);
		assert_int_equal(heard_at(&l, 1000), 0); /* a router sent it */
		assert_int_equal(l.stats.refused_source, 1);
		assert_int_equal(lab_log_count("it is neither the peer nor a neighbour"), 1);
		assert_int_equal(lab_log_count("write \"AcceptPeer "), 1);
		lab_stranger(s->own, "dedi0", to);
		assert_int_equal(heard_at(&l, 1000), 0);
		assert_int_equal(l.stats.own, 1);
		lab_stranger(s->first, "dedi0", to);
		lab_stranger(s->second, "dedi0", to);
		lab_stranger(s->first, "dedi0", to);
		/* the first one is the peer; what is the other? */
		assert_int_equal(heard_at(&l, 2000), 2);
		assert_as(1, s->peer);
		assert_int_equal(l.stats.held_back, 1);
		lab_stranger(s->first, "dedi0", to);
		lab_stranger(s->second, "dedi0", to);
		assert_int_equal(heard_at(&l, 3000), 2); /* both live: they are two */
		assert_as(0, s->peer);
		assert_as(1, s->second);
		lab_stranger(s->third, "dedi0", to);
		assert_int_equal(heard_at(&l, 3500), 0);
		lab_stranger(s->third, "dedi0", to);
		lab_stranger(s->second, "dedi0", to);
		/* the first has fallen silent: this is its other address */
		assert_int_equal(heard_at(&l, 6500), 2);
		assert_as(0, s->peer);
		assert_as(1, s->second);
		lab_stranger(s->first, "dedi0", to); /* it was not */
		assert_int_equal(heard_at(&l, 6600), 1);
		assert_as(0, s->first);
		lab_stranger(s->peer, "dedi0", to);
		lab_stranger(s->third, "dedi0", to);
		assert_int_equal(heard_at(&l, 7000), 2);
		assert_as(0, s->peer);
		assert_as(1, s->third);
		assert_int_equal(lab_log_count("speaks, which is not"), 3);
		assert_int_equal(lab_log_count("\" here and \"IPv"), 3);
		assert_int_equal(l.stats.refused_source, 1);
		link_close(&l);
		lab_log_end();
	}
}

/* The peer of 1.4.x got one more address and speaks from that now: no line is asked for before it
 * is heard. */
static void test_peer_changes_address(void **state)
{
	struct channel_link_conf conf = link_of(&kinds[0], 1);
	const char *to = kinds[0].addr[1];
	struct link l;

	(void)state;
	SKIP_WITHOUT_LAB();
	raw_open(&l, &conf);
	lab_stranger("10.9.0.1", "dedi0", to);
	assert_int_equal(heard_at(&l, 1000), 1);
	for (int ms = 2000; ms < 4000; ms += 500) {
		lab_stranger("10.9.0.66", "dedi0", to);
		assert_int_equal(heard_at(&l, ms), 0);
	}
	lab_stranger("10.9.0.66", "dedi0", to);
	assert_int_equal(heard_at(&l, 4000), 1);
	assert_as(0, "10.9.0.1");
	lab_stranger("10.9.0.1", "dedi0", to);
	assert_int_equal(heard_at(&l, 5000), 1);
	assert_as(0, "10.9.0.1");
	link_close(&l);
}

/* Nobody but the peer and whom the file names. */
static void test_strict(void **state)
{
	static const struct channel_accept accept_v6 = { .family = AF_INET6,
							 .prefix = 64,
							 .addr.v6 = { { { 0xfd, 0x99 } } } };
	struct channel_conf all = { .strict = true, .n_accept = 3 };

	(void)state;
	SKIP_WITHOUT_LAB();
	all.accept[0] = accept_v6;
	all.accept[1] = (struct channel_accept){ .family = AF_INET,
						 .prefix = 20,
						 .addr.v4.s_addr = htonl(0x0a630000) };
	all.accept[2] = (struct channel_accept){ .family = AF_INET,
						 .prefix = 32,
						 .addr.v4.s_addr = htonl(0x0a090042) };
	for (size_t i = 0; i < 2; i++) {
		static const char *const listed[2][2] = { { "10.99.15.1", "10.9.0.66" },
							  { "fd99::1", "fd99::ffff:1" } };
		static const char *const others[2][2] = { { "10.99.16.1", "10.9.0.67" },
							  { "fd99:0:0:1::1", "fd09::67" } };
		struct channel_link_conf conf = link_of(&kinds[i], 1);
		struct link l;

		lab_log_begin();
		raw_open(&l, &conf);
		l.all = &all;
		for (int n = 0; n < 2; n++) {
			lab_stranger(listed[i][n], "dedi0", kinds[i].addr[1]);
			assert_int_equal(heard_at(&l, 1000 + 10000 * n), 1);
			lab_stranger(others[i][n], "dedi0", kinds[i].addr[1]);
			assert_int_equal(heard_at(&l, 1000 + 10000 * n), 0);
		}
		assert_int_equal(l.stats.refused_source, 2);
		assert_int_equal(lab_log_count("StrictPeers is on"), 2);
		assert_int_equal(lab_log_count("speaks, which is not"), 0);
		lab_stranger(kinds[i].addr[0], "dedi0", kinds[i].addr[1]);
		assert_int_equal(heard_at(&l, 12000), 1);
		link_close(&l);
		lab_log_end();
	}
}

/* The right source on another interface: packets may take any way. Refusals are counted, not logged
 * one by one. */
static void test_other_interface(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < 2; i++) { /* link-local ones never get here */
		static const char *const lan[] = { "10.9.1.66", "fd0a::66" };
		struct channel_link_conf conf = link_of(&kinds[i], 1);
		struct link l;

		print_message("%s\n", kinds[i].name);
		lab_log_begin();
		raw_open(&l, &conf);
		assert_true(lab_sh("mac=$(ip -br link show other1 | awk '{ print $3 }') && ip "
				   "neigh replace %s lladdr $mac dev other0",
				   kinds[i].addr[1]));
		assert_true(lab_sh("ip route add %s dev other0 table 1000", kinds[i].addr[1]));
		lab_stranger(kinds[i].addr[0], "other0", kinds[i].addr[1]);
		assert_int_equal(heard_at(&l, 1000), 1);
		for (int n = 0; n < 200; n++) /* a neighbour there is none of the link */
			lab_stranger(lan[i], "other0", kinds[i].addr[1]);
		assert_int_equal(heard_at(&l, 1000), 0);
		assert_int_equal(l.stats.refused_source, 200);
		assert_int_equal(l.stats.refused_interface, 0);
		assert_int_equal(lab_log_count("it is neither the peer nor a neighbour"), 3);
		lab_stranger(lan[i], "other0", kinds[i].addr[1]);
		assert_int_equal(heard_at(&l, 62000), 0);
		assert_int_equal(lab_log_count("(197 other refusals were not logged)"), 1);
		assert_true(lab_sh("ip route del %s dev other0 table 1000", kinds[i].addr[1]));
		link_close(&l);
		lab_log_end();
	}
}

/* Without a local address every one of this machine will do. A link-local peer is that of its
 * interface only. */
static void test_any_address(void **state)
{
	static const char *const dest[] = { "10.9.0.1", "fd09::1", "fe80::a" }, *const mine[] = {
		"10.9.0.7", "fe80::b", "fd09::2"
	};

	(void)state;
	SKIP_WITHOUT_LAB();
	for (int i = 0; i < 3; i++) {
		struct channel_link_conf conf = lab_link(CHANNEL_UDP, "dedi1", NULL, dest[i]);
		struct link l;

		raw_open(&l, &conf);
		if (i > 0)
			/* not IPv4 too */
			assert_int_equal(option(l.rx, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		lab_stranger(dest[i], "dedi0", kinds[i].addr[1]);
		lab_stranger(dest[i], "dedi0", mine[i]);
		assert_int_equal(heard_at(&l, 1000), 2);
		lab_stranger(i == 0 ? "10.9.1.66" :
			     i == 1 ? "fd0a::66" :
				      "fe80::a",
			     "other0",
			     i == 0 ? "10.9.1.2" :
			     i == 1 ? "fd0a::2" :
				      "fe80::d");
		assert_int_equal(heard_at(&l, 1000), 0);
		assert_int_equal(l.stats.refused_source, i < 2);
		assert_int_equal(l.stats.refused_interface, i == 2);
		link_close(&l);
	}
}

/* Links with one local port, whichever addresses they have: what comes in is that of the link whose
 * peer speaks. */
static void test_one_port(void **state)
{
	static const struct {
		const char *local[2], *dest[2], *device[2], *to[2];
	} cases[] = {
		{ { NULL, NULL },
		  { "10.9.0.1", "10.9.1.1" },
		  { "dedi", "other" },
		  { "10.9.0.2", "10.9.1.2" } },
		{ { "10.9.0.2", NULL },
		  { "10.9.0.1", "10.9.1.1" },
		  { "dedi", "other" },
		  { "10.9.0.2", "10.9.1.2" } },
		{ { NULL, "10.9.1.2" },
		  { "10.9.0.1", "10.9.1.1" },
		  { "dedi", "other" },
		  { "10.9.0.2", "10.9.1.2" } },
		{ { "10.9.0.2", "10.9.0.2" },
		  { "10.9.0.1", "10.9.0.99" },
		  { "dedi", "dedi" },
		  { "10.9.0.2", "10.9.0.2" } },
		{ { NULL, NULL },
		  { "fd09::1", "fd0a::1" },
		  { "dedi", "other" },
		  { "fd09::2", "fd0a::2" } },
		{ { NULL, NULL },
		  { "fe80::a", "fe80::c" },
		  { "dedi", "other" },
		  { "fe80::b", "fe80::d" } },
		{ { "fe80::b", "fe80::d" },
		  { "fe80::a", "fe80::c" },
		  { "dedi", "other" },
		  { "fe80::b", "fe80::d" } },
	};

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct channel_link_conf link[2];
		char name[2][16];

		for (int n = 0; n < 2; n++) {
			snprintf(name[n], sizeof(name[n]), "%s1", cases[i].device[n]);
			link[n] =
				lab_link(CHANNEL_UDP, name[n], cases[i].local[n], cases[i].dest[n]);
		}
		print_message("%s and %s\n", cases[i].dest[0], cases[i].dest[1]);
		lab_open_links(&b, link, 2);
		for (unsigned int n = 0; n < 6; n++) {
			char from[16];

			snprintf(from, sizeof(from), "%s0", cases[i].device[n % 2]);
			lab_stranger(cases[i].dest[n % 2], from, cases[i].to[n % 2]);
			lab_wait(&b, n + 1);
			assert_int_equal(b.from.link, n % 2);
			assert_memory_equal(b.from.addr, &link[n % 2].dest,
					    link[n % 2].family == AF_INET ? 4 : 16);
		}
		lab_close(&b);
	}
}

/* A destination on this machine: a relay speaks for the peers, from any of our addresses. But we do
 * not hear ourselves. */
static void test_own_destination(void **state)
{
	static const struct {
		const char *local, *dest;
	} cases[] = { { "10.9.0.55", "127.0.0.1" },
		      { "127.0.0.1", "127.0.0.1" },
		      { "fd09::55", "::1" },
		      { "::1", "::1" } };

	(void)state;
	SKIP_WITHOUT_LAB();
	assert_true(lab_sh(
		"ip addr add 10.9.0.55/24 dev dedi1 && ip addr add fd09::55/64 dev dedi1 nodad"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct channel_link_conf conf =
			lab_link(CHANNEL_UDP, "dedi1", cases[i].local, cases[i].dest);
		const char *gateway = conf.family == AF_INET ? "10.9.0.66" : "fd09::66";

		print_message("%s to %s\n", cases[i].local, cases[i].dest);
		lab_log_begin();
		lab_open(&b, &conf);
		assert_true(lab_log_count("is an address of this machine") > 0);
		lab_send(&b, 5, 100);
		lab_turns(50);
		assert_int_equal(b.n, 0);
		lab_stranger(cases[i].dest, "lo", cases[i].local);
		lab_wait(&b, 1);
		if (i % 2 == 0) {
			lab_stranger(gateway, "dedi0", cases[i].local);
			lab_turns(20);
			assert_int_equal(lab_stats(&b).held_back, 1);
			lab_stranger(cases[i].dest, "lo", cases[i].local);
			lab_stranger(gateway, "dedi0", cases[i].local);
			lab_wait(&b, 3);
		} else {
			assert_int_equal(lab_stats(&b).own, 5);
		}
		lab_close(&b);
		lab_log_end();
	}
	assert_true(
		lab_sh("ip addr del 10.9.0.55/24 dev dedi1 && ip addr del fd09::55/64 dev dedi1"));
}

/* A port that is another's: the group of a multicast link, or another address of this machine. */
static void test_other_address(void **state)
{
	struct channel_link_conf conf = link_of(&kinds[0], 1);
	struct link l;

	(void)state;
	SKIP_WITHOUT_LAB();
	raw_open(&l, &conf);
	lab_stranger("10.9.0.1", "dedi0", "10.9.0.7");
	lab_stranger("10.9.0.1", "dedi0", "225.0.0.50");
	assert_int_equal(heard_at(&l, 1000), 0);
	assert_int_equal(l.stats.refused_interface + l.stats.refused_source, 0);
	link_close(&l);
}

/* IPv6 multicast: anybody in the group, on this interface, but ourselves. */
static void test_multicast6(void **state)
{
	struct channel_link_conf conf = lab_link(CHANNEL_MCAST, "dedi1", NULL, GROUP6);
	struct ipv6_mreq join = { 0 };
	int other;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_open(&b, &conf);
	other = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET6, GROUP6, &join.ipv6mr_multiaddr);
	join.ipv6mr_interface = if_nametoindex("other1");
	assert_int_equal(setsockopt(other, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof(join)), 0);
	lab_stranger("fd09::1", "dedi0", "fd09::2");	/* unicast to the port */
	lab_stranger("fe80::c", "other0", GROUP6);	/* the group on another interface */
	lab_stranger("fe80::a", "dedi0", "ff02::50:2"); /* another group */
	lab_turns(50);
	close(other);
	assert_int_equal(b.n, 0);
	assert_int_equal(lab_stats(&b).refused_interface, 0); /* not even given to us */
	lab_stranger("fe80::b", "dedi0", GROUP6);
	lab_turns(50);
	assert_int_equal(b.n, 0);
	assert_int_equal(lab_stats(&b).own, 1);
	lab_stranger("fe80::a", "dedi0", GROUP6);
	lab_stranger("fd09::99", "dedi0", GROUP6);
	lab_wait(&b, 2);
	lab_stranger("fd09::2", "dedi0", GROUP6); /* our other address, after somebody was heard */
	lab_turns(50);
	assert_int_equal(b.n, 2);
	assert_int_equal(lab_stats(&b).own, 2);
}

/* A node in the group is known by its address, so it must not be another one as soon as duplicates
 * were looked for. */
static void test_multicast6_source(void **state)
{
	struct channel_link_conf one = lab_link(CHANNEL_MCAST, "dedi0", NULL, GROUP6);
	struct channel_link_conf two = lab_link(CHANNEL_MCAST, "dedi1", NULL, GROUP6);
	union channel_addr want = { .v6 = IN6ADDR_ANY_INIT };

	(void)state;
	SKIP_WITHOUT_LAB();
	inet_pton(AF_INET6, "fe80::a", &want);
	assert_true(lab_sh("ip addr del fe80::a/64 dev dedi0 && ip addr add fe80::a/64 dev dedi0"));
	lab_open(&a, &one);
	lab_open(&b, &two);
	assert_true(lab_sh("ip addr show dev dedi0 tentative | grep -q fe80::a"));
	lab_send(&a, 1, 100);
	lab_wait(&b, 1);
	assert_memory_equal(b.from.addr, &want, 16);
	assert_true(lab_sh("ip addr replace fe80::a/64 dev dedi0 nodad"));
}

/* ---- opening ---- */

static void test_options(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		struct channel_link_conf conf = link_of(&kinds[i], 0);
		struct link l;

		raw_open(&l, &conf);
		assert_int_equal(option(l.tx, SOL_SOCKET, SO_NO_CHECK), 0);
		assert_int_equal(option(l.rx, SOL_SOCKET, SO_REUSEADDR), 0);
		link_close(&l);
		conf.checksum = false;
		conf.snd_buffer = 65536;
		conf.rcv_buffer = 131072;
		raw_open(&l, &conf);
		/* IPv6 has no such thing */
		assert_int_equal(option(l.tx, SOL_SOCKET, SO_NO_CHECK), i == 0);
		/* the kernel doubles it */
		assert_int_equal(option(l.tx, SOL_SOCKET, SO_SNDBUF), 2 * 65536);
		assert_int_equal(option(l.rx, SOL_SOCKET, SO_RCVBUF), 2 * 131072);
		if (i > 0)
			assert_int_equal(option(l.rx, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		assert_true(fcntl(l.tx, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(l.rx, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(l.tx, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(l.rx, F_GETFD) & FD_CLOEXEC);
		link_close(&l);
	}
}

static void test_open_errors(void **state)
{
	static const struct {
		const char *name;
		enum channel_type type;
		const char *ifname, *local, *dest;
		int want;
		const char *says[3];
	} cases[] = {
		{ "no such interface", CHANNEL_UDP, "eth77", "10.9.0.1", "10.9.0.2", 0, { 0 } },
		{ "no such interface, IPv6 group", CHANNEL_MCAST, "eth77", NULL, GROUP6, 0, { 0 } },
		{ "no such address", CHANNEL_UDP, "dedi0", "192.168.77.77", "10.9.0.2", 0, { 0 } },
		{ "no such IPv6 address", CHANNEL_UDP, "dedi0", "fd09::77", "fd09::2", 0, { 0 } },
		{ "link-local, but not here",
		  CHANNEL_UDP,
		  "dedi0",
		  "fe80::b",
		  "fe80::c",
		  0,
		  { 0 } },
		{ "not a group",
		  CHANNEL_MCAST,
		  "dedi0",
		  NULL,
		  "fd09::1",
		  -EINVAL,
		  { "line 12: fd09::1 (IPv6_address) is not a multicast address (ff00::/8)" } },
		{ "no way to the peer", CHANNEL_UDP, "dedi0", "10.9.0.1", "203.0.113.1", 0, { 0 } },
		{ "no way to the IPv6 peer",
		  CHANNEL_UDP,
		  "dedi0",
		  "fd09::1",
		  "2001:db8::1",
		  0,
		  { 0 } },
		{ "another interface's address",
		  CHANNEL_UDP,
		  "other0",
		  "10.9.0.1",
		  "10.9.0.2",
		  0,
		  { 0 } },
		{ "an address that only lives here",
		  CHANNEL_UDP,
		  "dedi0",
		  "10.9.8.8",
		  "10.9.0.2",
		  0,
		  { 0 } },
		{ "an address of our own as the peer",
		  CHANNEL_UDP,
		  "dedi0",
		  "10.9.0.1",
		  "10.9.8.8",
		  0,
		  { 0 } },
	};

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	assert_true(lab_sh("ip addr add 10.9.8.8/32 dev lo"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct channel_link_conf conf =
			lab_link(cases[i].type, cases[i].ifname, cases[i].local, cases[i].dest);
		struct text err = { 0 };

		print_message("%s\n", cases[i].name);
		assert_int_equal(lab_try(&a, &conf, &err), cases[i].want);
		for (int k = 0; k < 3 && cases[i].says[k]; k++) {
			if (!strstr(err.buf, cases[i].says[k]))
				fail_msg("\"%s\" is not in \"%s\"", cases[i].says[k], err.buf);
		}
		lab_close(&a);
		text_free(&err);
	}
	assert_int_equal(
		lab_log_count(
			"no way to 203.0.113.1 (IPv4_Destination_Address) at the moment: Network"),
		1);
	assert_int_equal(
		lab_log_count(
			"no way to 2001:db8::1 (IPv6_Destination_Address) at the moment: Network"),
		1);
	assert_int_equal(
		lab_log_count("IPv4_Destination_Address 10.9.8.8 is an address of this machine"),
		1);
	assert_int_equal(lab_log_count("no way to"), 2);
	/* What is not there is waited for. */
	assert_int_equal(
		lab_log_count("line 12: Interface eth77 does not exist; this machine has: lo"), 2);
	assert_int_equal(
		lab_log_count("has the address 192.168.77.77 (IPv4_address) yet: waiting for it"),
		1);
	assert_int_equal(
		lab_log_count("has the address fd09::77 (IPv6_address) yet: waiting for it"), 1);
	assert_int_equal(
		lab_log_count(
			"another interface than Interface has the address fe80::b (IPv6_address)"),
		1);
	assert_int_equal(lab_log_count("aiting for it"), 4);
	assert_true(lab_sh("ip addr del 10.9.8.8/32 dev lo"));
	lab_log_end();
}

/* Even by somebody who would share it: two daemons would both be content, and one would hear
 * nothing. */
static void test_port_taken(void **state)
{
	static const char *const says[] = {
		"UDP address 10.9.0.1 (IPv4_address), port 3780 (Port): Address already in use",
		"UDP address fd09::1 (IPv6_address), port 3780 (Port): Address already in use",
	};

	(void)state;
	SKIP_WITHOUT_LAB();
	for (int i = 0; i < 2; i++) {
		struct channel_link_conf conf = link_of(&kinds[i], 0);
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(LAB_PORT) };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(LAB_PORT) };
		int fd = socket(conf.family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
		struct text err = { 0 };

		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
		assert_int_equal(i ? bind(fd, (struct sockaddr *)&v6, sizeof(v6)) :
				     bind(fd, (struct sockaddr *)&v4, sizeof(v4)),
				 0);
		assert_int_equal(lab_try(&a, &conf, &err), -EADDRINUSE);
		assert_non_null(strstr(err.buf, says[i]));
		text_reset(&err);
		close(fd);
		lab_open(&a, &conf);
		assert_int_equal(lab_try(&b, &conf, &err), -EADDRINUSE);
		text_free(&err);
		close_pair();
	}
}

/* ---- things that go away and come back ---- */

static void test_interface_down(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < ALL_KINDS; i++) {
		open_pair(&kinds[i]);
		assert_true(lab_sh("ip link set dedi0 down"));
		lab_send(&a, 200, 100);
		lab_turns(20);
		assert_int_equal(b.n, 0);
		assert_int_equal(lab_stats(&a).sent_errors, 200);
		assert_false(lab_stats(&a).up);
		/* IPv6 addresses went with it. */
		lab_up("dedi0");
		lab_turns(300);
		lab_send(&a, 2, 100);
		lab_wait(&b, 2);
		lab_send(&b, 1, 100);
		lab_wait(&a, 1);
		close_pair();
	}
}

/* Scripts that restart the network, or a VLAN: for the kernel it is another interface. */
static void test_interface_made_anew(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < ALL_KINDS; i++) {
		struct mono end = mono_add_ms(clock_now(), 10000);

		lab_log_begin();
		open_pair(&kinds[i]);
		lab_send(&a, 1, 100);
		lab_wait(&b, 1);
		lab_remake();
		a.n = b.n = 0;
		while ((a.n == 0 || b.n == 0) && mono_before(clock_now(), end)) {
			lab_send(&a, 1, 100);
			lab_send(&b, 1, 100);
			lab_turns(100);
		}
		assert_true(a.n > 0 && b.n > 0);
		/* Where addresses and routes decide, no socket knows the difference. */
		assert_int_equal(lab_log_count("dedi0 was made anew"), i >= SCOPED);
		assert_int_equal(lab_log_count("dedi1 was made anew"), i >= SCOPED);
		close_pair();
		lab_log_end();
	}
}

/* At the start of the machine: the interface is down, and has no address yet. */
static void test_start_before_interface(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		const char *addr = kinds[i].addr[0];

		lab_log_begin();
		assert_true(
			lab_sh("ip link set dedi0 down && { ip addr del %s/%d dev dedi0 || true; }",
			       addr, i ? 64 : 24));
		open_pair(&kinds[i]);
		assert_int_equal(lab_log_count("line 12: UDP link: dedi0 is down"), 1);
		lab_send(&a, 1, 100);
		assert_int_equal(lab_stats(&a).sent_errors, 1);
		lab_up("dedi0");
		lab_turns(300);
		lab_send(&a, 1, 100);
		lab_wait(&b, 1);
		lab_send(&b, 1, 100);
		lab_wait(&a, 1);
		close_pair();
		lab_log_end();
	}
}

/* Earlier still: there is no interface at all. It comes, and the links of every kind with it. */
static void test_start_without_interface(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < ALL_KINDS; i++) {
		struct mono end = mono_add_ms(clock_now(), 20000);

		lab_log_begin();
		lab_remove();
		open_pair(&kinds[i]);
		assert_int_equal(
			lab_log_count("Interface dedi0 does not exist; this machine has: lo"), 1);
		lab_send(&a, 1, 100);
		lab_turns(100);
		lab_make();
		while ((a.n == 0 || b.n == 0) && mono_before(clock_now(), end)) {
			lab_send(&a, 1, 100);
			lab_send(&b, 1, 100);
			lab_turns(100);
		}
		assert_true(a.n > 0 && b.n > 0);
		assert_true(lab_stats(&a).up && lab_stats(&a).running);
		assert_int_equal(lab_log_count("dedi0 is up"), 1);
		assert_int_equal(lab_log_count("dedi0 has what it needs now"), i >= SCOPED);
		close_pair();
		lab_log_end();
	}
}

/* A second after the boot: nobody has said yet that the address is no duplicate. */
static void test_tentative_address(void **state)
{
	struct channel_link_conf conf = lab_link(CHANNEL_UDP, "dedi0", "fd09::33", "fd09::2");
	struct mono end = mono_add_ms(clock_now(), 20000);

	(void)state;
	SKIP_WITHOUT_LAB();
	assert_true(lab_sh("ip addr add fd09::33/64 dev dedi0"));
	assert_true(lab_sh("ip addr show dev dedi0 tentative | grep -q fd09::33"));
	lab_open(&a, &conf);
	assert_true(lab_sh("ip addr show dev dedi0 tentative | grep -q fd09::33"));
	while (a.n == 0 && mono_before(clock_now(), end)) {
		lab_stranger("fd09::2", "dedi1", "fd09::33");
		lab_turns(200);
	}
	assert_true(a.n > 0);
	assert_true(lab_sh("ip addr del fd09::33/64 dev dedi0"));
}

/* The peer's daemon is not there: its machine answers with ICMP errors. */
static void test_port_closed(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < UDP_KINDS; i++) {
		struct channel_link_conf two = link_of(&kinds[i], 1);

		open_pair(&kinds[i]);
		lab_close(&b);
		for (int n = 0; n < 20; n++) {
			lab_send(&a, 1, 100);
			lab_turns(2);
		}
		lab_open(&b, &two);
		lab_send(&a, 3, 100);
		lab_wait(&b, 3);
		assert_int_equal(lab_stats(&a).sent_pkts + lab_stats(&a).sent_errors, 23);
		close_pair();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_from, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_many, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_gather, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_payload, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_full_socket, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_speakers, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_peer_changes_address, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_strict, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_one_port, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_own_destination, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_other_interface, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_any_address, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_other_address, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_multicast6, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_multicast6_source, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_options, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_open_errors, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_port_taken, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_interface_down, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_interface_made_anew, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_start_before_interface, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_start_without_interface, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_tentative_address, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_port_closed, lab_begin, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
