/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load for a connection tracking table through ctnetlink, in batches: one event of the kernel for
 * each request.
 *
 *   ctload [options] insert|update|delete|churn|brief
 *
 *   insert    N established flows
 *   update    N flows (again) to established
 *   delete    N flows
 *   churn     N flows, each begun, established 20 ms later (as over a network, so that nobody finds
 *             both in one read), and removed when KEEP younger ones are there: three events a flow,
 *             and KEEP flows at the end
 *   brief     as churn, but never established: two events a flow
 *   -n N      flows                        -r RATE  requests per second; without it flat out
 *   -b BATCH  requests per system call, at most 256 (default 128, at a rate what falls into 250 us)
 *   -f FIRST  number of the first flow     -k KEEP  see churn (default 1000)
 *   -o OF     a scattered choice out of OF flows, none twice, -n of them
 *   -m MARK   a mark; an update that changes nothing need not be told to a peer
 *   -u        UDP    -6  IPv6    -N  source NAT
 *
 * Prints one line of JSON: how many requests the kernel took, how many it refused, seconds, CPU of
 * this process in nanoseconds. Status 1 if it refused any. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctnl.h"

#define BATCH_MAX   256
#define REQUEST_MAX 512
#define SLOT_NS	    250000u
#define LAG_S	    0.02     /* from a flow's birth to the answer */
#define FLAT_OUT    200000.0 /* requests per second, about */

struct load {
	struct flow_kind kind;
	uint32_t n, of, keep, batch;
	double rate;
	int fd;
	/* the batch under construction */
	_Alignas(8) char buf[BATCH_MAX * REQUEST_MAX];
	char *last;
	size_t len;
	uint32_t count, seq;
	/* what was done */
	uint64_t sent, refused, began;
};

static void flush(struct load *l)
{
	if (l->count == 0)
		return;
	if (l->rate > 0)
		sleep_until(l->began + (uint64_t)((double)l->sent / l->rate * 1e9));
	ctnl_want_ack(l->last);
	l->refused += ctnl_send(l->fd, l->buf, l->len, l->seq);
	l->sent += l->count;
	l->count = 0;
	l->len = 0;
}

static void put(struct load *l, uint32_t i, enum ctnl_op op)
{
	l->last = l->buf + l->len;
	l->len += ctnl_build(l->last, &l->kind, i, op, ++l->seq);
	if (++l->count == l->batch)
		flush(l);
}

/* 2654435761 is prime and larger than any `of`, so none comes twice. */
static uint32_t number(const struct load *l, uint32_t i)
{
	return l->of ? (uint32_t)((uint64_t)i * 2654435761u % l->of) : i;
}

static void every(struct load *l, enum ctnl_op op)
{
	for (uint32_t i = 0; i < l->n; i++)
		put(l, number(l, i), op);
	flush(l);
}

static void churn(struct load *l, bool established)
{
	uint32_t lag = (uint32_t)((l->rate > 0 ? l->rate : FLAT_OUT) / 3 * LAG_S);

	if (lag > l->keep)
		lag = l->keep;
	for (uint32_t i = 0; i < l->n; i++) {
		put(l, i, CTNL_NEW);
		if (established && i >= lag)
			put(l, i - lag, CTNL_UPDATE);
		if (i >= l->keep)
			put(l, i - l->keep, CTNL_DELETE);
	}
	for (uint32_t i = l->n > lag ? l->n - lag : 0; established && i < l->n; i++)
		put(l, i, CTNL_UPDATE);
	flush(l);
}

static int usage(void)
{
	fprintf(stderr, "usage: ctload [-n N] [-r RATE] [-b BATCH] [-f FIRST] [-k KEEP] [-o OF] "
			"[-m MARK] [-u6N] insert|update|delete|churn|brief\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct load l = { .kind = { .proto = IPPROTO_TCP }, .n = 1000, .keep = 1000 };
	double seconds;
	int c;

	while ((c = getopt(argc, argv, "n:r:b:f:k:o:m:u6N")) != -1) {
		switch (c) {
		case 'n':
			l.n = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			l.rate = strtod(optarg, NULL);
			break;
		case 'b':
			l.batch = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			l.kind.base = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			l.keep = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			l.kind.mark = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			l.kind.proto = IPPROTO_UDP;
			break;
		case '6':
			l.kind.ipv6 = true;
			break;
		case 'N':
			l.kind.snat = true;
			break;
		case 'o':
			l.of = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	if (optind != argc - 1 || l.n == 0 || l.batch > BATCH_MAX || (l.of && l.of < l.n))
		return usage();
	if (l.batch == 0)
		l.batch = l.rate <= 0 ? 128 : (uint32_t)(l.rate * SLOT_NS / 1e9);
	l.batch = l.batch < 1 ? 1 : l.batch > BATCH_MAX ? BATCH_MAX : l.batch;
	l.fd = ctnl_open();
	l.began = now_ns();
	if (strcmp(argv[optind], "insert") == 0)
		every(&l, CTNL_INSERT);
	else if (strcmp(argv[optind], "update") == 0)
		every(&l, CTNL_UPDATE);
	else if (strcmp(argv[optind], "delete") == 0)
		every(&l, CTNL_DELETE);
	else if (strcmp(argv[optind], "churn") == 0)
		churn(&l, true);
	else if (strcmp(argv[optind], "brief") == 0)
		churn(&l, false);
	else
		return usage();
	seconds = (double)(now_ns() - l.began) / 1e9;
	printf("{\"taken\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"seconds\": %.6f, \"cpu_ns\": %" PRIu64 "}\n",
	       l.sent - l.refused, l.refused, seconds, cpu_ns());
	return l.refused > 0;
}
