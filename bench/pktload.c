/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through a forwarding firewall: this program is both the client and the server, each with
 * a raw socket in a network namespace of its own that has no addresses and therefore never answers
 * by itself.
 *
 *   pktload [options] CLIENT-NS SERVER-NS FIREWALL-MAC-CLIENT-SIDE FIREWALL-MAC-SERVER-SIDE
 *
 *   -n N      connections              -r RATE  connections per second; without it flat out
 *   -x DATA   data packets on older connections for each new one (default 0)
 *   -u        UDP: one packet each way per connection; else the TCP handshake: three packets
 *   -f FIRST  number of the first connection
 *   -e        no new connections: data on N that a run before has made, -x packets each
 *
 * Each namespace's device is eth0. Prints one line of JSON: packets, seconds. What arrived is told
 * by the devices' counters. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctnl.h"

/* connections at a time: all their packets of one kind go with one call */
#define GROUP	   16
#define LAG_S	   0.01	   /* between the packets of a handshake */
#define FLAT_OUT   40000.0 /* connections per second, about */
#define PORTS	   60000u
#define PACKET_MAX 64

struct side {
	int fd;
	uint8_t mac[6], gateway[6];
	_Alignas(8) uint8_t buf[GROUP][PACKET_MAX];
	struct iovec iov[GROUP];
	struct mmsghdr msgs[GROUP];
	unsigned int n;
};

struct load {
	struct side client, server;
	uint32_t n, first, data;
	double rate;
	bool udp, existing;
	uint64_t packets;
};

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void side_open(struct side *s, const char *ns, const char *gateway)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET };
	struct ifreq ifr = { .ifr_name = "eth0" };
	char path[256];
	int fd, one = 1;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || setns(fd, CLONE_NEWNET) == -1)
		die("%s: %s", path, strerror(errno));
	close(fd);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: it never receives */
	sa.sll_ifindex = (int)if_nametoindex("eth0");
	if (s->fd == -1 || bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    ioctl(s->fd, SIOCGIFHWADDR, &ifr) == -1 ||
	    setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) == -1)
		die("%s: %s", ns, strerror(errno));
	memcpy(s->mac, ifr.ifr_hwaddr.sa_data, 6);
	if (sscanf(gateway, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &s->gateway[0], &s->gateway[1],
		   &s->gateway[2], &s->gateway[3], &s->gateway[4], &s->gateway[5]) != 6)
		die("not a MAC address: %s", gateway);
	for (unsigned int i = 0; i < GROUP; i++) {
		s->iov[i].iov_base = s->buf[i];
		s->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i], .msg_iovlen = 1 };
	}
}

static void side_flush(struct load *l, struct side *s)
{
	unsigned int done = 0;

	while (done < s->n) {
		int n = sendmmsg(s->fd, s->msgs + done, s->n - done, 0);

		if (n > 0)
			done += (unsigned int)n;
		else if (errno != ENOBUFS && errno != EAGAIN)
			die("send: %s", strerror(errno));
	}
	l->packets += s->n;
	s->n = 0;
}

static size_t put_transport(const struct load *l, uint8_t *at, bool back, uint16_t port,
			    uint8_t flags, uint32_t pseudo)
{
	if (l->udp) {
		struct udphdr udp = { .source = htons(back ? 53 : port),
				      .dest = htons(back ? port : 53),
				      .len = htons(8) };

		udp.check = folded(sum16(pseudo + IPPROTO_UDP + 8, &udp, sizeof(udp)));
		memcpy(at, &udp, sizeof(udp));
		return sizeof(udp);
	}
	struct tcphdr tcp = {
		.th_sport = htons(back ? 80 : port),
		.th_dport = htons(back ? port : 80),
		.th_off = 5,
		.th_flags = flags,
		.th_win = htons(65535),
		.th_seq = htonl((back ? 2000 : 1000) + !(flags & TH_SYN)),
		.th_ack = htonl(flags & TH_ACK ? back ? 1001 : 2001 : 0),
	};

	tcp.th_sum = folded(sum16(pseudo + IPPROTO_TCP + sizeof(tcp), &tcp, sizeof(tcp)));
	memcpy(at, &tcp, sizeof(tcp));
	return sizeof(tcp);
}

/* One packet of connection i: from the client, or back from the server. */
static void put(struct load *l, bool back, uint32_t i, uint8_t flags)
{
	struct side *s = back ? &l->server : &l->client;
	uint8_t *p = s->buf[s->n];
	/* 10.11.x.y, 10.21.0.2 */
	uint32_t client = htonl(0x0a0b0000u + i / PORTS), server = htonl(0x0a150002u);
	uint16_t port = (uint16_t)(1024 + i % PORTS);
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = l->udp ? IPPROTO_UDP : IPPROTO_TCP,
			    .saddr = back ? server : client,
			    .daddr = back ? client : server };
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };
	uint32_t pseudo = sum16(0, &ip.saddr, 8);
	size_t len = put_transport(l, p + sizeof(eth) + sizeof(ip), back, port, flags, pseudo);

	memcpy(eth.h_dest, s->gateway, 6);
	memcpy(eth.h_source, s->mac, 6);
	ip.tot_len = htons((uint16_t)(sizeof(ip) + len));
	ip.check = folded(sum16(0, &ip, sizeof(ip)));
	memcpy(p, &eth, sizeof(eth));
	memcpy(p + sizeof(eth), &ip, sizeof(ip));
	s->iov[s->n].iov_len = sizeof(eth) + sizeof(ip) + len;
	if (++s->n == GROUP)
		side_flush(l, s);
}

/* The packets of one kind of connections [from, from + GROUP), as far as there are such. */
static void each(struct load *l, int64_t from, bool back, uint8_t flags)
{
	for (int64_t i = from; i < from + GROUP && i < l->n; i++) {
		if (i >= 0)
			put(l, back, l->first + (uint32_t)i, flags);
	}
	side_flush(l, back ? &l->server : &l->client);
}

/* Data to and fro on connections up to `born`, the youngest last. */
static void data(struct load *l, uint32_t born, uint64_t n)
{
	uint32_t of = born < 4096 ? born : 4096;

	for (uint64_t i = 0; i < n; i++)
		put(l, i & 1, l->first + born - 1 - (uint32_t)(i / 2 % of), TH_ACK);
	side_flush(l, &l->client);
	side_flush(l, &l->server);
}

/* Connections begin in groups. The answer follows when so many younger ones have begun as in 10 ms,
 * and the last of the handshake as much later: over a network nobody finds two packets of a
 * handshake in one read. Then come their data. */
static void run(struct load *l)
{
	uint32_t step =
		(uint32_t)((l->rate > 0 ? l->rate : FLAT_OUT) * LAG_S + GROUP - 1) / GROUP * GROUP;
	uint32_t lag = l->existing ? 0 : l->udp ? step : 2 * step;
	uint64_t began = now_ns();
	double seconds;

	for (int64_t i = 0; i < (int64_t)l->n + lag; i += GROUP) {
		int64_t done = i - lag; /* the first of the group whose handshake is over now */

		if (l->rate > 0)
			sleep_until(began + (uint64_t)((double)i / l->rate * 1e9));
		if (!l->existing) {
			each(l, i, false, TH_SYN);
			each(l, i - step, true, TH_SYN | TH_ACK);
			if (!l->udp)
				each(l, i - 2 * (int64_t)step, false, TH_ACK);
		}
		if (done >= 0) {
			uint32_t n = l->n - done < GROUP ? (uint32_t)(l->n - done) : GROUP;

			data(l, (uint32_t)done + n, (uint64_t)n * l->data);
		}
	}
	seconds = (double)(now_ns() - began) / 1e9;
	printf("{\"connections\": %u, \"packets\": %" PRIu64 ", \"seconds\": %.6f}\n",
	       l->existing ? 0 : l->n, l->packets, seconds);
}

int main(int argc, char **argv)
{
	static struct load l = { .n = 10000 };
	int c;

	while ((c = getopt(argc, argv, "n:r:x:f:ue")) != -1) {
		switch (c) {
		case 'n':
			l.n = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			l.rate = strtod(optarg, NULL);
			break;
		case 'x':
			l.data = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			l.first = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			l.udp = true;
			break;
		case 'e':
			l.existing = true;
			break;
		default:
			die("usage: pktload [-n N] [-r RATE] [-x DATA] [-f FIRST] [-ue] CLIENT-NS "
			    "SERVER-NS MAC MAC");
		}
	}
	if (argc - optind != 4 || l.n == 0)
		die("usage: pktload [-n N] [-r RATE] [-x DATA] [-f FIRST] [-ue] CLIENT-NS "
		    "SERVER-NS MAC MAC");
	side_open(&l.client, argv[optind], argv[optind + 2]);
	side_open(&l.server, argv[optind + 1], argv[optind + 3]);
	run(&l);
	return 0;
}
