/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow as a compact record on the control socket: the daemon writes records, the client turns
 * them into text.
 *
 * Both run on the same machine, so numbers are in host order and addresses, ports and the like as
 * they are in memory; the socket protocol and the first byte say which layout it is. Layout: the
 * fixed part in the order of pack_fixed(), the addresses of the family, then the rare parts that
 * are present, in the order of pack_rare(). Reading is as suspicious as for a peer: a client must
 * not crash because some other process listens on the socket.
 */
#include "flow/flow_print.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"

#define RECORD_FIXED (4 + 4 * 4 + 2 + 2 + 4 + 4 + 4 + 3 * 8 + 4)
#define RECORD_RARE \
	(24 + FLOW_HELPER_MAX + FLOW_LABEL_BYTES + 1 + 12 + 8 + 1 + 32 + 4 + 32 + 16 + 1 + 2)
_Static_assert(RECORD_FIXED + 64 + RECORD_RARE <= FLOW_RECORD_MAX, "a record with everything fits");

/* fixed.flags */
#define RECORD_KERNEL_VIEW 1u

static void put16(struct writer *w, uint16_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

static void put32(struct writer *w, uint32_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

static void put64(struct writer *w, uint64_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

static uint16_t get16(struct cursor *c)
{
	uint16_t v;

	cur_bytes(c, &v, sizeof(v));
	return v;
}

static uint32_t get32(struct cursor *c)
{
	uint32_t v;

	cur_bytes(c, &v, sizeof(v));
	return v;
}

static uint64_t get64(struct cursor *c)
{
	uint64_t v;

	cur_bytes(c, &v, sizeof(v));
	return v;
}

static void pack_fixed(struct writer *w, const struct ct_flow *f, uint32_t has,
		       const struct flow_print_opts *opts)
{
	static const struct flow_ports none;

	wr_u8(w, FLOW_RECORD_VERSION);
	wr_u8(w, opts->kernel_view ? RECORD_KERNEL_VIEW : 0);
	wr_u8(w, f->l3);
	wr_u8(w, f->l4);
	put32(w, has);
	/* A part that is not present has undefined contents: zero is written. */
	put32(w, has & FLOW_HAS_STATUS ? f->status : 0);
	put32(w, has & FLOW_HAS_TIMEOUT ? f->timeout_s : 0);
	put32(w, has & FLOW_HAS_MARK ? f->mark : 0);
	put32(w, has & FLOW_HAS_ID ? f->id : 0);
	put16(w, has & FLOW_HAS_ZONE ? f->zone : 0);
	wr_u8(w, has & FLOW_HAS_ZONE ? f->zone_dir : 0);
	wr_u8(w, has & FLOW_HAS_PROTO_STATE ? f->proto_state : 0);
	wr_bytes(w, has & FLOW_HAS_PORTS ? &f->orig : &none, 4);
	wr_bytes(w, has & FLOW_HAS_PORTS ? &f->reply : &none, 4);
	wr_u8(w, has & FLOW_HAS_WSCALE ? f->wscale[0] : 0);
	wr_u8(w, has & FLOW_HAS_WSCALE ? f->wscale[1] : 0);
	put64(w, (uint64_t)opts->active_s);
	put64(w, (uint64_t)opts->expires_s);
	put64(w, (uint64_t)opts->now_s);
	put32(w, opts->use);
}

static void pack_rare(struct writer *w, const struct flow_rare *r, uint32_t has)
{
	if (has & FLOW_HAS_SEQADJ)
		wr_bytes(w, r->adj, sizeof(r->adj));
	if (has & FLOW_HAS_HELPER)
		wr_bytes(w, r->helper, sizeof(r->helper));
	if (has & FLOW_HAS_LABELS)
		wr_bytes(w, r->labels, sizeof(r->labels));
	if (has & FLOW_HAS_VTAGS)
		wr_bytes(w, r->vtag, sizeof(r->vtag));
	if (has & FLOW_HAS_MASTER) {
		wr_u8(w, r->master_l4);
		wr_bytes(w, &r->master_src, sizeof(r->master_src));
		wr_bytes(w, &r->master_dst, sizeof(r->master_dst));
	}
	if (has & FLOW_HAS_MASTER_PORTS) {
		wr_bytes(w, &r->master_sport, 2);
		wr_bytes(w, &r->master_dport, 2);
	}
	if (has & FLOW_HAS_COUNTERS) {
		wr_bytes(w, r->packets, sizeof(r->packets));
		wr_bytes(w, r->bytes, sizeof(r->bytes));
	}
	if (has & FLOW_HAS_TIMES) {
		put64(w, r->start_ns);
		put64(w, r->stop_ns);
	}
	if (has & FLOW_HAS_DCCP_ROLE)
		wr_u8(w, r->dccp_role);
	if (has & FLOW_HAS_REPLY_ZONE)
		put16(w, r->reply_zone);
}

size_t flow_record_pack(const struct ct_flow *f, const struct flow_print_opts *opts, uint8_t *out)
{
	struct writer w = wr_init(out, FLOW_RECORD_MAX);
	uint32_t has = f->rare ? f->has : f->has & ~FLOW_RARE_PARTS;
	bool synproxy_set = (has & FLOW_HAS_SYNPROXY) && f->rare && f->rare->synproxy_set;

	pack_fixed(&w, f, has, opts);
	wr_bytes(&w, &f->addr, f->l3 == AF_INET ? 16 : 64);
	if (has & FLOW_HAS_SYNPROXY)
		wr_u8(&w, synproxy_set);
	if (synproxy_set)
		wr_bytes(&w, f->rare->synproxy, sizeof(f->rare->synproxy));
	if (has & FLOW_RARE_PARTS)
		pack_rare(&w, f->rare, has);
	return w.len;
}

/* False: a value that the daemon never writes. */
static bool unpack_fixed(struct cursor *c, struct ct_flow *f, struct flow_print_opts *opts)
{
	uint8_t version = cur_u8(c), flags = cur_u8(c);

	f->l3 = cur_u8(c);
	f->l4 = cur_u8(c);
	f->has = get32(c);
	f->status = get32(c);
	f->timeout_s = get32(c);
	f->mark = get32(c);
	f->id = get32(c);
	f->zone = get16(c);
	f->zone_dir = cur_u8(c);
	f->proto_state = cur_u8(c);
	cur_bytes(c, &f->orig, 4);
	cur_bytes(c, &f->reply, 4);
	cur_bytes(c, f->wscale, 2);
	opts->active_s = (int64_t)get64(c);
	opts->expires_s = (int64_t)get64(c);
	opts->now_s = (int64_t)get64(c);
	opts->use = get32(c);
	opts->kernel_view = flags & RECORD_KERNEL_VIEW;
	return version == FLOW_RECORD_VERSION && !(flags & ~RECORD_KERNEL_VIEW) &&
	       !(f->has & ~FLOW_HAS_ALL) && (f->l3 == AF_INET || f->l3 == AF_INET6) &&
	       f->zone_dir <= FLOW_ZONE_REPLY;
}

static bool unpack_rare(struct cursor *c, struct flow_rare *r, uint32_t has)
{
	if (has & FLOW_HAS_SEQADJ)
		cur_bytes(c, r->adj, sizeof(r->adj));
	if (has & FLOW_HAS_HELPER)
		cur_bytes(c, r->helper, sizeof(r->helper));
	if (has & FLOW_HAS_LABELS)
		cur_bytes(c, r->labels, sizeof(r->labels));
	if (has & FLOW_HAS_VTAGS)
		cur_bytes(c, r->vtag, sizeof(r->vtag));
	if (has & FLOW_HAS_MASTER) {
		r->master_l4 = cur_u8(c);
		cur_bytes(c, &r->master_src, sizeof(r->master_src));
		cur_bytes(c, &r->master_dst, sizeof(r->master_dst));
	}
	if (has & FLOW_HAS_MASTER_PORTS) {
		cur_bytes(c, &r->master_sport, 2);
		cur_bytes(c, &r->master_dport, 2);
	}
	if (has & FLOW_HAS_COUNTERS) {
		cur_bytes(c, r->packets, sizeof(r->packets));
		cur_bytes(c, r->bytes, sizeof(r->bytes));
	}
	if (has & FLOW_HAS_TIMES) {
		r->start_ns = get64(c);
		r->stop_ns = get64(c);
	}
	if (has & FLOW_HAS_DCCP_ROLE)
		r->dccp_role = cur_u8(c);
	if (has & FLOW_HAS_REPLY_ZONE)
		r->reply_zone = get16(c);
	return !(has & FLOW_HAS_HELPER) || memchr(r->helper, '\0', sizeof(r->helper)) != NULL;
}

int flow_record_unpack(const uint8_t *bytes, size_t n, struct ct_flow *f, struct flow_rare *rare,
		       struct flow_print_opts *opts)
{
	struct cursor c = cur_init(bytes, n);
	uint8_t synproxy_set = 0;

	*f = (struct ct_flow){ 0 };
	*rare = (struct flow_rare){ 0 };
	if (!unpack_fixed(&c, f, opts))
		return -EINVAL;
	cur_bytes(&c, &f->addr, f->l3 == AF_INET ? 16 : 64);
	if (f->has & FLOW_HAS_SYNPROXY)
		synproxy_set = cur_u8(&c);
	if (synproxy_set > 1)
		return -EINVAL;
	if (synproxy_set)
		cur_bytes(&c, rare->synproxy, sizeof(rare->synproxy));
	rare->synproxy_set = synproxy_set;
	if (!unpack_rare(&c, rare, f->has) || c.bad || c.left > 0)
		return -EINVAL;
	f->rare = (f->has & FLOW_RARE_PARTS) || synproxy_set ? rare : NULL;
	return 0;
}
