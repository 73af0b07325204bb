/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic of the chaos test: one program is the server, one the client, in the namespaces of
 * two hosts.
 *
 *   talk serve PORT LOG
 *   talk client PORT LOG SEED LONG STREAMS PORTS TARGET...
 *
 * The client keeps LONG connections and STREAMS UDP streams to its targets in turn. Each sends a
 * numbered line, waits for the echo, and sends the next one a tenth of a second later, so that a
 * flow that was reset or has fallen silent is noticed at once. Beside them it begins short
 * connections from no more than PORTS ports to each target: a port is used again as soon as its
 * last connection has ended here, whatever the firewalls still know of that one. They end in every
 * way there is: FIN or RST of either side, without a packet, or because nobody answers.
 *
 * A UDP stream begins with number 0; the server knows it by the address it came from and answers
 * nobody else.
 *
 * Commands on standard input, one per line: "short N" (N short connections per second from now on),
 * "quit".
 *
 * LOG of the server: each SYN that arrives over IPv4, whether a connection comes of it or not, as
 * TIME ADDRESS PORT. It may come from the address and port of a connection that the server has: two
 * firewalls have translated two connections to one port.
 *
 * LOG of the client, one line per event, times in ms of the monotonic clock:
 *
 *   TIME begin ID KIND TARGET PORT KIND is long, short or udp; TARGET the index on the command line
 *   TIME up ID                     the first echo has come
 *   TIME silent ID SINCE           no answer so far to what was sent at SINCE (said after a second,
 *                                  and each further one)
 *   TIME again ID SINCE            answered, later than 0.3 s
 *   TIME end ID HOW SINCE          HOW: done (as planned), vanished (as planned, without a packet),
 *                                  gave-up, hasty (gave up early), reset, closed, wrong (another
 *                                  echo), error-N; SINCE: of what was not answered, 0 if all was
 *   TIME late MS                   this program itself was not run for so long
 *   TIME busy N                    so many short connections had no free port, since the last such
 *                                  line */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15 */
#endif

#define TICK_MS		  5
#define INTERVAL_MS	  100 /* between two lines of a long connection */
#define LATE_MS		  300 /* an answer that is worth a line */
#define SILENT_MS	  1000
#define LONG_PATIENCE_MS  20000
#define PATIENCE_MS	  2500 /* of a patient short connection for an answer */
#define BEGIN_PATIENCE_MS 8000 /* and for the first one */
#define UDP_AGAIN_MS	  300
#define REST_MS		  500	/* before a long connection that has ended begins anew */
#define IDLE_MS		  60000 /* the server forgets a connection: its client has vanished */
#define FIRST_PORT	  2000
#define SESSIONS	  4096
#define LINE_MAX_LEN	  64
#define PACKET_HEAD	  64 /* of a SYN: the headers and nothing else is needed */

enum kind { LONG, SHORT, UDP };
static const char *const kind_name[] = { "long", "short", "udp" };

/* How a short connection ends. */
enum ending { FIN_HERE, FIN_THERE, RST_HERE, RST_THERE, VANISH, ENDINGS };

/* A place for one connection after the other. */
struct place {
	enum kind kind;
	int fd; /* -1: none */
	unsigned int target;
	uint16_t port; /* of a short one */
	uint32_t id, line, lines;
	enum ending ending;
	bool connecting, waiting, ordered, told_up, hasty;
	double sent, due, told, patience;
	size_t have;
	char in[LINE_MAX_LEN];
};

static struct {
	int epoll;
	FILE *log;
	uint16_t port;
	struct sockaddr_in6 target[8]; /* IPv4 as mapped addresses */
	unsigned int n_targets;
	struct place *place;
	unsigned int n_places, n_long; /* the first are the long ones and the streams */
	uint32_t last_id, busy;
	double rate, credit;
	uint64_t random;
} client;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double ms_of(const struct timespec *t)
{
	return (double)t->tv_sec * 1e3 + (double)t->tv_nsec / 1e6;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ms_of(&t);
}

static uint32_t below(uint32_t n)
{
	client.random ^= client.random << 13;
	client.random ^= client.random >> 7;
	client.random ^= client.random << 17;
	return (uint32_t)(client.random >> 33) % n;
}

static void set(int fd, int level, int option, int value)
{
	/* an older kernel goes without */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void close_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Ends without a packet, as a host that loses its power does. */
static void close_silently(int fd)
{
	set(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	close(fd);
}

/* ---- server ---- */

struct guest {
	double heard;
	size_t have;
	char in[512];
};

struct session {
	struct sockaddr_in6 from;
	unsigned long id;
};

static int listen_at(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&any, sizeof(any)) == -1)
		die("port %u: %s", port, strerror(errno));
	if (type == SOCK_STREAM && listen(fd, 4096) == -1)
		die("listen: %s", strerror(errno));
	return fd;
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data = { .u64 = data } };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == -1)
		die("epoll: %s", strerror(errno));
}

/* Whole lines are echoed; "f" and "r" order the end. Returns false when the connection has
 * ended. */
static bool guest_read(int fd, struct guest *g)
{
	ssize_t n = read(fd, g->in + g->have, sizeof(g->in) - g->have);
	char *at = g->in, *nl;

	if (n <= 0) {
		if (n == -1 && errno == EAGAIN)
			return true;
		close(fd);
		return false;
	}
	g->heard = now_ms();
	g->have += (size_t)n;
	while ((nl = memchr(at, '\n', g->have - (size_t)(at - g->in)))) {
		if (*at == 'f') {
			close(fd);
			return false;
		}
		if (*at == 'r') {
			close_reset(fd);
			return false;
		}
		if (write(fd, at, (size_t)(nl + 1 - at)) == -1) {
			close(fd);
			return false;
		}
		at = nl + 1;
	}
	g->have -= (size_t)(at - g->in);
	memmove(g->in, at, g->have);
	return true;
}

static void answer_datagrams(int fd, struct session *sessions)
{
	struct sockaddr_in6 from;
	char buf[LINE_MAX_LEN + 1];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, LINE_MAX_LEN, 0, (struct sockaddr *)&from, &len);
		unsigned long id, number;

		if (n <= 0)
			return;
		buf[n] = '\0';
		if (sscanf(buf, "%lu %lu", &id, &number) != 2)
			continue;
		struct session *s = &sessions[id % SESSIONS];

		if (number == 0)
			*s = (struct session){ .from = from, .id = id };
		if (s->id == id && s->from.sin6_port == from.sin6_port &&
		    memcmp(&s->from.sin6_addr, &from.sin6_addr, sizeof(from.sin6_addr)) == 0)
			(void)sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static void accept_all(int epoll, int listener, struct guest **guests, size_t max)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if ((size_t)fd >= max) {
			close_reset(fd);
			continue;
		}
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		set(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, 1000);
		guests[fd] = calloc(1, sizeof(**guests));
		if (!guests[fd])
			die("no memory");
		guests[fd]->heard = now_ms();
		watch(epoll, fd, EPOLLIN, (uint64_t)fd);
	}
}

static void forget_idle(struct guest **guests, size_t max)
{
	double now = now_ms();

	for (size_t fd = 0; fd < max; fd++) {
		if (!guests[fd] || now - guests[fd]->heard < IDLE_MS)
			continue;
		close_silently((int)fd);
		free(guests[fd]);
		guests[fd] = NULL;
	}
}

/* Reads SYNs without ACK to this port, beginning with the IPv4 header. */
static int listen_for_syns(uint16_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct iphdr, protocol)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 7),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* the length of the IPv4 header */
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13), /* the flags */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PACKET_HEAD),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(*code), .filter = code };
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	/* hears nothing before bind() */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == -1 ||
	    bind(fd, (struct sockaddr *)&all, sizeof(all)) == -1)
		die("packet socket: %s", strerror(errno));
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	return fd;
}

/* When the packet came, by the monotonic clock: this program may have been kept waiting since. */
static double arrival_ms(struct msghdr *msg)
{
	struct timespec wall, stamp;
	double now = now_ms();

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		clock_gettime(CLOCK_REALTIME, &wall);
		return now - (ms_of(&wall) - ms_of(&stamp));
	}
	return now;
}

static void log_syns(int fd, FILE *log)
{
	uint8_t packet[PACKET_HEAD], control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec part = { .iov_base = packet, .iov_len = sizeof(packet) };
	char address[INET_ADDRSTRLEN];
	struct iphdr ip;
	uint16_t port;

	for (;;) {
		struct msghdr msg = { .msg_iov = &part,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < (ssize_t)sizeof(ip))
			break;
		memcpy(&ip, packet, sizeof(ip));
		if ((size_t)n < ip.ihl * 4u + sizeof(port))
			continue;
		memcpy(&port, packet + ip.ihl * 4u, sizeof(port));
		fprintf(log, "%.1f %s %u\n", arrival_ms(&msg),
			inet_ntop(AF_INET, &ip.saddr, address, sizeof(address)), ntohs(port));
	}
	fflush(log);
}

static void serve(uint16_t port, const char *log_path)
{
	static struct session sessions[SESSIONS];
	static struct guest *guests[16384];
	const size_t max = sizeof(guests) / sizeof(*guests);
	int epoll = epoll_create1(EPOLL_CLOEXEC), tcp = listen_at(SOCK_STREAM, port),
	    udp = listen_at(SOCK_DGRAM, port), syns = listen_for_syns(port);
	FILE *log = fopen(log_path, "w");

	if (!log)
		die("%s: %s", log_path, strerror(errno));
	watch(epoll, tcp, EPOLLIN, (uint64_t)tcp);
	watch(epoll, udp, EPOLLIN, (uint64_t)udp);
	watch(epoll, syns, EPOLLIN, (uint64_t)syns);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, 1000);

		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u64;

			if (fd == tcp) {
				accept_all(epoll, tcp, guests, max);
			} else if (fd == udp) {
				answer_datagrams(udp, sessions);
			} else if (fd == syns) {
				log_syns(syns, log);
			} else if (guests[fd] && !guest_read(fd, guests[fd])) {
				free(guests[fd]);
				guests[fd] = NULL;
			}
		}
		if (n == 0)
			forget_idle(guests, max);
	}
}

/* ---- client ---- */

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	fprintf(client.log, "%.1f ", now_ms());
	va_start(ap, fmt);
	vfprintf(client.log, fmt, ap);
	va_end(ap);
	fputc('\n', client.log);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_in6 here;
	socklen_t len = sizeof(here);

	return getsockname(fd, (struct sockaddr *)&here, &len) == 0 ? ntohs(here.sin6_port) : 0;
}

static void ended(struct place *p, const char *how)
{
	say("end %" PRIu32 " %s %.1f", p->id, how, p->waiting ? p->sent : 0.0);
	p->fd = -1;
	p->waiting = false;
	p->due = now_ms() + (p->kind == SHORT ? 0 : REST_MS);
}

static void failed(struct place *p, int err)
{
	char how[32];

	snprintf(how, sizeof(how), "error-%d", err);
	close(p->fd);
	ended(p, err == ECONNRESET || err == ECONNREFUSED || err == EPIPE ? "reset" : how);
}

/* Opens the socket and lets it connect. False if the port is in use here: nothing has happened
 * then. */
static bool begin(struct place *p)
{
	bool udp = p->kind == UDP;
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(p->port) };
	int fd = socket(AF_INET6, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);

	if (fd == -1)
		die("socket: %s", strerror(errno));
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!udp) {
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		set(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, 1000);
	}
	if ((p->port && bind(fd, (struct sockaddr *)&here, sizeof(here)) == -1) ||
	    (connect(fd, (struct sockaddr *)&client.target[p->target], sizeof(here)) == -1 &&
	     errno != EINPROGRESS)) {
		close(fd);
		return false;
	}
	p->fd = fd;
	p->id = ++client.last_id;
	p->line = 0;
	p->have = 0;
	p->connecting = !udp;
	p->ordered = p->told_up = false;
	p->waiting = true;
	p->sent = p->told = now_ms();
	watch(client.epoll, fd, udp ? EPOLLIN : EPOLLIN | EPOLLOUT, (uint64_t)(p - client.place));
	say("begin %" PRIu32 " %s %u %u", p->id, kind_name[p->kind], p->target, local_port(fd));
	return true;
}

static void send_line(struct place *p)
{
	char line[LINE_MAX_LEN];
	int n = snprintf(line, sizeof(line), "%" PRIu32 " %" PRIu32 "\n", p->id, p->line);

	if (!p->waiting)
		p->sent = p->told = now_ms();
	p->waiting = true;
	p->due = now_ms() + UDP_AGAIN_MS;
	if (write(p->fd, line, (size_t)n) == -1 && p->kind != UDP)
		failed(p, errno);
}

/* All its lines were answered. */
static void end_short(struct place *p)
{
	switch (p->ending) {
	case FIN_HERE:
		close(p->fd);
		break;
	case RST_HERE:
		close_reset(p->fd);
		break;
	case VANISH:
		close_silently(p->fd);
		ended(p, "vanished");
		return;
	case FIN_THERE:
	case RST_THERE:
		p->ordered = p->waiting = true;
		p->sent = p->told = now_ms();
		if (write(p->fd, p->ending == FIN_THERE ? "f\n" : "r\n", 2) == -1)
			failed(p, errno);
		return;
	case ENDINGS:
		break;
	}
	ended(p, "done");
}

static void answered(struct place *p)
{
	double now = now_ms();

	if (!p->told_up)
		say("up %" PRIu32, p->id);
	else if (now - p->sent >= LATE_MS)
		say("again %" PRIu32 " %.1f", p->id, p->sent);
	p->told_up = true;
	if (p->kind == SHORT && !p->hasty)
		p->patience = PATIENCE_MS;
	p->waiting = false;
	p->line++;
	p->due = now + (p->kind == LONG || p->kind == UDP ? INTERVAL_MS :
			p->lines > 8			  ? 150 :
							    below(below(4) ? 100 : 1000));
}

/* False if the place's connection has ended. */
static bool take_lines(struct place *p)
{
	char *nl;

	while ((nl = memchr(p->in, '\n', p->have))) {
		unsigned long id, line;
		bool good;

		*nl = '\0';
		good = sscanf(p->in, "%lu %lu", &id, &line) == 2 && id == p->id;
		p->have -= (size_t)(nl + 1 - p->in);
		memmove(p->in, nl + 1, p->have);
		if (p->kind == UDP && (!good || line != p->line))
			continue; /* the answer to one that was sent again */
		if (!good || line != p->line || !p->waiting) {
			close_reset(p->fd);
			ended(p, "wrong");
			return false;
		}
		answered(p);
	}
	return true;
}

static void readable(struct place *p)
{
	ssize_t n = read(p->fd, p->in + p->have, sizeof(p->in) - p->have);

	if (n > 0) {
		p->have += (size_t)n;
		if (take_lines(p) && p->have == sizeof(p->in))
			p->have = 0;
		return;
	}
	if (n == -1 && (errno == EAGAIN || p->kind == UDP))
		return;
	if (p->ordered && (n == 0 || errno == ECONNRESET)) {
		close(p->fd);
		p->waiting = false;
		ended(p, "done");
	} else if (n == 0) {
		close(p->fd);
		ended(p, "closed");
	} else {
		failed(p, errno);
	}
}

static void connected(struct place *p)
{
	struct epoll_event e = { .events = EPOLLIN,
				 .data = { .u64 = (uint64_t)(p - client.place) } };
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		failed(p, err);
		return;
	}
	epoll_ctl(client.epoll, EPOLL_CTL_MOD, p->fd, &e);
	p->connecting = false;
	send_line(p);
}

static void give_up(struct place *p)
{
	if (p->kind == UDP || below(3) == 0)
		close(p->fd);
	else if (below(2))
		close_reset(p->fd);
	else
		close_silently(p->fd);
	ended(p, p->kind == SHORT && p->hasty ? "hasty" : "gave-up");
}

/* What time brings: the next line, the end, somebody's patience. */
static void tend(struct place *p, double now)
{
	if (p->fd == -1) {
		if (p->kind != SHORT && now >= p->due && !begin(p))
			p->due = now + REST_MS;
		else if (p->kind == UDP && p->fd != -1)
			send_line(p);
		return;
	}
	if (p->waiting) {
		if (now - p->sent >= p->patience) {
			give_up(p);
			return;
		}
		if (now - p->told >= SILENT_MS) {
			p->told = now;
			say("silent %" PRIu32 " %.1f", p->id, p->sent);
		}
		if (p->kind == UDP && now >= p->due)
			send_line(p);
	} else if (now >= p->due) {
		if (p->kind == SHORT && p->line >= p->lines)
			end_short(p);
		else
			send_line(p);
	}
}

static void begin_short(void)
{
	struct place *p = &client.place[client.n_long + below(client.n_places - client.n_long)];

	if (p->fd != -1) {
		client.busy++;
		return;
	}
	p->lines = 1 + below(below(4) ? 3 : 8);
	if (below(8) == 0)
		p->lines = 10 + below(50); /* some seconds */
	p->ending = (enum ending)below(ENDINGS);
	p->hasty = p->lines < 10 && below(2);
	p->patience = p->hasty ? 300 + below(8) * 100 : BEGIN_PATIENCE_MS;
	if (!begin(p))
		client.busy++;
}

static bool command(void)
{
	static char buf[256];
	static size_t have;
	ssize_t n = read(STDIN_FILENO, buf + have, sizeof(buf) - 1 - have);
	char *nl;

	if (n == 0 || (n == -1 && errno != EAGAIN))
		return false;
	have += n > 0 ? (size_t)n : 0;
	while ((nl = memchr(buf, '\n', have))) {
		double rate;

		*nl = '\0';
		if (sscanf(buf, "short %lf", &rate) == 1)
			client.rate = rate;
		else if (strcmp(buf, "quit") == 0)
			return false;
		have -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, have);
	}
	return true;
}

static void handle(struct epoll_event *e)
{
	struct place *p = &client.place[e->data.u64];

	if (p->fd == -1)
		return;
	if (p->connecting)
		connected(p);
	else
		readable(p);
}

/* The connections due in the time since the last turn, and what is said about the turn itself. */
static double turn(double last, double *said)
{
	double now = now_ms();

	if (now - last > LATE_MS)
		say("late %.0f", now - last);
	client.credit += client.rate * (now - last) / 1e3;
	if (client.credit > 200)
		client.credit = 200;
	for (; client.credit >= 1; client.credit--)
		begin_short();
	for (unsigned int i = 0; i < client.n_places; i++)
		tend(&client.place[i], now);
	if (now - *said >= 100) {
		if (client.busy)
			say("busy %" PRIu32, client.busy);
		client.busy = 0;
		fflush(client.log);
		*said = now;
	}
	return now;
}

static void run_client(void)
{
	const uint64_t stdin_mark = client.n_places;
	double last = now_ms(), said = last;

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	watch(client.epoll, STDIN_FILENO, EPOLLIN, stdin_mark);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(client.epoll, events, 64, TICK_MS);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 != stdin_mark)
				handle(&events[i]);
			else if (!command())
				return;
		}
		last = turn(last, &said);
	}
}

static void add_target(const char *text, uint16_t port)
{
	struct sockaddr_in6 *t = &client.target[client.n_targets];
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	*t = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	if (client.n_targets == 8 || inet_pton(AF_INET6, mapped, &t->sin6_addr) != 1)
		die("not an address, or too many: %s", text);
	client.n_targets++;
}

static void set_up(char **argv, int argc)
{
	unsigned int streams, ports, n = 0;

	client.port = (uint16_t)atoi(argv[0]);
	client.log = fopen(argv[1], "w");
	if (!client.log)
		die("%s: %s", argv[1], strerror(errno));
	client.random = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
	client.n_long = (unsigned int)atoi(argv[3]);
	streams = (unsigned int)atoi(argv[4]);
	ports = (unsigned int)atoi(argv[5]);
	for (int i = 6; i < argc; i++)
		add_target(argv[i], client.port);
	client.n_long += streams;
	client.n_places = client.n_long + ports * client.n_targets;
	client.place = calloc(client.n_places, sizeof(*client.place));
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!client.place)
		die("no memory");
	for (struct place *p = client.place; n < client.n_places; p++, n++) {
		p->fd = -1;
		p->target = n % client.n_targets;
		p->patience = LONG_PATIENCE_MS;
		p->due = now_ms() + n * 2; /* spread them, as people are */
		p->kind = n < client.n_long - streams ? LONG : n < client.n_long ? UDP : SHORT;
		if (p->kind == SHORT)
			p->port = (uint16_t)(FIRST_PORT + 1000 * p->target +
					     (n - client.n_long) / client.n_targets);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0) {
		serve((uint16_t)atoi(argv[2]), argv[3]);
	} else if (argc >= 9 && strcmp(argv[1], "client") == 0) {
		set_up(argv + 2, argc - 2);
		run_client();
		fclose(client.log);
	} else {
		die("usage: talk serve PORT LOG | talk client PORT LOG SEED LONG STREAMS PORTS "
		    "TARGET...");
	}
	return 0;
}
