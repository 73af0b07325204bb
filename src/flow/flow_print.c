/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow as text and XML, in the layouts that scripts have read for years: byte for byte what
 * libnetfilter_conntrack's nfct_snprintf() writes (tests/unit/flow compares them), with the
 * additions of the daemon at the end of the text line. JSON is in flow_json.c.
 *
 * A million lines are printed per dump, so numbers and IPv4 addresses are written by hand. The line
 * never overflows: what does not fit is cut.
 */
#include "flow/flow_print.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

/* <linux/netfilter/nf_conntrack_common.h> of older systems lacks the second one. */
#define STATUS_OFFLOAD	  (1u << 14)
#define STATUS_HW_OFFLOAD (1u << 15)

struct line {
	char *at;
	char *end; /* room for the NUL is behind it */
};

static inline void add(struct line *l, const char *s, size_t n)
{
	size_t room = (size_t)(l->end - l->at);

	if (n > room)
		n = room;
	memcpy(l->at, s, n);
	l->at += n;
}

static inline void str(struct line *l, const char *s)
{
	add(l, s, strlen(s));
}

static inline char *digits(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return end;
}

static void number(struct line *l, uint64_t v)
{
	char buf[20], *p = digits(buf + sizeof(buf), v);

	add(l, p, (size_t)(buf + sizeof(buf) - p));
}

/* "name" and a number right behind it. */
static inline void field(struct line *l, const char *name, uint64_t v)
{
	str(l, name);
	number(l, v);
}

/* <name>number</name> */
static inline void element(struct line *l, const char *open, uint64_t v, const char *close)
{
	str(l, open);
	number(l, v);
	str(l, close);
}

static void hex(struct line *l, uint32_t v)
{
	char buf[8], *p = buf + sizeof(buf);

	do {
		*--p = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v > 0);
	str(l, "0x");
	add(l, p, (size_t)(buf + sizeof(buf) - p));
}

static void address_v4(struct line *l, const uint8_t *a)
{
	char buf[16], *p = buf + sizeof(buf);

	for (int i = 3; i >= 0; i--) {
		p = digits(p, a[i]);
		if (i > 0)
			*--p = '.';
	}
	add(l, p, (size_t)(buf + sizeof(buf) - p));
}

static void address(struct line *l, uint8_t l3, const void *a)
{
	char buf[INET6_ADDRSTRLEN];

	if (l3 == AF_INET)
		address_v4(l, a);
	else if (inet_ntop(AF_INET6, a, buf, sizeof(buf)))
		str(l, buf);
}

static struct line line_begin(char *buf, size_t cap)
{
	return (struct line){ .at = buf, .end = buf + cap - 1 };
}

static size_t line_end(struct line *l, const char *buf)
{
	*l->at = '\0';
	return (size_t)(l->at - buf);
}

void flow_print_address(uint8_t l3, const void *a, char buf[FLOW_ADDRESS_MAX])
{
	struct line l = line_begin(buf, FLOW_ADDRESS_MAX);

	address(&l, l3, a);
	line_end(&l, buf);
}

/* A name that came from a peer, without bytes on which a terminal would act. */
static void plain_name(struct line *l, const char *name, size_t max)
{
	for (size_t i = 0; i < max && name[i] != '\0'; i++)
		add(l, name[i] > ' ' && name[i] < 0x7f ? &name[i] : "?", 1);
}

static void xml_name(struct line *l, const char *name, size_t max)
{
	for (size_t i = 0; i < max && name[i] != '\0'; i++) {
		switch (name[i]) {
		case '<':
			str(l, "&lt;");
			break;
		case '>':
			str(l, "&gt;");
			break;
		case '&':
			str(l, "&amp;");
			break;
		default:
			plain_name(l, &name[i], 1);
		}
	}
}

/* One direction of a flow, for both formats. */
struct direction {
	const void *src, *dst;
	const struct flow_ports *ports;
	bool has_zone;
	uint16_t zone;
	size_t index; /* 0 original, 1 reply */
};

static struct direction original(const struct ct_flow *f)
{
	struct direction d = { .ports = &f->orig, .index = 0 };

	if (f->l3 == AF_INET) {
		d.src = &f->addr.v4.src;
		d.dst = &f->addr.v4.dst;
	} else {
		d.src = f->addr.v6.src;
		d.dst = f->addr.v6.dst;
	}
	if ((f->has & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_ORIG) {
		d.has_zone = true;
		d.zone = f->zone;
	}
	return d;
}

static struct direction reply(const struct ct_flow *f)
{
	struct direction d = { .ports = &f->reply, .index = 1 };

	if (f->l3 == AF_INET) {
		d.src = &f->addr.v4.reply_src;
		d.dst = &f->addr.v4.reply_dst;
	} else {
		d.src = f->addr.v6.reply_src;
		d.dst = f->addr.v6.reply_dst;
	}
	if ((f->has & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_REPLY) {
		d.has_zone = true;
		d.zone = f->zone;
	} else if ((f->has & FLOW_HAS_REPLY_ZONE) && f->rare) {
		d.has_zone = true;
		d.zone = f->rare->reply_zone;
	}
	return d;
}

static inline bool has_counters(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_COUNTERS) && f->rare;
}

static inline bool has_helper(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_HELPER) && f->rare && f->rare->helper[0] != '\0';
}

/* Has the flow one zone, in both directions? */
static inline bool has_zone(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_BOTH;
}

bool flow_lived_s(const struct ct_flow *f, const struct flow_print_opts *opts, bool xml,
		  uint64_t *seconds)
{
	const uint64_t second = 1000000000u;
	uint64_t start, stop;

	if (!(f->has & FLOW_HAS_TIMES) || !f->rare || f->rare->start_ns == 0)
		return false;
	if (f->rare->stop_ns == 0 && opts->now_s <= 0)
		return false;
	start = f->rare->start_ns;
	stop = f->rare->stop_ns ? f->rare->stop_ns : (uint64_t)opts->now_s * second;
	if (stop <= start)
		*seconds = 0;
	else
		*seconds = xml && f->rare->stop_ns ? (stop - start) / second :
						     stop / second - start / second;
	return true;
}

static const char *state_of(const struct ct_flow *f)
{
	return f->has & FLOW_HAS_PROTO_STATE ? flow_state_name(f->l4, f->proto_state) : NULL;
}

/* An unknown part reads as zero, as in the library. */
static struct flow_ports ports_of(const struct ct_flow *f, const struct direction *d)
{
	return f->has & FLOW_HAS_PORTS ? *d->ports : (struct flow_ports){ 0 };
}

static void text_ports(struct line *l, const struct ct_flow *f, const struct direction *d)
{
	struct flow_ports p = ports_of(f, d);

	switch (f->l4) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		field(l, "sport=", ntohs(p.sport));
		field(l, " dport=", ntohs(p.dport));
		str(l, " ");
		break;
	case IPPROTO_GRE:
		str(l, "srckey=");
		hex(l, ntohs(p.sport));
		str(l, " dstkey=");
		hex(l, ntohs(p.dport));
		str(l, " ");
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		field(l, "type=", flow_icmp_type(&p));
		field(l, " code=", flow_icmp_code(&p));
		field(l, " id=", ntohs(p.sport));
		str(l, " ");
		break;
	}
}

static void text_tuple(struct line *l, const struct ct_flow *f, const struct direction *d)
{
	str(l, "src=");
	address(l, f->l3, d->src);
	str(l, " dst=");
	address(l, f->l3, d->dst);
	str(l, " ");
	text_ports(l, f, d);
	if (d->has_zone) {
		field(l, d->index == 0 ? "zone-orig=" : "zone-reply=", d->zone);
		str(l, " ");
	}
	if (has_counters(f)) {
		field(l, "packets=", f->rare->packets[d->index]);
		field(l, " bytes=", f->rare->bytes[d->index]);
		str(l, " ");
	}
}

static void text_proto(struct line *l, const struct ct_flow *f, const struct flow_print_opts *opts)
{
	const char *name = flow_l4_name(f->l4), *state = state_of(f);
	size_t len = strlen(name);

	add(l, name, len);
	add(l, "        ", len < 8 ? 8 - len : 0);
	field(l, " ", f->l4);
	str(l, " ");
	if (opts->kernel_view && (f->has & FLOW_HAS_TIMEOUT)) {
		number(l, f->timeout_s);
		str(l, " ");
	}
	if (state) {
		str(l, state);
		str(l, " ");
	}
}

static void text_status(struct line *l, uint32_t status)
{
	if (status & STATUS_HW_OFFLOAD)
		str(l, "[HW_OFFLOAD] ");
	else if (status & STATUS_OFFLOAD)
		str(l, "[OFFLOAD] ");
	else if (status & IPS_ASSURED)
		str(l, "[ASSURED] ");
}

/* The attributes that follow the tuples, each with a space behind it. */
static void text_attributes(struct line *l, const struct ct_flow *f,
			    const struct flow_print_opts *opts)
{
	uint64_t delta;

	if (f->has & FLOW_HAS_STATUS)
		text_status(l, f->status);
	if (f->has & FLOW_HAS_MARK) {
		field(l, "mark=", f->mark);
		str(l, " ");
	}
	if (has_zone(f)) {
		field(l, "zone=", f->zone);
		str(l, " ");
	}
	if (flow_lived_s(f, opts, false, &delta)) {
		field(l, "delta-time=", delta);
		str(l, " ");
	}
	if (has_helper(f)) {
		str(l, "helper=");
		plain_name(l, f->rare->helper, FLOW_HELPER_MAX);
		str(l, " ");
	}
	if (opts->kernel_view && opts->use > 0) {
		field(l, "use=", opts->use);
		str(l, " ");
	}
	if (opts->expires_s >= 0) {
		field(l, "[expires in ", (uint64_t)opts->expires_s);
		str(l, "s] ");
	}
	if (opts->active_s >= 0) {
		field(l, "[active since ", (uint64_t)opts->active_s);
		str(l, "s] ");
	}
}

size_t flow_print_text(const struct ct_flow *f, const struct flow_print_opts *opts, char *buf,
		       size_t cap)
{
	struct line l = line_begin(buf, cap);
	struct direction orig = original(f), back = reply(f);

	text_proto(&l, f, opts);
	text_tuple(&l, f, &orig);
	if ((f->has & FLOW_HAS_STATUS) && !(f->status & IPS_SEEN_REPLY))
		str(&l, "[UNREPLIED] ");
	if (f->has & FLOW_HAS_REPLY)
		text_tuple(&l, f, &back);
	text_attributes(&l, f, opts);
	if (l.at > buf && l.at[-1] == ' ')
		l.at--;
	return line_end(&l, buf);
}

static void xml_layer4(struct line *l, const struct ct_flow *f, const struct direction *d)
{
	struct flow_ports p = ports_of(f, d);

	field(l, "<layer4 protonum=\"", f->l4);
	str(l, "\" protoname=\"");
	str(l, flow_l4_name(f->l4));
	str(l, "\">");
	switch (f->l4) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		element(l, "<sport>", ntohs(p.sport), "</sport>");
		element(l, "<dport>", ntohs(p.dport), "</dport>");
		break;
	case IPPROTO_GRE:
		str(l, "<srckey>");
		hex(l, ntohs(p.sport));
		str(l, "</srckey><dstkey>");
		hex(l, ntohs(p.dport));
		str(l, "</dstkey>");
		break;
	}
	str(l, "</layer4>");
}

static void xml_direction(struct line *l, const struct ct_flow *f, const struct direction *d)
{
	field(l, "<layer3 protonum=\"", f->l3);
	str(l, f->l3 == AF_INET ? "\" protoname=\"ipv4\"><src>" : "\" protoname=\"ipv6\"><src>");
	address(l, f->l3, d->src);
	str(l, "</src><dst>");
	address(l, f->l3, d->dst);
	str(l, "</dst></layer3>");
	xml_layer4(l, f, d);
	if (d->has_zone)
		element(l, "<zone>", d->zone, "</zone>");
	if (has_counters(f)) {
		element(l, "<counters><packets>", f->rare->packets[d->index], "</packets>");
		element(l, "<bytes>", f->rare->bytes[d->index], "</bytes></counters>");
	}
	str(l, "</meta>");
}

/* Elements that belong to neither direction. */
static void xml_independent(struct line *l, const struct ct_flow *f,
			    const struct flow_print_opts *opts)
{
	uint64_t delta;

	/* The library names every protocol's state as if it were TCP's here (an established SCTP
	 * flow reads FIN_WAIT). Whoever reads this XML has learned to live with that number; text
	 * and JSON have the right name. */
	if (f->has & FLOW_HAS_PROTO_STATE) {
		str(l, "<state>");
		str(l, flow_state_name(IPPROTO_TCP, f->proto_state));
		str(l, "</state>");
	}
	if (opts->kernel_view && (f->has & FLOW_HAS_TIMEOUT))
		element(l, "<timeout>", f->timeout_s, "</timeout>");
	if (f->has & FLOW_HAS_MARK)
		element(l, "<mark>", f->mark, "</mark>");
	if (has_zone(f))
		element(l, "<zone>", f->zone, "</zone>");
	if (opts->kernel_view && opts->use > 0)
		element(l, "<use>", opts->use, "</use>");
	if (f->has & FLOW_HAS_ID)
		element(l, "<id>", f->id, "</id>");
	if ((f->has & FLOW_HAS_STATUS) && (f->status & IPS_ASSURED))
		str(l, "<assured/>");
	if ((f->has & FLOW_HAS_STATUS) && !(f->status & IPS_SEEN_REPLY))
		str(l, "<unreplied/>");
	if (flow_lived_s(f, opts, true, &delta))
		element(l, "<deltatime>", delta, "</deltatime>");
}

size_t flow_print_xml(const struct ct_flow *f, const struct flow_print_opts *opts, char *buf,
		      size_t cap)
{
	static const char independent[] = "<meta direction=\"independent\">";
	struct line l = line_begin(buf, cap);
	struct direction orig = original(f), back = reply(f);
	char *start, *inside;

	str(&l, "<flow><meta direction=\"original\">");
	xml_direction(&l, f, &orig);
	str(&l, "<meta direction=\"reply\">");
	if (f->has & FLOW_HAS_REPLY)
		xml_direction(&l, f, &back);
	else
		str(&l,
		    "<layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst></layer3>"
		    "<layer4 protonum=\"0\" protoname=\"unknown\"></layer4></meta>");
	start = l.at;
	str(&l, independent);
	inside = l.at;
	xml_independent(&l, f, opts);
	/* The library writes an empty element when status or labels are known and have nothing to
	 * show. */
	if (l.at > inside || (f->has & (FLOW_HAS_STATUS | FLOW_HAS_LABELS)))
		str(&l, "</meta>");
	else
		l.at = start;
	if (has_helper(f)) {
		str(&l, "<helper>");
		xml_name(&l, f->rare->helper, FLOW_HELPER_MAX);
		str(&l, "</helper>");
	}
	str(&l, "</flow>");
	return line_end(&l, buf);
}
