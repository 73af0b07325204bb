/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One message through ct_parse() and our printers, and through nfct_nlmsg_parse() and
 * nfct_snprintf(). */
#include "unit/kernel/oracle.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "flow/flow_print.h"
#include "kernel/ct.h"
#include "unit/kernel/support.h"

#define HDR (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

/* ---- what ct_parse() must refuse, said a second time ---- */

#define SEEN_ADDRS (1u << 16 | 1u << 17)
#define SEEN_NUM   (1u << CTA_PROTO_NUM)
#define SEEN_PORTS (1u << CTA_PROTO_SRC_PORT | 1u << CTA_PROTO_DST_PORT)
#define SEEN_ICMP  (1u << CTA_PROTO_ICMP_ID | 1u << CTA_PROTO_ICMP_TYPE | 1u << CTA_PROTO_ICMP_CODE)
#define SEEN_ICMPV6 \
	(1u << CTA_PROTO_ICMPV6_ID | 1u << CTA_PROTO_ICMPV6_TYPE | 1u << CTA_PROTO_ICMPV6_CODE)

struct seen {
	bool there;
	unsigned int parts; /* SEEN_* */
	uint8_t l4;
};

struct check {
	uint8_t l3;
	struct seen orig, reply;
	unsigned int info; /* a bit per CTA_PROTOINFO_* */
	const char *reason;
};

static void refuse(struct check *c, const char *reason)
{
	if (!c->reason)
		c->reason = reason;
}

static bool other_family(const struct check *c, const struct ct_attr *table, unsigned int type)
{
	return strcmp(table[CTA_IP_V4_SRC].name ? table[CTA_IP_V4_SRC].name : "",
		      "CTA_IP_V4_SRC") == 0 &&
	       (type <= CTA_IP_V4_DST) != (c->l3 == AF_INET);
}

/* Attributes whose size alone does not say whether they are good. */
static void check_value(struct check *c, const char *name, const uint8_t *p, size_t len)
{
	if (strcmp(name, "CTA_LABELS") == 0 && (len < 4 || len % 4 != 0))
		refuse(c, "labels that are no words");
	if (strcmp(name, "CTA_HELP_NAME") == 0 && strnlen((const char *)p, len) >= FLOW_HELPER_MAX)
		refuse(c, "a helper's name that no kernel has room for");
}

static struct seen *tuple_of(struct check *c, unsigned int type)
{
	struct seen *t = type == CTA_TUPLE_ORIG	 ? &c->orig :
			 type == CTA_TUPLE_REPLY ? &c->reply :
						   NULL;

	if (t)
		*t = (struct seen){ .there = true }; /* of two, the last one counts */
	return t;
}

static void note_part(struct seen *t, const char *name, unsigned int type, const uint8_t *value)
{
	if (strncmp(name, "CTA_IP_", 7) == 0)
		t->parts |= 1u << (16 + ((type - 1) & 1));
	if (strncmp(name, "CTA_PROTO_", 10) == 0)
		t->parts |= 1u << type;
	if (strcmp(name, "CTA_PROTO_NUM") == 0)
		t->l4 = *value;
}

/* The kernel tells both tuples whole and in the same way. */
static void check_tuples(struct check *c)
{
	const struct seen *o = &c->orig, *r = &c->reply;
	unsigned int whole = o->l4 == IPPROTO_ICMP   ? SEEN_ICMP :
			     o->l4 == IPPROTO_ICMPV6 ? SEEN_ICMPV6 :
						       SEEN_PORTS;

	if (!o->there || (o->parts & (SEEN_ADDRS | SEEN_NUM)) != (SEEN_ADDRS | SEEN_NUM))
		refuse(c, "no original tuple");
	if (o->parts != (SEEN_ADDRS | SEEN_NUM) && o->parts != (SEEN_ADDRS | SEEN_NUM | whole))
		refuse(c, "parts of ports, or those of another protocol");
	if (o->parts == (SEEN_ADDRS | SEEN_NUM) &&
	    (flow_l4_has_ports(o->l4) || whole != SEEN_PORTS))
		refuse(c, "without the ports that identify it");
	if (c->info && c->info != 1u << (o->l4 == IPPROTO_TCP  ? CTA_PROTOINFO_TCP :
					 o->l4 == IPPROTO_DCCP ? CTA_PROTOINFO_DCCP :
					 o->l4 == IPPROTO_SCTP ? CTA_PROTOINFO_SCTP :
								 0))
		refuse(c, "the state of another protocol");
	if (r->there && (r->parts != o->parts || r->l4 != o->l4))
		refuse(c, "a reply tuple of another kind than the original one");
}

static void check_level(struct check *c, const struct ct_attr *table, size_t n_table,
			const uint8_t *p, size_t n, struct seen *tuple)
{
	while (n > 0) {
		const struct ct_attr *known;
		struct nlattr a;
		size_t len, padded;
		unsigned int type;

		if (n < sizeof(a))
			return refuse(c, "bytes that are no attribute");
		memcpy(&a, p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > n)
			return refuse(c, "an attribute longer than what it lies in");
		len = a.nla_len - sizeof(a);
		padded = (a.nla_len + 3u) & ~(size_t)3;
		padded = padded < n ? padded : n;
		type = a.nla_type & NLA_TYPE_MASK;
		known = ct_attr_find(table, n_table, type);
		if (known && strncmp(known->name, "CTA_PROTOINFO_", 14) == 0 && known->sub)
			c->info |= 1u << type;
		if (known && known->sub && !known->unread) {
			check_level(c, known->sub, known->n_sub, p + sizeof(a), len,
				    table == ct_attrs ? tuple_of(c, type) : tuple);
		} else if (known && known->size && !other_family(c, table, type)) {
			if (len != known->size)
				refuse(c, "a size the kernel does not use");
			if (tuple)
				note_part(tuple, known->name, type, p + sizeof(a));
		} else if (known) {
			check_value(c, known->name, p + sizeof(a), len);
		}
		p += padded;
		n -= padded;
	}
}

const char *oracle_refusal(const void *msg, size_t n)
{
	struct check c = { .reason = NULL };
	struct nlmsghdr h;

	if (n < HDR)
		return "no header";
	memcpy(&h, msg, sizeof(h));
	if (h.nlmsg_len < HDR || h.nlmsg_len > n)
		return "a length that is not that of the message";
	if (h.nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) &&
	    h.nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE))
		return "not about a flow";
	c.l3 = ((const uint8_t *)msg)[sizeof(h)];
	if (c.l3 != AF_INET && c.l3 != AF_INET6)
		return "an unknown family";
	check_level(&c, ct_attrs, n_ct_attrs, (const uint8_t *)msg + HDR, h.nlmsg_len - HDR, NULL);
	check_tuples(&c);
	return c.reason;
}

/* ---- the library ---- */

static jmp_buf library_gave_up;
static bool in_library;

/* The library ends the program over an attribute of another size than it expects. For its calls
 * this function stands before that of the C library, and takes it as a refusal. */
void exit(int status)
{
	if (in_library) {
		in_library = false;
		longjmp(library_gave_up, 1);
	}
	fflush(NULL);
	_exit(status);
}

/* 0 if it has read the message. */
static int library_parse(const void *msg, struct nf_conntrack *ct)
{
	int terminal = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	volatile int rc = -1;

	assert_true(terminal >= 0 && nowhere >= 0);
	dup2(nowhere, STDERR_FILENO); /* it says so, each time */
	if (setjmp(library_gave_up) == 0) {
		in_library = true;
		rc = nfct_nlmsg_parse(msg, ct);
		in_library = false;
	}
	dup2(terminal, STDERR_FILENO);
	close(terminal);
	close(nowhere);
	return rc;
}

/* ---- layouts ---- */

/* What conntrackd shows is not all the library could show. This is the one place that says what,
 * and why. */
static const struct {
	enum nf_conntrack_attr attr;
	bool kernel_view; /* taken away there too */
	bool flow_log;	  /* and there */
	const char *why;
} hidden[] = {
	{ ATTR_TIMEOUT, false, true,
	  "a cache does not know what is left of it; a flow that has ended has none" },
	{ ATTR_USE, false, true, "a number of the moment" },
	{ ATTR_ORIG_COUNTER_PACKETS, false, false, "a cache does not follow them" },
	{ ATTR_ORIG_COUNTER_BYTES, false, false, "a cache does not follow them" },
	{ ATTR_REPL_COUNTER_PACKETS, false, false, "a cache does not follow them" },
	{ ATTR_REPL_COUNTER_BYTES, false, false, "a cache does not follow them" },
	{ ATTR_SECMARK, true, true, "obsolete since 2.6.37" },
	{ ATTR_SECCTX, true, true, "not kept: means something to the policy of this machine only" },
};

/* Counters are kept for both directions or not at all, as the kernel has them. Without a reply
 * tuple, which no kernel sends, the library shows those of the reply in odd places: that is not
 * compared. */
static void settle_counters(struct nf_conntrack *ct, struct ct_flow *f)
{
	bool all = f->has & FLOW_HAS_REPLY;

	for (int a = ATTR_ORIG_COUNTER_PACKETS; a <= ATTR_REPL_COUNTER_BYTES; a++)
		all = all && nfct_attr_is_set(ct, (enum nf_conntrack_attr)a) > 0;
	if (all)
		return;
	for (int a = ATTR_ORIG_COUNTER_PACKETS; a <= ATTR_REPL_COUNTER_BYTES; a++)
		nfct_attr_unset(ct, (enum nf_conntrack_attr)a);
	if (!(f->has & FLOW_HAS_REPLY))
		f->has &= ~FLOW_HAS_COUNTERS;
}

/* A flow that ended before it began (the clock was set): the library's difference is a number of 20
 * digits, ours is 0. An end without a beginning, which no kernel sends, leaves its mark in the
 * library's XML. A difference of 68 years and more is cut to the time_t of a 32-bit library. */
static void settle_times(struct nf_conntrack *ct, struct ct_flow *f)
{
	uint64_t start = UINT64_MAX, stop = (uint64_t)time(NULL) * 1000000000u;

	if (nfct_attr_is_set(ct, ATTR_TIMESTAMP_START) > 0)
		start = nfct_get_attr_u64(ct, ATTR_TIMESTAMP_START);
	if (nfct_attr_is_set(ct, ATTR_TIMESTAMP_STOP) > 0)
		stop = nfct_get_attr_u64(ct, ATTR_TIMESTAMP_STOP);
	if (start <= stop && (stop - start) / 1000000000u <= LONG_MAX)
		return;
	nfct_attr_unset(ct, ATTR_TIMESTAMP_START);
	nfct_attr_unset(ct, ATTR_TIMESTAMP_STOP);
	f->has &= ~FLOW_HAS_TIMES;
}

/* What a terminal or XML would act on is made harmless by us, and not by the library. */
static void settle_helper(struct nf_conntrack *ct, const struct ct_flow *f)
{
	char name[FLOW_HELPER_MAX];

	if (!(f->has & FLOW_HAS_HELPER)) {
		if (nfct_attr_is_set(ct, ATTR_HELPER_NAME) > 0 &&
		    *(const char *)nfct_get_attr(ct, ATTR_HELPER_NAME) == '\0')
			nfct_attr_unset(ct, ATTR_HELPER_NAME); /* an empty name is none */
		return;
	}
	for (char *p = f->rare->helper; *p; p++) {
		if (*p <= ' ' || *p > '~' || strchr("<>&", *p))
			*p = '?';
	}
	memcpy(name, f->rare->helper, sizeof(name));
	nfct_set_attr(ct, ATTR_HELPER_NAME, name);
}

/* Zone 0 is where everything is that has no zone, and no kernel tells it; the library shows it if
 * told. Nor does a kernel tell a zone for both directions besides that of one: the library shows
 * each where it was told, we what each direction has then. */
static void settle_zones(struct nf_conntrack *ct, const struct ct_flow *f)
{
	static const enum nf_conntrack_attr zones[] = { ATTR_ZONE, ATTR_ORIG_ZONE, ATTR_REPL_ZONE };
	uint16_t zone[3];

	for (size_t i = 0; i < 3; i++) {
		zone[i] = nfct_attr_is_set(ct, zones[i]) > 0 ? nfct_get_attr_u16(ct, zones[i]) : 0;
		nfct_attr_unset(ct, zones[i]);
	}
	if (zone[0] && (zone[1] || zone[2])) {
		zone[1] = zone[1] ? zone[1] : zone[0];
		zone[2] = zone[2] ? zone[2] : zone[0];
		zone[0] = 0;
	}
	if (zone[1] == zone[2] && zone[1]) {
		zone[0] = zone[1];
		zone[1] = zone[2] = 0;
	}
	if (!(f->has & FLOW_HAS_REPLY))
		zone[2] = 0; /* there is no such direction */
	for (size_t i = 0; i < 3; i++) {
		if (zone[i])
			nfct_set_attr_u16(ct, zones[i], zone[i]);
	}
}

enum layout { CACHE, KERNEL_VIEW, FLOW_LOG, N_LAYOUTS };
static const char *const layout_names[] = { "cache", "kernel view", "flow log" };

static void hide(struct nf_conntrack *ct, enum layout layout)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (layout == CACHE || (layout == KERNEL_VIEW && hidden[i].kernel_view) ||
		    (layout == FLOW_LOG && hidden[i].flow_log))
			nfct_attr_unset(ct, hidden[i].attr);
	}
}

struct both {
	const char *name;
	const uint8_t *msg;
	struct nf_conntrack *ct;
	struct ct_flow flow;
};

static _Noreturn void show_and_fail(const struct both *b, enum layout layout, const char *ours,
				    const char *theirs)
{
	uint32_t len;

	memcpy(&len, b->msg, sizeof(len));
	print_error("%s, %s:\nours   %s\ntheirs %s\nmessage ", b->name, layout_names[layout], ours,
		    theirs);
	for (uint32_t i = 0; i < len; i++)
		print_error("%02x", b->msg[i]);
	print_error("\n");
	fail();
	abort();
}

static void compare_layout(const struct both *b, enum layout layout, bool xml)
{
	struct flow_print_opts opts = { .active_s = -1,
					.expires_s = -1,
					.kernel_view = layout == KERNEL_VIEW };
	char ours[FLOW_LINE_MAX], theirs[FLOW_LINE_MAX];
	struct nf_conntrack *ct = nfct_clone(b->ct);
	struct ct_flow f = b->flow;
	int tries = 0;

	assert_non_null(ct);
	settle_counters(ct, &f);
	settle_times(ct, &f);
	settle_helper(ct, &f);
	settle_zones(ct, &f);
	hide(ct, layout);
	if (layout == CACHE)
		f.has &= ~FLOW_HAS_COUNTERS;
	if (nfct_attr_is_set(ct, ATTR_USE) > 0)
		opts.use = nfct_get_attr_u32(ct, ATTR_USE);
	if (opts.use == 0)
		/* no kernel shows an entry that nobody uses */
		nfct_attr_unset(ct, ATTR_USE);
	do { /* the library reads the clock for the age of a flow */
		opts.now_s = time(NULL);
		nfct_snprintf(theirs, sizeof(theirs), ct, NFCT_T_UNKNOWN,
			      xml ? NFCT_O_XML : NFCT_O_PLAIN, 0);
		(xml ? flow_print_xml : flow_print_text)(&f, &opts, ours, sizeof(ours));
	} while (strcmp(ours, theirs) != 0 && ++tries < 3);
	nfct_destroy(ct);
	if (strcmp(ours, theirs) != 0)
		show_and_fail(b, layout, ours, theirs);
}

void oracle_compare(const char *name, const void *msg, size_t n, struct oracle_stats *stats)
{
	/* The library trusts that a name ends: it gets room behind the message, we do not. */
	_Alignas(struct nlmsghdr) uint8_t roomy[ORACLE_MSG_MAX + 64] = { 0 };
	uint8_t *exact = malloc(n ? n : 1);
	const char *reason = oracle_refusal(msg, n);
	struct both b = { .name = name, .msg = roomy };
	struct flow_rare rare;
	enum ct_event what;
	int rc;

	assert_non_null(exact);
	assert_true(n <= ORACLE_MSG_MAX);
	memcpy(exact, msg, n);
	memcpy(roomy, msg, n);
	rc = ct_parse(exact, n, &what, &b.flow, &rare);
	free(exact);
	if ((rc != 0) != (reason != NULL)) {
		print_error("%s: ct_parse() says %d, the rules: %s\n", name, rc,
			    reason ? reason : "nothing against it");
		show_and_fail(&b, KERNEL_VIEW, "", "");
	}
	if (reason) {
		stats->refused++;
		return;
	}
	b.ct = nfct_new();
	assert_non_null(b.ct);
	if (library_parse(roomy, b.ct) != 0) {
		stats->only_ours++;
		nfct_destroy(b.ct);
		return;
	}
	for (int l = 0; l < N_LAYOUTS; l++) {
		compare_layout(&b, (enum layout)l, false);
		compare_layout(&b, (enum layout)l, true);
	}
	stats->equal++;
	nfct_destroy(b.ct);
}

/* ---- lists ---- */

void oracle_list_add(struct oracle_list *l, const void *msg, size_t n)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->msg = realloc(l->msg, l->cap * sizeof(l->msg[0]));
		assert_non_null(l->msg);
	}
	l->msg[l->n] = malloc(n);
	assert_non_null(l->msg[l->n]);
	memcpy(l->msg[l->n++], msg, n);
}

void oracle_list_free(struct oracle_list *l)
{
	while (l->n > 0)
		free(l->msg[--l->n]);
	free(l->msg);
	*l = (struct oracle_list){ 0 };
}
