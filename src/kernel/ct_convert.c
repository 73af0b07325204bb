/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink messages -> struct ct_flow (the way back is ct_build.c).
 *
 * One table holds a row per attribute: the sizes it may have and how it is read. Total over
 * whatever bytes arrive: lengths are checked where they are consumed (struct cursor), nested
 * attributes get a cursor of their own, an unknown attribute is skipped, a known one of the wrong
 * size refuses the message. Of two attributes of a message that are of one kind the last one
 * counts, even if it tells less. Allocates nothing, and calls no library function per attribute:
 * this is the event path, and libmnl's getters alone would cost as much as the rest of it.
 *
 * Sources: linux/netfilter/nfnetlink_conntrack.h for numbers and sizes. Values are big-endian but
 * for the attribute headers and the labels, which are the machine's own.
 */
#include "kernel/ct.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/cursor.h"
#include "kernel/ct_picture.h"
#include "kernel/nl_attr.h"

#define ATTR_MAX_LEN UINT16_MAX
#define MSG_HDR	     sizeof(struct nl_request)

_Static_assert(MSG_HDR == 20, "netlink and nfnetlink header");
_Static_assert(offsetof(struct ct_flow, addr.v6.reply_dst) - offsetof(struct ct_flow, addr) == 48 &&
		       offsetof(struct ct_flow, addr.v4.reply_dst) -
				       offsetof(struct ct_flow, addr) ==
			       12,
	       "the addresses lie side by side");

/* Which parts of a tuple there were: a bit per CTA_PROTO_*, and two for the addresses. */
#define TUPLE_PART(type) (1u << (type))
#define TUPLE_SRC	 TUPLE_PART(CTA_PROTO_MAX + 1)
#define TUPLE_DST	 TUPLE_PART(CTA_PROTO_MAX + 2)
#define TUPLE_BASE	 (TUPLE_SRC | TUPLE_DST | TUPLE_PART(CTA_PROTO_NUM))
#define TUPLE_PORTS	 (TUPLE_PART(CTA_PROTO_SRC_PORT) | TUPLE_PART(CTA_PROTO_DST_PORT))
#define TUPLE_ICMP \
	(TUPLE_PART(CTA_PROTO_ICMP_ID) | TUPLE_PART(CTA_PROTO_ICMP_TYPE) | \
	 TUPLE_PART(CTA_PROTO_ICMP_CODE))
#define TUPLE_ICMPV6 \
	(TUPLE_PART(CTA_PROTO_ICMPV6_ID) | TUPLE_PART(CTA_PROTO_ICMPV6_TYPE) | \
	 TUPLE_PART(CTA_PROTO_ICMPV6_CODE))

/* Indices of the four addresses of a flow; they lie side by side in both members of the union. */
enum { ORIG_SRC, ORIG_DST, REPLY_SRC, REPLY_DST };

struct parse {
	struct ct_flow f;
	struct flow_rare *rare; /* the caller's; f.rare is set at the end, if anything is in it */
	uint16_t zone, zone_orig, zone_reply;
	uint8_t reply_l4;
	uint8_t info_l4;		/* whose state there was, 0: none */
	uint32_t orig_seen, reply_seen; /* TUPLE_* */
	uint8_t addr_len;
	uint8_t adj_seen;      /* bit per direction */
	uint8_t counters_seen; /* bits per direction: packets, bytes */
	bool bad;	       /* sticky: the message is refused */
};

typedef void load_fn(struct parse *p, struct cursor v, unsigned int dir);

static inline uint8_t *addr_of(struct ct_flow *f, unsigned int i, size_t len)
{
	return (uint8_t *)&f->addr + i * len;
}

/* Where a tuple is read into. */
struct tuple_to {
	uint8_t *src, *dst;
	struct flow_ports *ports;
	uint8_t *l4;
	uint16_t zone;
	uint32_t seen; /* TUPLE_* */
};

static void load_tuple_ip(struct parse *p, struct cursor v, struct tuple_to *t)
{
	const uint16_t src = p->f.l3 == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type != src && type != src + 1)
			continue; /* the other family's, or unknown */
		if (a.left != p->addr_len) {
			p->bad = true;
			return;
		}
		memcpy(type == src ? t->src : t->dst, a.at, p->addr_len);
		t->seen |= type == src ? TUPLE_SRC : TUPLE_DST;
	}
}

static void load_tuple_proto(struct parse *p, struct cursor v, struct tuple_to *t)
{
	static const uint8_t size[CTA_PROTO_MAX + 1] = {
		[CTA_PROTO_NUM] = 1,	   [CTA_PROTO_SRC_PORT] = 2,	[CTA_PROTO_DST_PORT] = 2,
		[CTA_PROTO_ICMP_ID] = 2,   [CTA_PROTO_ICMP_TYPE] = 1,	[CTA_PROTO_ICMP_CODE] = 1,
		[CTA_PROTO_ICMPV6_ID] = 2, [CTA_PROTO_ICMPV6_TYPE] = 1, [CTA_PROTO_ICMPV6_CODE] = 1,
	};
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type > CTA_PROTO_MAX || !size[type])
			continue;
		if (a.left != size[type]) {
			p->bad = true;
			return;
		}
		t->seen |= TUPLE_PART(type);
		switch (type) {
		case CTA_PROTO_NUM:
			*t->l4 = a.at[0];
			break;
		case CTA_PROTO_SRC_PORT:
			memcpy(&t->ports->sport, a.at, 2);
			break;
		case CTA_PROTO_DST_PORT:
			memcpy(&t->ports->dport, a.at, 2);
			break;
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			memcpy(&t->ports->sport, a.at, 2);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			memcpy(&t->ports->dport, a.at, 1);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			memcpy((uint8_t *)&t->ports->dport + 1, a.at, 1);
			break;
		}
	}
}

/* Both tuples, if the message begins with them and they look as usual; then *c is behind them. */
static inline bool load_plain_tuples(struct parse *p, struct cursor *c)
{
	const uint8_t *at = c->at;

	if (p->f.l3 != AF_INET || !begins_plain(*c) ||
	    !is_plain_tuple(PART(at, plain_tuples, orig)) ||
	    !is_plain_tuple(PART(at, plain_tuples, reply)))
		return false;
	take_plain_tuple(PART(at, plain_tuples, orig), &p->f.addr.v4.src, &p->f.addr.v4.dst,
			 &p->f.orig, &p->f.l4);
	take_plain_tuple(PART(at, plain_tuples, reply), &p->f.addr.v4.reply_src,
			 &p->f.addr.v4.reply_dst, &p->f.reply, &p->reply_l4);
	p->f.has |= FLOW_HAS_REPLY;
	p->orig_seen = p->reply_seen = TUPLE_BASE | TUPLE_PORTS;
	cur_take(c, sizeof(struct plain_tuples));
	return true;
}

static void load_tuple_into(struct parse *p, struct cursor v, struct tuple_to *t)
{
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type == CTA_TUPLE_IP) {
			load_tuple_ip(p, a, t);
		} else if (type == CTA_TUPLE_PROTO) {
			load_tuple_proto(p, a, t);
		} else if (type == CTA_TUPLE_ZONE) {
			p->bad |= a.left != 2;
			t->zone = cur_be16(&a);
		}
	}
}

/* Ports or the ICMP triple, as this protocol has them. */
static uint32_t ports_of(uint8_t l4)
{
	return l4 == IPPROTO_ICMP ? TUPLE_ICMP : l4 == IPPROTO_ICMPV6 ? TUPLE_ICMPV6 : TUPLE_PORTS;
}

static void load_tuple(struct parse *p, struct cursor v, unsigned int dir)
{
	struct tuple_to t = {
		.src = addr_of(&p->f, dir ? REPLY_SRC : ORIG_SRC, p->addr_len),
		.dst = addr_of(&p->f, dir ? REPLY_DST : ORIG_DST, p->addr_len),
		.ports = dir ? &p->f.reply : &p->f.orig,
		.l4 = dir ? &p->reply_l4 : &p->f.l4,
	};

	load_tuple_into(p, v, &t);
	if (dir) {
		p->f.has |= FLOW_HAS_REPLY;
		p->reply_seen = t.seen;
		p->zone_reply = t.zone;
	} else {
		p->orig_seen = t.seen;
		p->zone_orig = t.zone;
	}
}

static void load_master(struct parse *p, struct cursor v, unsigned int dir)
{
	struct flow_ports ports = { 0 };
	struct tuple_to t = {
		.src = (uint8_t *)&p->rare->master_src,
		.dst = (uint8_t *)&p->rare->master_dst,
		.ports = &ports,
		.l4 = &p->rare->master_l4,
	};

	(void)dir;
	p->f.has &= ~(FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS);
	load_tuple_into(p, v, &t);
	if ((t.seen & TUPLE_BASE) != TUPLE_BASE)
		return;
	p->f.has |= FLOW_HAS_MASTER;
	if ((t.seen & ports_of(*t.l4)) == ports_of(*t.l4)) {
		p->rare->master_sport = ports.sport;
		p->rare->master_dport = ports.dport;
		p->f.has |= FLOW_HAS_MASTER_PORTS;
	}
}

static void load_zone(struct parse *p, struct cursor v, unsigned int dir)
{
	(void)dir;
	p->zone = cur_be16(&v);
}

/* Takes back what an earlier one of the kind told. */
static void forget_info(struct parse *p)
{
	p->f.proto_state = 0;
	p->f.has &= ~(FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE | FLOW_HAS_VTAGS | FLOW_HAS_DCCP_ROLE);
}

/* The numbers of a nest whose types are first, first + 1, and so on to val[n - 1], of `size` bytes
 * each. A bit for each that was there; val keeps what it had for the others. */
static unsigned int load_numbers(struct parse *p, struct cursor v, uint16_t first, unsigned int n,
				 size_t size, uint64_t *val)
{
	unsigned int seen = 0;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type < first || type >= first + n)
			continue;
		p->bad |= a.left != size;
		val[type - first] = 0;
		for (size_t i = 0; i < size; i++)
			val[type - first] = val[type - first] << 8 | cur_u8(&a);
		seen |= 1u << (type - first);
	}
	return seen;
}

static void load_state(struct parse *p, struct cursor v, uint16_t type)
{
	uint64_t state;

	if (!load_numbers(p, v, type, 1, 1, &state))
		return;
	p->f.proto_state = (uint8_t)state;
	p->f.has |= FLOW_HAS_PROTO_STATE;
}

static void load_tcp(struct parse *p, struct cursor v)
{
	uint64_t scale[2];

	load_state(p, v, CTA_PROTOINFO_TCP_STATE);
	if (load_numbers(p, v, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 2, 1, scale) != 3)
		return;
	p->f.wscale[0] = (uint8_t)scale[0];
	p->f.wscale[1] = (uint8_t)scale[1];
	p->f.has |= FLOW_HAS_WSCALE;
}

static void load_sctp(struct parse *p, struct cursor v)
{
	uint64_t tag[2];

	load_state(p, v, CTA_PROTOINFO_SCTP_STATE);
	if (load_numbers(p, v, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, 2, 4, tag) != 3)
		return;
	p->rare->vtag[0] = (uint32_t)tag[0];
	p->rare->vtag[1] = (uint32_t)tag[1];
	p->f.has |= FLOW_HAS_VTAGS;
}

static void load_dccp(struct parse *p, struct cursor v)
{
	uint64_t role;

	load_state(p, v, CTA_PROTOINFO_DCCP_STATE);
	if (!load_numbers(p, v, CTA_PROTOINFO_DCCP_ROLE, 1, 1, &role))
		return;
	p->rare->dccp_role = (uint8_t)role;
	p->f.has |= FLOW_HAS_DCCP_ROLE;
}

static inline bool load_plain_tcp(struct parse *p, struct cursor v)
{
	const uint8_t *at = v.at;

	if (p->info_l4 || !is_plain_tcp(v))
		return false;
	p->info_l4 = IPPROTO_TCP;
	p->f.proto_state = *PART(at, plain_tcp, state);
	p->f.wscale[0] = *PART(at, plain_tcp, scale);
	p->f.wscale[1] = *PART(at, plain_tcp, reply_scale);
	p->f.has |= FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE;
	return true;
}

static void load_protoinfo(struct parse *p, struct cursor v, unsigned int dir)
{
	static const uint8_t l4s[] = {
		[CTA_PROTOINFO_TCP] = IPPROTO_TCP,
		[CTA_PROTOINFO_DCCP] = IPPROTO_DCCP,
		[CTA_PROTOINFO_SCTP] = IPPROTO_SCTP,
	};
	struct cursor a;
	uint16_t type;

	(void)dir;
	if (load_plain_tcp(p, v)) /* the first one: there is nothing to forget */
		return;
	forget_info(p);
	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type < CTA_PROTOINFO_TCP || type > CTA_PROTOINFO_SCTP)
			continue;
		p->bad |= p->info_l4 && p->info_l4 != l4s[type];
		p->info_l4 = l4s[type];
		forget_info(p);
		if (type == CTA_PROTOINFO_TCP)
			load_tcp(p, a);
		else if (type == CTA_PROTOINFO_SCTP)
			load_sctp(p, a);
		else
			load_dccp(p, a);
	}
}

static void load_helper(struct parse *p, struct cursor v, unsigned int dir)
{
	struct cursor a;
	uint16_t type;
	size_t len;

	(void)dir;
	p->f.has &= ~FLOW_HAS_HELPER;
	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type != CTA_HELP_NAME)
			continue;
		len = a.left > 0 ? strnlen((const char *)a.at, a.left) : 0;
		if (len >= FLOW_HELPER_MAX) {
			p->bad = true;
			return;
		}
		p->f.has &= ~FLOW_HAS_HELPER;
		if (len == 0)
			continue; /* "no helper" */
		memset(p->rare->helper, 0, sizeof(p->rare->helper));
		memcpy(p->rare->helper, a.at, len);
		p->f.has |= FLOW_HAS_HELPER;
	}
}

static void load_labels(struct parse *p, struct cursor v, unsigned int dir)
{
	size_t len = v.left < FLOW_LABEL_BYTES ? v.left : FLOW_LABEL_BYTES;

	(void)dir;
	if (v.left % 4 != 0) {
		p->bad = true;
		return;
	}
	memset(p->rare->labels, 0, sizeof(p->rare->labels));
	memcpy(p->rare->labels, v.at, len);
	p->f.has |= FLOW_HAS_LABELS;
}

static void load_synproxy(struct parse *p, struct cursor v, unsigned int dir)
{
	uint64_t val[3] = { 0 }; /* isn, its, tsoff */

	(void)dir;
	load_numbers(p, v, CTA_SYNPROXY_ISN, 3, 4, val);
	p->f.has |= FLOW_HAS_SYNPROXY;
	p->rare->synproxy_set = val[0] || val[1] || val[2];
	p->rare->synproxy[0] = (uint32_t)val[1]; /* the order of the wire: its, isn, tsoff */
	p->rare->synproxy[1] = (uint32_t)val[0];
	p->rare->synproxy[2] = (uint32_t)val[2];
}

static void load_seqadj(struct parse *p, struct cursor v, unsigned int dir)
{
	uint64_t val[3];

	p->adj_seen &= (uint8_t) ~(1u << dir);
	p->f.has &= ~FLOW_HAS_SEQADJ;
	if (load_numbers(p, v, CTA_SEQADJ_CORRECTION_POS, 3, 4, val) != 7)
		return;
	p->rare->adj[dir] = (struct flow_seqadj){
		.pos = (uint32_t)val[0],
		.before = (int32_t)val[1],
		.after = (int32_t)val[2],
	};
	p->adj_seen |= 1u << dir;
	if (p->adj_seen == 3)
		p->f.has |= FLOW_HAS_SEQADJ;
}

static void load_counters(struct parse *p, struct cursor v, unsigned int dir)
{
	uint64_t val[2] = { p->rare->packets[dir], p->rare->bytes[dir] };

	p->counters_seen &= (uint8_t) ~(3u << 2 * dir);
	p->counters_seen |=
		(uint8_t)(load_numbers(p, v, CTA_COUNTERS_PACKETS, 2, 8, val) << 2 * dir);
	p->rare->packets[dir] = val[0];
	p->rare->bytes[dir] = val[1];
	p->f.has &= ~FLOW_HAS_COUNTERS;
	if (p->counters_seen == 0xf)
		p->f.has |= FLOW_HAS_COUNTERS; /* the kernel keeps all four or none */
}

static void load_times(struct parse *p, struct cursor v, unsigned int dir)
{
	uint64_t val[2] = { 0 };

	(void)dir;
	load_numbers(p, v, CTA_TIMESTAMP_START, 2, 8, val);
	p->rare->start_ns = val[0];
	p->rare->stop_ns = val[1];
	p->f.has |= FLOW_HAS_TIMES;
}

struct attr_rule {
	uint16_t min, max; /* value size */
	uint8_t dir;	   /* handed to load: 0 original, 1 reply */
	load_fn *load;
	/* A number of 32 bits needs no load: where in the flow it is put, and the bit that says
	 * so. */
	uint16_t field;
	uint32_t has;
};

#define NESTED		    .max = ATTR_MAX_LEN
#define EXACT(n)	    .min = (n), .max = (n)
#define NUMBER(member, bit) EXACT(4), .field = offsetof(struct ct_flow, member), .has = (bit)

static const struct attr_rule rules[CTA_MAX + 1] = {
	[CTA_TUPLE_ORIG] = { NESTED, .dir = 0, .load = load_tuple },
	[CTA_TUPLE_REPLY] = { NESTED, .dir = 1, .load = load_tuple },
	[CTA_STATUS] = { NUMBER(status, FLOW_HAS_STATUS) },
	[CTA_PROTOINFO] = { NESTED, .load = load_protoinfo },
	[CTA_HELP] = { NESTED, .load = load_helper },
	[CTA_TIMEOUT] = { NUMBER(timeout_s, FLOW_HAS_TIMEOUT) },
	[CTA_MARK] = { NUMBER(mark, FLOW_HAS_MARK) },
	[CTA_COUNTERS_ORIG] = { NESTED, .dir = 0, .load = load_counters },
	[CTA_COUNTERS_REPLY] = { NESTED, .dir = 1, .load = load_counters },
	[CTA_ID] = { NUMBER(id, FLOW_HAS_ID) },
	[CTA_TUPLE_MASTER] = { NESTED, .load = load_master },
	[CTA_SEQ_ADJ_ORIG] = { NESTED, .dir = 0, .load = load_seqadj },
	[CTA_SEQ_ADJ_REPLY] = { NESTED, .dir = 1, .load = load_seqadj },
	[CTA_ZONE] = { EXACT(2), .load = load_zone },
	[CTA_TIMESTAMP] = { NESTED, .load = load_times },
	[CTA_LABELS] = { .min = 4, .max = ATTR_MAX_LEN, .load = load_labels },
	[CTA_SYNPROXY] = { NESTED, .load = load_synproxy },
};

/* The first attribute of that type. */
static bool find(struct cursor c, uint16_t wanted, struct cursor *v)
{
	uint16_t type;
	bool bad = false;

	while (attr_next(&c, &type, v, &bad))
		if (type == wanted)
			return true;
	return false;
}

static struct cursor attrs_of(const void *nlmsg, size_t n)
{
	struct cursor c = cur_init(nlmsg, n);

	cur_take(&c, MSG_HDR);
	return c;
}

void ct_parse_tcp_flags(const void *nlmsg, size_t n, uint8_t flags[2])
{
	struct cursor c = attrs_of(nlmsg, n), info, tcp, v;
	bool is_tcp;

	if (begins_plain(c))
		cur_take(&c, sizeof(struct plain_tuples));
	is_tcp = find(c, CTA_PROTOINFO, &info);
	if (is_tcp && is_plain_tcp(info)) {
		flags[0] = *PART(info.at, plain_tcp, flags);
		flags[1] = *PART(info.at, plain_tcp, reply_flags);
		return;
	}
	is_tcp = is_tcp && find(info, CTA_PROTOINFO_TCP, &tcp);
	for (int dir = 0; dir < 2; dir++)
		flags[dir] = is_tcp && find(tcp, (uint16_t)(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL + dir),
					    &v) ?
				     cur_u8(&v) :
				     0;
}

void ct_parse_seen(const void *nlmsg, size_t n, struct ct_seen *seen)
{
	struct cursor v;

	seen->use = find(attrs_of(nlmsg, n), CTA_USE, &v) ? cur_be32(&v) : 0;
	ct_parse_tcp_flags(nlmsg, n, seen->tcp_flags);
}

static inline void load_number(struct parse *p, struct cursor v, const struct attr_rule *r)
{
	uint32_t number = cur_be32(&v);

	memcpy((uint8_t *)&p->f + r->field, &number, sizeof(number));
	p->f.has |= r->has;
}

static void load_all(struct parse *p, struct cursor c)
{
	struct cursor v;
	uint16_t type;

	load_plain_tuples(p, &c);
	while (attr_next(&c, &type, &v, &p->bad)) {
		const struct attr_rule *r;

		if (type > CTA_MAX || !rules[type].max)
			continue;
		r = &rules[type];
		if (v.left < r->min || v.left > r->max) {
			p->bad = true;
			return;
		}
		if (r->has)
			load_number(p, v, r);
		else
			r->load(p, v, r->dir);
	}
}

/* The kernel tells both tuples whole and in the same way: addresses, the same protocol, all of its
 * ports or none; and a state of that protocol. What is told otherwise we would misunderstand.
 * -ENOENT when the flow cannot be identified. */
static int settle_tuples(struct parse *p)
{
	uint32_t ports = p->orig_seen & ~TUPLE_BASE;

	if ((p->orig_seen & TUPLE_BASE) != TUPLE_BASE)
		return -ENOENT;
	if (ports && ports != ports_of(p->f.l4))
		return -EPROTO;
	if (ports)
		p->f.has |= FLOW_HAS_PORTS;
	if (p->info_l4 && p->info_l4 != p->f.l4)
		return -EPROTO;
	if ((p->f.has & FLOW_HAS_REPLY) &&
	    (p->reply_seen != p->orig_seen || p->reply_l4 != p->f.l4))
		return -EPROTO;
	return flow_has_key(&p->f) ? 0 : -ENOENT;
}

/* A zone is given for both directions (CTA_ZONE) or inside a tuple for that one. */
static void settle_zone(struct parse *p)
{
	uint16_t orig = p->zone_orig ? p->zone_orig : p->zone;
	uint16_t reply = p->zone_reply ? p->zone_reply : p->zone;

	if (!orig && !reply)
		return;
	p->f.has |= FLOW_HAS_ZONE;
	p->f.zone = orig ? orig : reply;
	if (orig == reply) {
		p->f.zone_dir = FLOW_ZONE_BOTH;
	} else if (!orig) {
		p->f.zone_dir = FLOW_ZONE_REPLY;
	} else {
		p->f.zone_dir = FLOW_ZONE_ORIG;
		if (reply) {
			p->rare->reply_zone = reply;
			p->f.has |= FLOW_HAS_REPLY_ZONE;
		}
	}
}

static int msg_event(const struct nlmsghdr *h, enum ct_event *what)
{
	switch (h->nlmsg_type) {
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
		*what = h->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL) ? CT_EVENT_NEW :
								       CT_EVENT_UPDATE;
		return 0;
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
		*what = CT_EVENT_DESTROY;
		return 0;
	default:
		return -EPROTO;
	}
}

int ct_parse(const void *nlmsg, size_t n, enum ct_event *what, struct ct_flow *f,
	     struct flow_rare *rare)
{
	struct parse p = { .rare = rare };
	enum ct_event event;
	struct nlmsghdr h;
	struct cursor c = cur_init(nlmsg, n);
	int err;

	cur_bytes(&c, &h, sizeof(h));
	if (c.bad || h.nlmsg_len < MSG_HDR || h.nlmsg_len > n || msg_event(&h, &event) != 0)
		return -EPROTO;
	c.left = h.nlmsg_len - sizeof(h);
	p.f.l3 = cur_u8(&c);
	if (p.f.l3 != AF_INET && p.f.l3 != AF_INET6)
		return -EPROTO;
	p.addr_len = p.f.l3 == AF_INET ? 4 : 16;
	cur_take(&c, sizeof(struct nfgenmsg) - 1);
	rare->synproxy_set = false;
	load_all(&p, c);
	if (p.bad)
		return -EPROTO;
	err = settle_tuples(&p);
	if (err)
		return err;
	settle_zone(&p);
	if ((p.f.has & FLOW_RARE_PARTS) || rare->synproxy_set)
		p.f.rare = rare;
	*what = event;
	*f = p.f;
	return 0;
}

int ct_read(const void *nlmsg, size_t n, enum ct_event *what, struct ct_flow *f,
	    struct flow_rare *rare)
{
	int err = ct_parse(nlmsg, n, what, f, rare);

	if (err == 0 && *what != CT_EVENT_DESTROY)
		flow_settle_offload(f);
	return err;
}
