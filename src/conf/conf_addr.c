/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * Addresses and networks. Only numeric forms without a second reading: 1.4.x took octets with
 * leading zeros as octal numbers. A word that is no address is reported with what to write instead.
 * That is an error, unless 1.4.x skips the word and replicates nevertheless: where the form is
 * right and the value is not, in a network of a filter, or in this node's address on a UDP or TCP
 * link, which then receives on all addresses.
 */
#include "conf/conf_ctx.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How a fault is reported, conf_error() or conf_warn(), and what becomes of the value (a part of
 * the message). */
struct fault {
	void (*report)(struct conf_ctx *ctx, const struct conf_place *at, const char *fmt, ...);
	const char *then;
};

static const struct fault refused = { conf_error, "" },
			  left_out = { conf_warn, ". This one has no effect" };
static const struct fault any_address = { conf_warn, ". The link receives on all addresses" };

static bool is_v4(const struct conf_option *opt)
{
	return opt->type == CONF_T_IPV4 || opt->type == CONF_T_NET4;
}

static bool only_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* Four numbers with dots between them, whatever their values. */
static bool four_numbers(const char *text)
{
	unsigned int n = 0;

	for (const char *s = text; n < 4; s++) {
		size_t digits = strspn(s, "0123456789");

		s += digits;
		if (!digits || (*s && *s != '.'))
			return false;
		n++;
		if (!*s)
			return n == 4;
	}
	return false;
}

/* Why is text no IPv4 address? NULL: it is one. */
static const char *ipv4_fault(const char *text)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) == 1)
		return NULL;
	if (text[strspn(text, "0123456789.")])
		return "is not an IPv4 address: a numeric address is expected, no names";
	if (!four_numbers(text))
		return "is not an IPv4 address: four numbers are expected";
	for (const char *s = text; s; s = strchr(s, '.')) {
		s += *s == '.';
		if (s[0] == '0' && isdigit((unsigned char)s[1]))
			return "has a number with a leading zero, which older versions took as "
			       "octal: leave it out";
		if (strtoul(s, NULL, 10) > 255)
			return "is not an IPv4 address: its numbers must be at most 255";
	}
	return "is not an IPv4 address";
}

static const char *ipv6_fault(const char *text)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET6, text, &addr) == 1)
		return IN6_IS_ADDR_V4MAPPED(&addr) ?
			       "is an IPv4 address in IPv6 form: write it as IPv4 address" :
			       NULL;
	if (strchr(text, '%'))
		return "has a zone: leave it out, the interface is named by Interface";
	if (text[0] == '[')
		return "is written in brackets: leave them out";
	if (!strchr(text, ':'))
		return "is not an IPv6 address: a numeric address is expected, no names";
	return "is not an IPv6 address";
}

/* Is the text an address of the other family? Then the address is right, and the keyword is not. */
static bool other_family(const struct conf_option *opt, const char *text)
{
	return is_v4(opt) ? !ipv6_fault(text) : !ipv4_fault(text);
}

static void report_addr(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_word *word, const char *addr, const struct fault *fault)
{
	char buf[CONF_QUOTED];
	const char *q = conf_quote(word->text, buf);

	if (!other_family(opt, addr) && !(is_v4(opt) && four_numbers(addr)))
		fault = &refused;
	if (other_family(opt, addr))
		fault->report(ctx, &word->at, "%s: \"%s\" is an IPv%c address: use IPv%c%s%s",
			      opt->name, q, is_v4(opt) ? '6' : '4', is_v4(opt) ? '6' : '4',
			      opt->name + 4, fault->then);
	else
		fault->report(ctx, &word->at, "%s: \"%s\" %s%s", opt->name, q,
			      is_v4(opt) ? ipv4_fault(addr) : ipv6_fault(addr), fault->then);
}

static bool local_of_unicast(const struct conf_option *opt)
{
	return opt->sections & (CONF_IN(CONF_UDP) | CONF_IN(CONF_TCP)) &&
	       !strcmp(opt->name + 4, "_address");
}

bool conf_set_addr(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_word *word, void *to)
{
	const struct fault *fault = local_of_unicast(opt) ? &any_address : &refused;
	union channel_addr addr = { .v6 = IN6ADDR_ANY_INIT };
	char buf[CONF_QUOTED];

	if (strchr(word->text, '/') && word->kind == CONF_W_WORD) {
		if (!only_digits(strchr(word->text, '/') + 1))
			fault = &refused;
		fault->report(ctx, &word->at,
			      "%s: \"%s\": no prefix length here, only an address%s", opt->name,
			      conf_quote(word->text, buf), fault->then);
		return false;
	}
	if (is_v4(opt) ? ipv4_fault(word->text) != NULL : ipv6_fault(word->text) != NULL) {
		report_addr(ctx, opt, word, word->text, fault);
		return false;
	}
	inet_pton(is_v4(opt) ? AF_INET : AF_INET6, word->text, &addr);
	*(union channel_addr *)to = addr;
	return true;
}

static void mask_addr(struct filter_net *net)
{
	uint8_t *byte = (uint8_t *)&net->addr;
	size_t len = net->family == AF_INET ? 4 : 16;

	for (size_t i = 0; i < len; i++) {
		unsigned int bits = net->prefix > i * 8 ? net->prefix - (unsigned int)i * 8 : 0;

		byte[i] &= bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
	}
}

/* The length of a netmask with only leading ones, or -1. */
static int mask_len(const char *text)
{
	struct in_addr mask;
	uint32_t bits;

	if (inet_pton(AF_INET, text, &mask) != 1)
		return -1;
	bits = ntohl(mask.s_addr);
	if (bits & (~bits >> 1))
		return -1;
	return __builtin_popcount(bits);
}

static bool parse_prefix(struct conf_ctx *ctx, const struct conf_option *opt,
			 const struct conf_word *word, const char *prefix,
			 const struct fault *fault, uint8_t *len)
{
	unsigned long max = is_v4(opt) ? 32 : 128;
	char buf[CONF_QUOTED];
	size_t digits = strspn(prefix, "0123456789");

	if (is_v4(opt) && mask_len(prefix) >= 0) {
		conf_error(ctx, &word->at, "%s: \"%s\": write the length of the mask, %.*s/%d",
			   opt->name, conf_quote(word->text, buf), (int)strcspn(word->text, "/"),
			   word->text, mask_len(prefix));
		return false;
	}
	if (!digits || prefix[digits] || digits > 3 || strtoul(prefix, NULL, 10) > max) {
		if (!only_digits(prefix))
			fault = &refused;
		fault->report(ctx, &word->at,
			      "%s: \"%s\": the prefix length must be a number from 0 to %lu%s",
			      opt->name, conf_quote(word->text, buf), max, fault->then);
		return false;
	}
	*len = (uint8_t)strtoul(prefix, NULL, 10);
	return true;
}

static bool add_net(struct conf_ctx *ctx, const struct filter_net *net)
{
	struct filter_conf *f = &ctx->conf.filter;

	if (f->n_nets == ctx->nets_cap) {
		size_t cap = ctx->nets_cap ? ctx->nets_cap * 2 : 16;
		struct filter_net *nets = reallocarray(f->nets, cap, sizeof(*nets));

		if (!nets) {
			ctx->gave_up = true;
			return false;
		}
		f->nets = nets;
		ctx->nets_cap = cap;
	}
	f->nets[f->n_nets++] = *net;
	return true;
}

/* An address, or a network with the length of its prefix, of the option's family. False:
 * reported. */
static bool parse_net(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_word *word, const struct fault *fault,
		      struct filter_net *out)
{
	struct filter_net net = { .family = is_v4(opt) ? AF_INET : AF_INET6,
				  .prefix = is_v4(opt) ? 32 : 128 };
	const char *slash = strchr(word->text, '/');
	char addr[64];
	size_t len = slash ? (size_t)(slash - word->text) : strlen(word->text);

	if (len >= sizeof(addr)) {
		report_addr(ctx, opt, word, word->text, fault);
		return false;
	}
	memcpy(addr, word->text, len);
	addr[len] = '\0';
	if (is_v4(opt) ? ipv4_fault(addr) != NULL : ipv6_fault(addr) != NULL) {
		report_addr(ctx, opt, word, addr, fault);
		return false;
	}
	if (slash && !parse_prefix(ctx, opt, word, slash + 1, fault, &net.prefix))
		return false;
	inet_pton(net.family, addr, &net.addr);
	mask_addr(&net);
	*out = net;
	return true;
}

bool conf_set_net(struct conf_ctx *ctx, const struct conf_option *opt, const struct conf_word *word)
{
	struct filter_net net;

	return parse_net(ctx, opt, word, &left_out, &net) && add_net(ctx, &net);
}

bool conf_set_peer(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_word *word, void *to)
{
	struct channel_conf *ch = &ctx->conf.channel;
	struct conf_option of_family = *opt;
	struct channel_accept *peer;
	struct filter_net net;

	(void)to;
	of_family.type = strchr(word->text, ':') ? CONF_T_NET6 : CONF_T_NET4;
	if (!parse_net(ctx, &of_family, word, &refused, &net))
		return false;
	if (ch->n_accept == CHANNEL_ACCEPT_MAX) {
		conf_error(ctx, &word->at, "%s: at most %d are possible; a network counts as one",
			   opt->name, CHANNEL_ACCEPT_MAX);
		return false;
	}
	peer = &ch->accept[ch->n_accept++];
	*peer = (struct channel_accept){ .family = net.family, .prefix = net.prefix };
	memcpy(&peer->addr, &net.addr,
	       net.family == AF_INET ? sizeof(peer->addr.v4) : sizeof(peer->addr.v6));
	return true;
}
