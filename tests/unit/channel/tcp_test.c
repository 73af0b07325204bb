/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP links on real sockets (lab.h): two of ours, and one of ours with a peer played by the test,
 * which cuts messages and connections wherever it likes. */
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

static struct lab_node a, b; /* on dedi0 and dedi1 */

static const struct kind {
	const char *name, *addr[2];
	size_t headers;
} kinds[] = {
	{ "IPv4", { "10.9.0.1", "10.9.0.2" }, 40 },
	{ "IPv6", { "fd09::1", "fd09::2" }, 60 },
	{ "IPv6, link-local", { "fe80::a", "fe80::b" }, 60 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct channel_link_conf link_of(const struct kind *k, unsigned int end)
{
	return lab_link(CHANNEL_TCP, end ? "dedi1" : "dedi0", k->addr[end], k->addr[!end]);
}

static void open_node(struct lab_node *x, const struct kind *k, unsigned int end)
{
	struct channel_link_conf conf = link_of(k, end);

	lab_open(x, &conf);
	x->numbered = true;
}

/* Turns of the loop until it is so, at most 10 s. */
#define TURN_UNTIL(what) \
	do { \
		struct mono end_ = mono_add_ms(clock_now(), 10000); \
		while (!(what) && mono_before(clock_now(), end_)) \
			evloop_turn(lab_loop, NULL, 5); \
		assert_true(what); \
	} while (0)

static bool connected(const struct lab_node *x)
{
	struct channel_link_stats s = lab_stats(x);

	assert_true(s.connections);
	return s.client_connected && s.server_connected;
}

/* A datagram of one or two messages; false if there is no room. */
static bool send_number(struct lab_node *x, uint32_t *number, size_t len)
{
	struct writer *w = channel_datagram(x->c);

	if (!w)
		return false;
	for (int i = 0; i < 2 && wr_room(w) >= len; i++)
		lab_message(wr_take(w, len), len, (*number)++);
	channel_send(x->c);
	channel_flush(x->c);
	return true;
}

/* Likewise, when there is room. */
static void send_later(struct lab_node *x, uint32_t *number, size_t len)
{
	struct mono end = mono_add_ms(clock_now(), 10000);

	while (!send_number(x, number, len)) {
		evloop_turn(lab_loop, NULL, 5);
		assert_true(mono_before(clock_now(), end));
	}
}

static void close_pair(void)
{
	lab_close(&a);
	lab_close(&b);
}

/* ---- the test as the peer ---- */

static socklen_t address(const char *text, uint16_t port, const char *dev,
			 struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_scope_id = if_nametoindex(dev) };

	*out = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

static int peer_socket(const char *source, uint16_t port, const char *dev)
{
	struct sockaddr_storage from;
	socklen_t len = address(source, port, dev, &from);
	int fd = socket(from.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, small = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev)),
			 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, len), 0);
	return fd;
}

/* Connect to b as the peer, or as somebody else. The loop has to turn before b knows. */
static int peer_connect(const char *source, const char *dest)
{
	int fd = peer_socket(source, 0, "dedi0");
	struct sockaddr_storage to;
	socklen_t len = address(dest, LAB_PORT, "dedi0", &to);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

static int peer_listen(const struct kind *k)
{
	int fd = peer_socket(k->addr[1], LAB_PORT, "dedi1");

	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int peer_accept(int listener)
{
	int fd = -1;

	TURN_UNTIL(fd != -1 || (fd = accept(listener, NULL, NULL)) != -1);
	return fd;
}

static void peer_write(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Read exactly n bytes, turning the loop. */
static void peer_read(int fd, uint8_t *to, size_t n)
{
	struct mono end = mono_add_ms(clock_now(), 10000);

	while (n > 0 && mono_before(clock_now(), end)) {
		ssize_t got = recv(fd, to, n, MSG_DONTWAIT);

		assert_true(got > 0 || (got == -1 && errno == EAGAIN));
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		} else {
			evloop_turn(lab_loop, NULL, 5);
		}
	}
	assert_int_equal(n, 0);
}

/* The number of the message that comes next; its contents must be right. */
static uint32_t peer_read_message(int fd)
{
	static uint8_t bytes[65536];
	uint32_t number;
	size_t len;

	peer_read(fd, bytes, 8);
	len = (size_t)bytes[2] << 8 | bytes[3];
	assert_true(len >= 8);
	peer_read(fd, bytes + 8, len - 8);
	memcpy(&number, bytes + 4, 4);
	for (size_t i = 8; i < len; i++)
		assert_int_equal(bytes[i], number & 0xff);
	return number;
}

static bool is_closed(int fd)
{
	char c;
	ssize_t got = recv(fd, &c, 1, MSG_DONTWAIT);

	return got == 0 || (got == -1 && errno != EAGAIN);
}

/* ---- moving datagrams ---- */

static void test_there_and_back(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < KINDS; i++) {
		uint32_t there = 0, back = 0;

		print_message("%s\n", kinds[i].name);
		open_node(&a, &kinds[i], 0);
		lab_turns(50); /* refused: nobody listens yet */
		assert_false(lab_stats(&a).client_connected || lab_stats(&a).server_connected);
		assert_true(lab_stats(&a).sent_errors > 0);
		open_node(&b, &kinds[i], 1);
		TURN_UNTIL(connected(&a) && connected(&b));
		for (int n = 0; n < 1000; n++)
			send_later(&a, &there, 400);
		assert_true(send_number(&b, &back, 40));
		TURN_UNTIL(b.next == there && a.next == back);
		assert_int_equal(b.from.family, i ? AF_INET6 : AF_INET);
		assert_int_equal(lab_stats(&b).recv_bytes, 400 * there);
		assert_int_equal(lab_stats(&a).sent_bytes, 400 * there);
		assert_int_equal(lab_stats(&a).sent_pkts, 1000);
		assert_string_equal(lab_stats(&a).kind, "TCP");
		close_pair();
	}
}

static void test_payload(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < KINDS; i++) {
		open_node(&a, &kinds[i], 0);
		assert_true(channel_datagram(a.c)->cap + kinds[i].headers <= 1500);
		assert_true(channel_datagram(a.c)->cap + kinds[i].headers + 4 >= 1500);
		lab_close(&a);
	}
}

/* One end is closed and opened again, in turn: the other comes back within a second or two, by
 * itself. */
static void test_restart(void **state)
{
	uint32_t there = 0, back = 0;

	(void)state;
	SKIP_WITHOUT_LAB();
	open_node(&a, &kinds[0], 0);
	open_node(&b, &kinds[0], 1);
	TURN_UNTIL(connected(&a) && connected(&b));
	for (int turn = 0; turn < 2; turn++) {
		lab_close(&b);
		TURN_UNTIL(!lab_stats(&a).client_connected && !lab_stats(&a).server_connected);
		open_node(&b, &kinds[0], 1);
		b.next = there;
		TURN_UNTIL(connected(&a) && connected(&b));
		assert_true(send_number(&a, &there, 100));
		a.next = back;
		assert_true(send_number(&b, &back, 100));
		TURN_UNTIL(b.next == there && a.next == back);
	}
}

/* ---- what is received ---- */

/* Messages cut at every place, and many at once. */
static void test_framing(void **state)
{
	static uint8_t bytes[400000];
	uint32_t number = 0;
	size_t all = 0;
	int fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	open_node(&b, &kinds[0], 1);
	fd = peer_connect("10.9.0.1", "10.9.0.2");
	for (size_t cut = 1; cut < 48; cut++) {
		lab_message(bytes, 8, number);
		lab_message(bytes + 8, 40, number + 1);
		peer_write(fd, bytes, cut);
		lab_turns(2);
		assert_int_equal(b.next, number + (cut >= 8));
		peer_write(fd, bytes + cut, 48 - cut);
		number += 2;
		TURN_UNTIL(b.next == number);
	}
	for (size_t i = 0; i < 6; i++) {
		lab_message(bytes + all, 65535, number++);
		all += 65535;
	}
	for (size_t off = 0; off < all; off += 3855) /* 102 pieces */
		peer_write(fd, bytes + off, all - off < 3855 ? all - off : 3855), lab_turns(1);
	TURN_UNTIL(b.next == number);
	assert_int_equal(b.bytes, 47 * 48 + all);
	assert_int_equal(lab_stats(&b).recv_errors, 0);
	close(fd);
}

/* What cannot be a message ends the connection, and only it; what stood before it was heard. */
static void test_no_message(void **state)
{
	uint8_t bytes[16] = { 0 };
	int fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	open_node(&b, &kinds[0], 1);
	fd = peer_connect("10.9.0.1", "10.9.0.2");
	lab_message(bytes, 8, 0);
	bytes[11] = 3;
	peer_write(fd, bytes, sizeof(bytes));
	TURN_UNTIL(is_closed(fd));
	close(fd);
	assert_int_equal(b.next, 1);
	assert_int_equal(lab_stats(&b).recv_errors, 1);
	assert_int_equal(lab_log_count("what it sent are no messages"), 1);
	fd = peer_connect("10.9.0.1", "10.9.0.2");
	lab_message(bytes, 8, 1);
	peer_write(fd, bytes, 8);
	TURN_UNTIL(b.next == 2);
	close(fd);
	lab_log_end();
}

/* The peer connects again: what the old connection brought is heard first, its incomplete message
 * never continued. */
static void test_replaced(void **state)
{
	uint8_t bytes[64];
	int old, fresh;

	(void)state;
	SKIP_WITHOUT_LAB();
	open_node(&b, &kinds[0], 1);
	old = peer_connect("10.9.0.1", "10.9.0.2");
	lab_message(bytes, 20, 0);
	peer_write(old, bytes, 20);
	TURN_UNTIL(b.next == 1);
	/* both readable in the same turn, the listener may come first */
	fresh = peer_connect("10.9.0.1", "10.9.0.2");
	lab_message(bytes, 20, 1);
	lab_message(bytes + 20, 20, 77);
	peer_write(old, bytes, 30);
	lab_message(bytes, 20, 2);
	peer_write(fresh, bytes, 20);
	TURN_UNTIL(b.next == 3);
	TURN_UNTIL(is_closed(old));
	assert_true(lab_stats(&b).server_connected);
	close(old);
	close(fresh);
	TURN_UNTIL(!lab_stats(&b).server_connected);
}

/* Others beside the peer have connections of their own; with StrictPeers they have none. */
static void test_strangers(void **state)
{
	uint8_t bytes[8];
	int peer, stranger, refused;

	(void)state;
	SKIP_WITHOUT_LAB();
	/* Taken in by this machine, but no addresses of it: from those nobody is a stranger. */
	assert_true(lab_sh("ip route add local 10.9.0.66/31 dev lo"));
	lab_log_begin();
	open_node(&b, &kinds[0], 1);
	stranger = peer_connect("10.9.0.66", "10.9.0.2");
	lab_message(bytes, 8, 0);
	peer_write(stranger, bytes, 8);
	TURN_UNTIL(b.next == 1); /* adopted: the peer may speak from another address */
	assert_int_equal(lab_log_count("10.9.0.66 speaks, which is not 10.9.0.1"), 1);
	peer = peer_connect("10.9.0.1", "10.9.0.2");
	lab_message(bytes, 8, 1);
	peer_write(peer, bytes, 8);
	TURN_UNTIL(b.next == 2);
	assert_memory_equal(b.from.addr, &b.conf.link[0].dest, 4);
	lab_message(bytes, 8, 2);
	peer_write(stranger, bytes, 8);
	TURN_UNTIL(b.next == 3); /* it is one more node */
	assert_memory_equal(b.from.addr, ((uint8_t[]){ 10, 9, 0, 66 }), 4);
	b.conf.strict = true;
	refused = peer_connect("10.9.0.67", "10.9.0.2");
	TURN_UNTIL(is_closed(refused));
	close(refused);
	assert_int_equal(lab_log_count("a connection from 10.9.0.67 is refused: StrictPeers is on"),
			 1);
	assert_int_equal(lab_stats(&b).refused_source, 1);
	lab_message(bytes, 8, 3);
	peer_write(peer, bytes, 8);
	TURN_UNTIL(b.next == 4); /* the others are still there */
	assert_true(!is_closed(stranger) && !is_closed(peer));
	close(peer);
	close(stranger);
	lab_log_end();
	assert_true(lab_sh("ip route del local 10.9.0.66/31 dev lo"));
}

/* ---- what is sent ---- */

/* A peer that does not read: back-pressure. Its connection dies in the middle of a message: the
 * next one begins with a whole message, and from there on nothing is missing, nothing twice. */
static void test_cut_in_a_message(void **state)
{
	int listener, fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < KINDS; i++) {
		struct channel_link_conf conf = link_of(&kinds[i], 0);
		uint32_t number = 0, heard = 0, first;
		uint8_t part[100];

		print_message("%s\n", kinds[i].name);
		listener = peer_listen(&kinds[i]);
		conf.snd_buffer = 20000;
		lab_open(&a, &conf);
		fd = peer_accept(listener);
		TURN_UNTIL(lab_stats(&a).client_connected);
		while (send_number(&a, &number, 700))
			assert_true(number < 100000);
		lab_turns(50);
		assert_false(send_number(&a, &number, 700));
		assert_int_equal(a.writable, 0);
		while (heard < 20)
			assert_int_equal(peer_read_message(fd), heard++);
		peer_read(fd, part, sizeof(part));
		close(fd); /* bytes are unread: a reset */
		fd = peer_accept(listener);
		first = peer_read_message(fd);
		/* a datagram's first */
		assert_true(first > heard && first < number && first % 2 == 0);
		for (uint32_t next = first + 1; next < number; next++)
			assert_int_equal(peer_read_message(fd), next);
		TURN_UNTIL(a.writable > 0);
		assert_true(send_number(&a, &number, 8));
		assert_int_equal(peer_read_message(fd), number - 2);
		close(fd);
		close(listener);
		lab_close(&a);
	}
}

/* Without a connection the newest datagrams are kept, and leave when there is one. */
static void test_error_queue(void **state)
{
	uint32_t number = 0, waiting;
	uint64_t given_up;
	int listener, fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	open_node(&a, &kinds[0], 0);
	for (int n = 0; n < 300; n++)
		assert_true(send_number(&a, &number, 700));
	channel_waiting(a.c, &waiting, &given_up);
	assert_int_equal(waiting, LAB_KEEP);
	assert_int_equal(given_up, 300 - LAB_KEEP);
	assert_true(lab_stats(&a).sent_errors >= given_up);
	listener = peer_listen(&kinds[0]);
	fd = peer_accept(listener);
	for (uint32_t next = number - 2 * LAB_KEEP; next < number; next++)
		assert_int_equal(peer_read_message(fd), next);
	channel_waiting(a.c, &waiting, &given_up);
	assert_int_equal(waiting, 0);
	close(fd);
	close(listener);
}

/* ---- opening ---- */

/* Neither an interface that is down nor an address or route that is missing keeps it from
 * starting. */
static void test_starts_without_a_link(void **state)
{
	uint32_t number = 0;

	(void)state;
	SKIP_WITHOUT_LAB();
	assert_true(lab_sh("ip link set dedi0 down"));
	lab_log_begin();
	open_node(&a, &kinds[0], 0);
	lab_turns(1200);
	assert_int_equal(lab_log_count("dedi0 is down"), 1);
	assert_int_equal(
		lab_log_count(
			"no connection to 10.9.0.2 (IPv4_Destination_Address), port 3780 yet: "),
		1);
	lab_up("dedi0");
	open_node(&b, &kinds[0], 1);
	TURN_UNTIL(connected(&a) && connected(&b));
	assert_int_equal(lab_log_count("connected to 10.9.0.2"), 1);
	assert_true(send_number(&a, &number, 100));
	TURN_UNTIL(b.next == number);
	lab_log_end();
}

/* No interface at all, and no address: they come, and the connections with them. */
static void test_starts_without_an_interface(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < KINDS; i++) {
		uint32_t there = 0, back = 0;

		print_message("%s\n", kinds[i].name);
		lab_log_begin();
		lab_remove();
		open_node(&a, &kinds[i], 0);
		open_node(&b, &kinds[i], 1);
		assert_int_equal(
			lab_log_count("Interface dedi0 does not exist; this machine has: lo"), 1);
		lab_turns(100);
		lab_make();
		TURN_UNTIL(connected(&a) && connected(&b));
		assert_true(send_number(&a, &there, 40) && send_number(&b, &back, 40));
		TURN_UNTIL(b.next == there && a.next == back);
		close_pair();
		lab_log_end();
	}
}

/* Two links with one local port: each connection is that of the link whose peer has made it. */
static void test_one_port(void **state)
{
	struct channel_link_conf link[] = {
		lab_link(CHANNEL_TCP, "dedi1", NULL, "10.9.0.1"),
		lab_link(CHANNEL_TCP, "other1", NULL, "10.9.1.1"),
	};
	uint8_t bytes[8];
	int fd[2];

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_open_links(&b, link, 2);
	b.numbered = true;
	fd[0] = peer_connect("10.9.0.1", "10.9.0.2");
	fd[1] = peer_socket("10.9.1.1", 0, "other0");
	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage to;
		socklen_t len = address("10.9.1.2", LAB_PORT, "other0", &to);

		if (i == 1)
			assert_int_equal(connect(fd[1], (struct sockaddr *)&to, len), 0);
		lab_message(bytes, 8, (uint32_t)i);
		peer_write(fd[i], bytes, 8);
		TURN_UNTIL(b.next == (uint32_t)i + 1);
		assert_int_equal(b.from.link, i);
		assert_memory_equal(b.from.addr, &link[i].dest, 4);
	}
	close(fd[0]);
	close(fd[1]);
}

static void test_port_in_use(void **state)
{
	struct channel_link_conf conf = link_of(&kinds[0], 1);
	struct text err = { 0 };
	char owner[64];
	int fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	fd = peer_listen(&kinds[0]);
	assert_int_equal(lab_try(&b, &conf, &err), -EADDRINUSE);
	snprintf(owner, sizeof(owner), "by PID %d (", getpid());
	assert_non_null(strstr(err.buf,
			       "line 12: TCP address 10.9.0.2 (IPv4_address), port 3780 (Port): "
			       "Address already in use"));
	assert_non_null(strstr(err.buf, owner));
	text_free(&err);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_payload, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_restart, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_framing, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_no_message, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_replaced, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_strangers, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_cut_in_a_message, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_error_queue, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_starts_without_a_link, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_starts_without_an_interface, lab_begin,
						lab_end),
		cmocka_unit_test_setup_teardown(test_one_port, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_port_in_use, lab_begin, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests_name("channel/tcp", tests, NULL, NULL);
}
