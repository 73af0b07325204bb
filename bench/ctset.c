/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables of flows as sets: what is missing in the second, what is too many there.
 *
 *   ctset [-v] [-f BELOW] A B
 *
 * Each is "kernel" (the table of this network namespace) or a file with what conntrackd -i or -e,
 * or conntrack -L, prints; -f: only IPv4 flows of ctload with a number below that.
 *
 * Compared are protocol, original addresses and ports, TCP state, ASSURED, UNREPLIED and the mark;
 * nothing of the reply tuples, because the external cache of 1.4.x does not show them. Prints one
 * line of JSON. Status 1 if the sets differ. -v: the text of up to ten flows of each kind. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctnl.h"

struct set {
	uint64_t *hash;
	size_t n, room;
};

static const char *show_side; /* with -v, second pass: print what is not in `show_other` */
static const struct set *show_other;
static int shown;
static uint32_t below; /* 0: all */

static uint64_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool wanted(const char *src)
{
	struct in_addr a;

	return below == 0 ||
	       (inet_pton(AF_INET, src, &a) == 1 && (ntohl(a.s_addr) & 0x7fffff) < below);
}

static void add(struct set *s, const char *text)
{
	uint64_t h = hash(text);

	if (show_other) {
		if (shown < 10 &&
		    !bsearch(&h, show_other->hash, show_other->n, sizeof(h), by_value) && ++shown)
			fprintf(stderr, "%s %s\n", show_side, text);
		return;
	}
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 65536;
		s->hash = realloc(s->hash, s->room * sizeof(*s->hash));
		if (!s->hash)
			die("no memory");
	}
	s->hash[s->n++] = h;
}

/* ---- the kernel's table ---- */

static int keep_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) < 64)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static const char *tcp_state(const struct nlattr *info)
{
	static const char *const names[] = { "NONE",	 "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
					     "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
					     "CLOSE",	 "SYN_SENT2" };
	const struct nlattr *tb[64] = { 0 }, *tcp[64] = { 0 };
	unsigned int state = 0;

	if (!info)
		return "-";
	mnl_attr_parse_nested(info, keep_attr, tb);
	if (!tb[CTA_PROTOINFO_TCP])
		return "-";
	mnl_attr_parse_nested(tb[CTA_PROTOINFO_TCP], keep_attr, tcp);
	if (tcp[CTA_PROTOINFO_TCP_STATE])
		state = mnl_attr_get_u8(tcp[CTA_PROTOINFO_TCP_STATE]);
	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static void kernel_flow(struct set *s, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[64] = { 0 }, *tuple[64] = { 0 }, *ip[64] = { 0 },
			    *proto[64] = { 0 };
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], text[256];
	unsigned int number, status;
	bool v6;

	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), keep_attr, tb);
	if (!tb[CTA_TUPLE_ORIG] || !tb[CTA_STATUS])
		die("an entry of the kernel without a tuple");
	mnl_attr_parse_nested(tb[CTA_TUPLE_ORIG], keep_attr, tuple);
	mnl_attr_parse_nested(tuple[CTA_TUPLE_IP], keep_attr, ip);
	mnl_attr_parse_nested(tuple[CTA_TUPLE_PROTO], keep_attr, proto);
	number = mnl_attr_get_u8(proto[CTA_PROTO_NUM]);
	if (!proto[CTA_PROTO_SRC_PORT])
		return; /* ICMP and the like are no part of any load */
	status = ntohl(mnl_attr_get_u32(tb[CTA_STATUS]));
	v6 = ip[CTA_IP_V6_SRC] != NULL;
	inet_ntop(v6 ? AF_INET6 : AF_INET,
		  mnl_attr_get_payload(ip[v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC]), src, sizeof(src));
	inet_ntop(v6 ? AF_INET6 : AF_INET,
		  mnl_attr_get_payload(ip[v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST]), dst, sizeof(dst));
	snprintf(text, sizeof(text), "%u %s %s %s %u %u %u%s%s", number,
		 tcp_state(tb[CTA_PROTOINFO]), src, dst,
		 ntohs(mnl_attr_get_u16(proto[CTA_PROTO_SRC_PORT])),
		 ntohs(mnl_attr_get_u16(proto[CTA_PROTO_DST_PORT])),
		 tb[CTA_MARK] ? ntohl(mnl_attr_get_u32(tb[CTA_MARK])) : 0,
		 status & IPS_ASSURED ? " A" : "", status & IPS_SEEN_REPLY ? "" : " U");
	if (wanted(src))
		add(s, text);
}

static void read_kernel(struct set *s)
{
	static _Alignas(8) char buf[1 << 18];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	int fd = ctnl_open();

	nlh->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .nfgen_family = AF_UNSPEC };
	if (send(fd, buf, nlh->nlmsg_len, 0) == -1)
		die("dump: %s", strerror(errno));
	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		int left = (int)got;

		if (got == -1)
			die("dump: %s", strerror(errno));
		for (nlh = (struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type == NLMSG_DONE) {
				close(fd);
				return;
			}
			kernel_flow(s, nlh);
		}
	}
}

/* ---- what a daemon printed ---- */

static void text_flow(struct set *s, char *line)
{
	char *save, *word = strtok_r(line, " \n", &save), text[256];
	const char *field[5] = { "", "", "", "", "" }, *state = "-", *number;
	static const char *const key[5] = { "src=", "dst=", "sport=", "dport=", "mark=" };
	bool assured = false, unreplied = false;

	if (!word)
		return;
	number = strtok_r(NULL, " \n", &save);
	while ((word = strtok_r(NULL, " \n", &save))) {
		for (int i = 0; i < 5; i++) {
			if (field[i][0] == '\0' && strncmp(word, key[i], strlen(key[i])) == 0)
				field[i] = word + strlen(key[i]);
		}
		if (field[0][0] == '\0' && *word >= 'A' && *word <= 'Z')
			state = word;
		assured |= strcmp(word, "[ASSURED]") == 0;
		unreplied |= strcmp(word, "[UNREPLIED]") == 0;
	}
	if (!number || field[0][0] == '\0')
		die("not a flow: %s", line);
	if (field[2][0] == '\0')
		return;
	if (field[4][0] == '\0')
		field[4] = "0";
	snprintf(text, sizeof(text), "%s %s %s %s %s %s %s%s%s", number, state, field[0], field[1],
		 field[2], field[3], field[4], assured ? " A" : "", unreplied ? " U" : "");
	if (wanted(field[0]))
		add(s, text);
}

static void read_text(struct set *s, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) != -1)
		text_flow(s, line);
	free(line);
	fclose(f);
}

static void read_set(struct set *s, const char *what)
{
	if (strcmp(what, "kernel") == 0)
		read_kernel(s);
	else
		read_text(s, what);
	if (!show_other)
		qsort(s->hash, s->n, sizeof(*s->hash), by_value);
}

static void show(const char *side, const char *what, const struct set *other)
{
	shown = 0;
	show_side = side;
	show_other = other;
	read_set(NULL, what);
}

int main(int argc, char **argv)
{
	struct set a = { 0 }, b = { 0 };
	size_t i = 0, j = 0, missing = 0, extra = 0;
	bool verbose = false;
	int c;

	while ((c = getopt(argc, argv, "vf:")) != -1) {
		switch (c) {
		case 'v':
			verbose = true;
			break;
		case 'f':
			below = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			die("usage: ctset [-v] [-f BELOW] kernel|FILE kernel|FILE");
		}
	}
	if (argc - optind != 2)
		die("usage: ctset [-v] [-f BELOW] kernel|FILE kernel|FILE");
	argv += optind;
	read_set(&a, argv[0]);
	read_set(&b, argv[1]);
	while (i < a.n || j < b.n) {
		if (j == b.n || (i < a.n && a.hash[i] < b.hash[j])) {
			missing++;
			i++;
		} else if (i == a.n || a.hash[i] > b.hash[j]) {
			extra++;
			j++;
		} else {
			i++;
			j++;
		}
	}
	printf("{\"a\": %zu, \"b\": %zu, \"missing\": %zu, \"extra\": %zu}\n", a.n, b.n, missing,
	       extra);
	if (verbose) {
		show("missing:", argv[0], &b);
		show("too many:", argv[1], &a);
	}
	return missing + extra > 0;
}
