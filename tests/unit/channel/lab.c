/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_conf.h"

char lab_missing[256];
struct evloop *lab_loop;
static struct lab_node *nodes[8]; /* those that are open */
static struct log_conf log_conf;

/* ---- the network ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		close(fd);
	return ok;
}

bool lab_sh(const char *fmt, ...)
{
	char command[1024], quiet[1100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	snprintf(quiet, sizeof(quiet), "{ %s; } >/dev/null 2>&1", command);
	return system(quiet) == 0;
}

static const struct {
	const char *dev, *v4, *v6, *local;
} devices[] = {
	{ "dedi0", "10.9.0.1", "fd09::1", "fe80::a" },
	{ "dedi1", "10.9.0.2", "fd09::2", "fe80::b" },
	{ "other0", "10.9.1.1", "fd0a::1", "fe80::c" },
	{ "other1", "10.9.1.2", "fd0a::2", "fe80::d" },
};

static bool make_cable(size_t first)
{
	if (!lab_sh("ip link add %s type veth peer name %s", devices[first].dev,
		    devices[first + 1].dev))
		return false;
	for (size_t i = first; i < first + 2; i++) {
		const char *dev = devices[i].dev;

		if (!lab_sh("ip link set %s addrgenmode none && ip addr add %s/24 dev %s && ip "
			    "link set %s up && ip addr add %s/64 dev %s nodad && ip addr add %s/64 "
			    "dev %s nodad",
			    dev, devices[i].v4, dev, dev, devices[i].v6, dev, devices[i].local,
			    dev))
			return false;
	}
	return true;
}

/* What is for the other end of a cable goes through the cable, though both ends are of this
 * machine: rules before the one for local addresses, for what this machine sends. A table per
 * device; without the device nothing is reached. */
static const struct {
	const char *to;
	size_t out; /* of devices[] */
} rules[] = {
	{ "10.9.0.2", 0 },  { "10.9.0.7", 0 }, { "10.9.0.77", 0 }, { "fd09::2", 0 },
	{ "fd09::77", 0 },  { "10.9.0.1", 1 }, { "fd09::1", 1 },   { "10.9.0.66", 1 },
	{ "10.9.0.67", 1 }, { "10.9.1.2", 2 }, { "fd0a::2", 2 },   { "10.9.1.1", 3 },
	{ "fd0a::1", 3 },
};
#define TABLE 1000u

static bool make_rules(void)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!lab_sh("ip %s rule add pref 10 iif lo to %s lookup %zu",
			    strchr(rules[i].to, ':') ? "-6" : "-4", rules[i].to,
			    TABLE + rules[i].out))
			return false;
	}
	return lab_sh("ip -4 rule add pref 100 lookup local && ip -4 rule del pref 0 && ip -6 rule "
		      "add pref 100 lookup local && ip -6 rule del pref 0");
}

void lab_routes(void)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		const char *dev = devices[i].dev;

		lab_sh("ip route replace 10.9.0.0/16 dev %s table %zu; ip -6 route replace "
		       "fd00::/8 dev %s table %zu; ip route replace unreachable default metric "
		       "9999 table %zu; ip -6 route replace unreachable default metric 9999 table "
		       "%zu",
		       dev, TABLE + i, dev, TABLE + i, TABLE + i, TABLE + i);
	}
}

void lab_up(const char *dev)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (strcmp(devices[i].dev, dev) == 0)
			assert_true(lab_sh("ip link set %s up && ip addr replace %s/24 dev %s && "
					   "ip addr replace %s/64 dev %s nodad && ip addr replace "
					   "%s/64 dev %s nodad",
					   dev, devices[i].v4, dev, devices[i].v6, dev,
					   devices[i].local, dev));
	}
	lab_routes();
}

void lab_carrier(const char *dev, bool there)
{
	assert_true(lab_sh("for i in $(seq 400); do ip link show %s | grep -q NO-CARRIER %s exit "
			   "0; sleep 0.05; done; exit 1",
			   dev, there ? "||" : "&&"));
}

static bool make_network(void)
{
	if (!lab_sh("ip link set lo up") || !make_cable(0) || !make_cable(2) ||
	    !lab_sh("ip addr add 10.9.0.7/24 dev dedi1 label dedi1:1") || !make_rules())
		return false;
	lab_routes();
	return true;
}

void lab_remove(void)
{
	assert_true(lab_sh("ip link del dedi0"));
}

void lab_make(void)
{
	assert_true(make_cable(0));
	assert_true(lab_sh("ip addr add 10.9.0.7/24 dev dedi1 label dedi1:1"));
	lab_routes();
}

void lab_remake(void)
{
	lab_remove();
	lab_make();
}

/* A packet from one address of this machine to another through a wire is taken for a lie unless
 * accept_local is on. */
void lab_enter(void)
{
	static const char *const sysctl[] = { "all", "default" };
	char path[128];

	if (unshare(CLONE_NEWNET) == -1 && unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
		snprintf(lab_missing, sizeof(lab_missing), "no network namespace: %s",
			 strerror(errno));
	for (int i = 0; i < 2 && !lab_missing[0]; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/accept_local", sysctl[i]);
		if (!write_file(path, "1"))
			snprintf(lab_missing, sizeof(lab_missing), "cannot write %s", path);
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", sysctl[i]);
		write_file(path, "0");
	}
	if (!lab_missing[0] && !make_network())
		snprintf(lab_missing, sizeof(lab_missing), "cannot make interfaces with ip(8)");
	if (lab_missing[0])
		print_message("skipped: %s\n", lab_missing);
}

/* ---- nodes ---- */

struct channel_link_conf lab_link(enum channel_type type, const char *ifname, const char *local,
				  const char *dest)
{
	struct channel_link_conf l = {
		.type = type,
		.family = strchr(dest, ':') ? AF_INET6 : AF_INET,
		.port = LAB_PORT,
		.checksum = true,
		.line = LAB_LINE,
	};

	snprintf(l.ifname, sizeof(l.ifname), "%s", ifname);
	if (local)
		assert_int_equal(inet_pton(l.family, local, &l.local), 1);
	assert_int_equal(inet_pton(l.family, dest, &l.dest), 1);
	return l;
}

void lab_message(uint8_t *to, size_t len, uint32_t number)
{
	memset(to, (int)number & 0xff, len);
	to[2] = (uint8_t)(len >> 8);
	to[3] = (uint8_t)len;
	memcpy(to + 4, &number, 4);
}

/* Whole messages only, each the one after the one before. */
static void check_numbers(struct lab_node *x, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t len = (size_t)bytes[2] << 8 | bytes[3];
		uint32_t number;

		assert_true(n >= 8 && len >= 8 && len <= n);
		memcpy(&number, bytes + 4, 4);
		assert_int_equal(number, x->next);
		for (size_t i = 8; i < len; i++)
			assert_int_equal(bytes[i], number & 0xff);
		x->next = number + 1;
		bytes += len;
		n -= len;
	}
}

static void on_datagram(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			struct mono now)
{
	struct lab_node *x = ctx;

	(void)now;
	x->last_len = n < sizeof(x->last) ? n : sizeof(x->last);
	memcpy(x->last, bytes, x->last_len);
	x->bytes += n;
	if (x->numbered)
		check_numbers(x, bytes, n);
	x->from = *from;
	x->n++;
}

/* A length of two bytes at the third, as in the messages. */
static ssize_t on_frame(void *ctx, const uint8_t *bytes, size_t n)
{
	size_t len = n >= 4 ? (size_t)bytes[2] << 8 | bytes[3] : 0;

	(void)ctx;
	if (n < 4 || (len >= 8 && len > n))
		return 0;
	return len >= 8 ? (ssize_t)len : -1;
}

static void on_writable(void *ctx, struct mono now)
{
	struct lab_node *x = ctx;

	(void)now;
	x->writable++;
}

static void remember(struct lab_node *x, bool open)
{
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (nodes[i] == (open ? NULL : x)) {
			nodes[i] = open ? x : NULL;
			return;
		}
	}
	assert_false(open);
}

static int try_links(struct lab_node *x, const struct channel_link_conf *link, uint32_t n,
		     struct text *err)
{
	struct channel_cb cb = {
		.ctx = x,
		.peers_speak = true,
		.datagram = on_datagram,
		.frame = on_frame,
		.writable = on_writable,
	};
	int ret;

	*x = (struct lab_node){ .conf = { .n_links = n, .error_queue_len = LAB_KEEP } };
	memcpy(x->conf.link, link, n * sizeof(*link));
	ret = channel_open(&x->conf, lab_loop, &cb, &x->c, err);
	if (ret == 0)
		remember(x, true);
	return ret;
}

int lab_try(struct lab_node *x, const struct channel_link_conf *link, struct text *err)
{
	return try_links(x, link, 1, err);
}

void lab_open_links(struct lab_node *x, const struct channel_link_conf *link, uint32_t n)
{
	struct text err = { 0 };

	if (try_links(x, link, n, &err) != 0)
		fail_msg("%s", err.buf);
	text_free(&err);
}

void lab_open(struct lab_node *x, const struct channel_link_conf *link)
{
	lab_open_links(x, link, 1);
}

void lab_close(struct lab_node *x)
{
	remember(x, false);
	channel_close(x->c);
	x->c = NULL;
}

int lab_begin(void **state)
{
	(void)state;
	if (lab_missing[0])
		return 0;
	lab_loop = evloop_new();
	return lab_loop ? 0 : -1;
}

int lab_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (nodes[i])
			lab_close(nodes[i]);
	}
	evloop_free(lab_loop);
	lab_loop = NULL;
	return 0;
}

void lab_turns(int ms)
{
	struct mono end = mono_add_ms(clock_now(), ms);

	while (mono_before(clock_now(), end))
		evloop_turn(lab_loop, NULL, 5);
}

void lab_wait(const struct lab_node *x, unsigned int n)
{
	struct mono end = mono_add_ms(clock_now(), 10000);

	while (x->n < n && mono_before(clock_now(), end))
		evloop_turn(lab_loop, NULL, 5);
	assert_int_equal(x->n, n);
}

void lab_send(struct lab_node *x, unsigned int n, size_t len)
{
	while (n-- > 0) {
		struct writer *w = channel_datagram(x->c);

		assert_non_null(w);
		memset(wr_take(w, len), (int)n & 0xff, len);
		channel_send(x->c);
	}
	channel_flush(x->c);
}

struct channel_link_stats lab_stats(const struct lab_node *x)
{
	struct channel_link_stats s;

	channel_link_stats(x->c, 0, &s);
	return s;
}

/* ---- strangers ---- */

static socklen_t address(const char *text, uint16_t port, unsigned int scope,
			 struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_scope_id = scope };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

void lab_stranger(const char *source, const char *dev, const char *dest)
{
	struct sockaddr_storage from, to;
	socklen_t from_len = address(source, 0, if_nametoindex(dev), &from);
	socklen_t to_len = address(dest, LAB_PORT, if_nametoindex(dev), &to);
	int fd = socket(from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	if (from.ss_family == AF_INET)
		assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)), 0);
	else
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)), 0);
	if (strcmp(dev, "lo") != 0)
		assert_int_equal(
			setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev)),
			0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, from_len), 0);
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, to_len), 5);
	close(fd);
}

/* ---- the log ---- */

void lab_log_begin(void)
{
	int fd;

	log_conf = (struct log_conf){ .to_file = true, .facility = LOG_CONF_NO_SYSLOG };
	snprintf(log_conf.path, sizeof(log_conf.path), "%s", "/tmp/channel-test-XXXXXX");
	fd = mkstemp(log_conf.path);
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_int_equal(log_open(&log_conf, NULL), 0);
}

unsigned int lab_log_count(const char *text)
{
	FILE *f = fopen(log_conf.path, "re");
	char line[4096];
	unsigned int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

void lab_log_end(void)
{
	log_close();
	unlink(log_conf.path);
}
