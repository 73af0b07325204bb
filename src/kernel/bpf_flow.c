/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Filter block as a section of the socket filter (From Kernelspace): the verdict of
 * flow/filter.c on the attributes of the message, so that an event nobody wants costs neither
 * buffer nor wake-up.
 *
 * The meaning is that of user space: original source or reply source (1.4.x compares original
 * source and destination in the kernel and original and reply source in user space, so that moving
 * a filter changes it). The end of a flow always passes: the cache knows whether it had it.
 *
 * Layout of the section. Each set decides to drop, or falls through to the next; all jumps are
 * forward.
 *
 *	not a NEW/UPDATE of a flow?  -> end
 *	Protocol                     listed / not listed -> drop, or on
 *	State                        the same, for messages that have a TCP state
 *	Address                      for original, then reply tuple: any network matches -> listed
 *	end
 *
 * The extension that walks netlink attributes gives the offset of an attribute in A (0: not there)
 * for the start offset in A and the type in X. Source: linux/filter.h, SKF_AD_NLATTR and
 * SKF_AD_NLATTR_NEST. */
#include <arpa/inet.h>
#include <assert.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "flow/filter_conf.h"
#include "kernel/bpf_filter.h"

#define ATTRS	  (NLMSG_HDRLEN + sizeof(struct nfgenmsg)) /* where the attributes begin */
#define MSG_NEW	  ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW)
#define JUMPS_MAX 256 /* one per listed protocol */

/* Jumps whose target is not known yet. An unconditional one takes any distance, a conditional one
 * 255. */
struct jumps {
	size_t at[JUMPS_MAX];
	size_t n;
};

static void load(struct bpf_filter *b, uint16_t mode, uint32_t k)
{
	bpf_filter_emit(b, (uint16_t)(BPF_LD | mode), k, 0, 0);
}

static void ret(struct bpf_filter *b, uint32_t verdict)
{
	bpf_filter_emit(b, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Go to a place that land() fixes later. */
static void jump(struct bpf_filter *b, struct jumps *j)
{
	assert(j->n < JUMPS_MAX);
	j->at[j->n++] = b->len;
	bpf_filter_emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct bpf_filter *b, struct jumps *j)
{
	for (size_t i = 0; i < j->n && !b->full; i++)
		b->code[j->at[i]].k = (uint32_t)(b->len - j->at[i] - 1);
	j->n = 0;
}

/* A = offset of the attribute of this type: at the top level, or inside the one whose offset is in
 * A. */
static void find(struct bpf_filter *b, bool nested, uint32_t type)
{
	if (!nested)
		load(b, BPF_IMM, ATTRS);
	bpf_filter_emit(b, BPF_LDX | BPF_IMM, type, 0, 0);
	load(b, BPF_W | BPF_ABS,
	     (uint32_t)SKF_AD_OFF + (nested ? SKF_AD_NLATTR_NEST : SKF_AD_NLATTR));
}

/* find(), and go to `missing` if it is not there. */
static void need(struct bpf_filter *b, bool nested, uint32_t type, struct jumps *missing)
{
	find(b, nested, type);
	bpf_filter_emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	jump(b, missing);
}

/* A = first byte of the value of the attribute whose offset is in A. */
static void load_byte(struct bpf_filter *b)
{
	bpf_filter_emit(b, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(b, BPF_B | BPF_IND, NLA_HDRLEN);
}

/* A is one of the values that the n bits list, or not: drop, or fall through. */
static void decide_by_list(struct bpf_filter *b, const uint32_t *bits, unsigned int n,
			   enum filter_policy policy)
{
	struct jumps on = { .n = 0 };

	for (unsigned int i = 0; i < n; i++) {
		if (!(bits[i / 32] >> (i % 32) & 1))
			continue;
		bpf_filter_emit(b, BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1);
		if (policy == FILTER_IGNORE)
			ret(b, BPF_VERDICT_DROP);
		else
			jump(b, &on);
	}
	if (policy == FILTER_ACCEPT)
		ret(b, BPF_VERDICT_DROP);
	land(b, &on);
}

static void protocol(struct bpf_filter *b, const struct filter_conf *conf)
{
	struct jumps missing = { .n = 0 };

	if (conf->proto_policy == FILTER_NONE)
		return;
	need(b, false, CTA_TUPLE_ORIG, &missing);
	need(b, true, CTA_TUPLE_PROTO, &missing);
	need(b, true, CTA_PROTO_NUM, &missing);
	load_byte(b);
	decide_by_list(b, conf->proto, 256, conf->proto_policy);
	land(b, &missing);
}

/* Only TCP has the attribute, so other protocols pass. */
static void state(struct bpf_filter *b, const struct filter_conf *conf)
{
	struct jumps missing = { .n = 0 };

	if (conf->state_policy == FILTER_NONE)
		return;
	need(b, false, CTA_PROTOINFO, &missing);
	need(b, true, CTA_PROTOINFO_TCP, &missing);
	need(b, true, CTA_PROTOINFO_TCP_STATE, &missing);
	load_byte(b);
	decide_by_list(b, &conf->tcp_states, 32, conf->state_policy);
	land(b, &missing);
}

/* X = offset of an address attribute: does the network hold it? Then the verdict, else on. Word by
 * word; at most four words of three instructions have to be skipped. */
static void match_net(struct bpf_filter *b, const struct filter_net *net, uint32_t verdict)
{
	const uint8_t *addr = (const uint8_t *)&net->addr;
	unsigned int words = (net->prefix + 31u) / 32;
	size_t differs[4];

	for (unsigned int w = 0; w < words; w++) {
		unsigned int bits = net->prefix - 32 * w < 32 ? net->prefix - 32 * w : 32;
		uint32_t mask = bits == 32 ? UINT32_MAX : ~(UINT32_MAX >> bits), value;

		memcpy(&value, addr + 4 * w, sizeof(value));
		load(b, BPF_W | BPF_IND, NLA_HDRLEN + 4 * w);
		if (bits < 32)
			bpf_filter_emit(b, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
		differs[w] = b->len;
		bpf_filter_emit(b, BPF_JMP | BPF_JEQ | BPF_K, ntohl(value) & mask, 0, 0);
	}
	ret(b, verdict);
	for (unsigned int w = 0; w < words && !b->full; w++)
		b->code[differs[w]].jf = (uint8_t)(b->len - differs[w] - 1);
}

/* The source address of one tuple, in one family; on when it is not there, or in none of the
 * networks. */
static void address_source(struct bpf_filter *b, const struct filter_conf *conf, uint32_t tuple,
			   uint8_t family, uint32_t verdict)
{
	struct jumps missing = { .n = 0 };

	need(b, false, tuple, &missing);
	need(b, true, CTA_TUPLE_IP, &missing);
	need(b, true, family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, &missing);
	bpf_filter_emit(b, BPF_MISC | BPF_TAX, 0, 0, 0);
	for (size_t i = 0; i < conf->n_nets; i++)
		if (conf->nets[i].family == family)
			match_net(b, &conf->nets[i], verdict);
	land(b, &missing);
}

/* The last set: what is listed ends here. */
static void address(struct bpf_filter *b, const struct filter_conf *conf)
{
	static const uint32_t tuples[] = { CTA_TUPLE_ORIG, CTA_TUPLE_REPLY };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	uint32_t listed = conf->addr_policy == FILTER_ACCEPT ? BPF_VERDICT_PASS : BPF_VERDICT_DROP;

	if (conf->addr_policy == FILTER_NONE)
		return;
	for (size_t t = 0; t < 2; t++)
		for (size_t f = 0; f < 2; f++)
			address_source(b, conf, tuples[t], families[f], listed);
	if (conf->addr_policy == FILTER_ACCEPT)
		ret(b, BPF_VERDICT_DROP);
}

void bpf_filter_flow(struct bpf_filter *b, const struct filter_conf *conf)
{
	struct jumps end = { .n = 0 };

	/* The type is in host order, the load swaps. */
	load(b, BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type));
	bpf_filter_emit(b, BPF_JMP | BPF_JEQ | BPF_K, htons(MSG_NEW), 1, 0);
	jump(b, &end);
	protocol(b, conf);
	state(b, conf);
	address(b, conf);
	land(b, &end);
}
