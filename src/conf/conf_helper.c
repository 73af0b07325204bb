/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * The Helper section: which helpers exist, for which layer 4 protocols, and the policies they
 * bring. A Policy block changes only the values it names; for others the helper's own defaults
 * stay.
 */
#include "conf/conf_ctx.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "helper/helper_conf.h"

#define EXPECT_MAX_KERNEL 255
#define COUNT(a)	  (sizeof(a) / sizeof((a)[0]))

static const struct helper_type {
	const char *name;
	unsigned int over;
	uint32_t expect_max, expect_timeout_s; /* of its one policy, which has its name */
} helper_types[] = {
#define ROW(name, parser, over, private_len, max, timeout_s) { #name, over, max, timeout_s },
	HELPER_TABLE(ROW)
#undef ROW
};

static void unknown(struct conf_ctx *ctx, const struct conf_word *word, const char *near)
{
	struct text known = { 0 };
	char buf[CONF_QUOTED];

	for (size_t i = 0; i < COUNT(helper_types); i++) {
		unsigned int l4 = helper_types[i].over & (HELPER_TCP | HELPER_UDP);

		text_printf(&known, "%s%s %s", i ? ", " : "", helper_types[i].name,
			    l4 == HELPER_TCP ? "tcp" :
			    l4 == HELPER_UDP ? "udp" :
					       "tcp or udp");
	}
	conf_error(ctx, &word->at, "unknown helper \"%s\"%s%s%s\n\t(known: %s)",
		   conf_quote(word->text, buf), near ? ", did you mean \"" : "", near ? near : "",
		   near ? "\"?" : "", known.buf ? known.buf : "");
	text_free(&known);
}

static const struct helper_type *find_type(struct conf_ctx *ctx, const struct conf_word *word)
{
	const char *names[COUNT(helper_types)], *near;

	for (size_t i = 0; i < COUNT(helper_types); i++) {
		names[i] = helper_types[i].name;
		if (!strcmp(names[i], word->text))
			return &helper_types[i];
	}
	near = conf_nearest(word->text, names, COUNT(helper_types));
	if (!word->bad)
		unknown(ctx, word, near);
	return NULL;
}

static bool find_protos(struct conf_ctx *ctx, const struct conf_word *l3,
			const struct conf_word *l4, const struct helper_type *type,
			struct conf_helper *helper)
{
	char buf[CONF_QUOTED];
	bool v6 = !strcasecmp(l3->text, "inet6"), tcp = !strcasecmp(l4->text, "tcp");

	if (l3->bad || l4->bad)
		return false;
	if (!v6 && strcasecmp(l3->text, "inet")) {
		conf_error(ctx, &l3->at, "unknown layer 3 protocol \"%s\": use inet or inet6",
			   conf_quote(l3->text, buf));
		return false;
	}
	if (!tcp && strcasecmp(l4->text, "udp")) {
		conf_error(ctx, &l4->at, "unknown layer 4 protocol \"%s\": use tcp or udp",
			   conf_quote(l4->text, buf));
		return false;
	}
	if (!(type->over & (tcp ? HELPER_TCP : HELPER_UDP))) {
		conf_error(ctx, &l4->at, "helper %s does not exist for %s, only for %s", type->name,
			   tcp ? "tcp" : "udp", tcp ? "udp" : "tcp");
		return false;
	}
	helper->l3proto = v6 ? AF_INET6 : AF_INET;
	helper->l4proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	return true;
}

static struct conf_helper *add_helper(struct conf_ctx *ctx, const struct conf_helper *helper)
{
	struct conf_helpers *h = &ctx->conf.helper;
	struct conf_helper *list = reallocarray(h->list, h->n + 1, sizeof(*list));

	if (!list) {
		ctx->gave_up = true;
		return NULL;
	}
	h->list = list;
	list[h->n] = *helper;
	return &list[h->n++];
}

void conf_open_helper(struct conf_ctx *ctx, const struct conf_args *args,
		      const struct conf_place *at)
{
	const struct helper_type *type = NULL;
	struct conf_helper helper = { .line = at->line, .column = at->column };

	memset(ctx->scratch_seen, 0, sizeof(ctx->scratch_seen));
	ctx->extra_helper = helper;
	ctx->helper = &ctx->extra_helper;
	if (args->n < 3)
		conf_error(ctx, at, "Type needs three words: a helper, inet or inet6, tcp or udp");
	else
		type = find_type(ctx, &args->word[0]);
	if (!type || !find_protos(ctx, &args->word[1], &args->word[2], type, &helper))
		return;
	if (!(type->over & HELPER_V4) && helper.l3proto == AF_INET)
		conf_warn(ctx, at, "helper %s has nothing to do with inet: write inet6",
			  type->name);
	helper.name = type->name;
	helper.n_policies = 1;
	helper.policy[0].expect_max = type->expect_max;
	helper.policy[0].expect_timeout_s = type->expect_timeout_s;
	memcpy(helper.policy[0].name, type->name, strlen(type->name) + 1);
	ctx->helper = add_helper(ctx, &helper);
	if (!ctx->helper)
		ctx->helper = &ctx->extra_helper;
}

void conf_open_policy(struct conf_ctx *ctx, const struct conf_args *args,
		      const struct conf_place *at)
{
	const struct conf_helper *helper = ctx->helper;
	const char *name = args->n ? args->word->text : "";
	char buf[CONF_QUOTED];

	memset(ctx->scratch_seen, 0, sizeof(ctx->scratch_seen));
	ctx->policy = &ctx->extra_policy;
	if (!args->n) {
		conf_error(ctx, at, "Policy needs a name");
		return;
	}
	for (uint32_t i = 0; i < helper->n_policies; i++) {
		if (!strcmp(helper->policy[i].name, name)) {
			ctx->policy = &ctx->helper->policy[i];
			return;
		}
	}
	if (args->word->bad || !helper->name)
		return;
	if (strlen(name) > CONF_POLICY_NAME_LEN)
		conf_error(ctx, &args->word->at, "Policy \"%s\": names have at most %d bytes",
			   conf_quote(name, buf), CONF_POLICY_NAME_LEN);
	else
		conf_error(ctx, &args->word->at, "unknown policy \"%s\": helper %s has only \"%s\"",
			   conf_quote(name, buf), helper->name, helper->policy[0].name);
}

/* The kernel keeps the number of expectations in a byte, and an expectation with a timeout of 0
 * seconds expires at once. */
static void check_policy(struct conf_ctx *ctx, const struct conf_helper *helper,
			 const struct conf_place *at)
{
	const struct conf_helper_policy *p = &helper->policy[0];

	if (p->expect_max > EXPECT_MAX_KERNEL)
		conf_error(ctx, at,
			   "helper %s: the kernel takes an ExpectMax of %d at most, not %u",
			   helper->name, EXPECT_MAX_KERNEL, p->expect_max);
	if (p->expect_timeout_s == 0)
		conf_warn(ctx, at,
			  "helper %s: with ExpectTimeout 0 an expectation ends before its "
			  "connection can come",
			  helper->name);
}

/* The kernel has one queue for each helper name, layer 3 and layer 4 protocol. */
static void check_again(struct conf_ctx *ctx, const struct conf_helpers *h, size_t i,
			const struct conf_place *at)
{
	const struct conf_helper *a = &h->list[i];

	for (size_t k = 0; k < i; k++) {
		const struct conf_helper *b = &h->list[k];

		if (!strcmp(a->name, b->name) && a->l3proto == b->l3proto &&
		    a->l4proto == b->l4proto) {
			conf_error(ctx, at,
				   "helper %s for the same protocols stands in line %u already: "
				   "remove one of them",
				   a->name, b->line);
			return;
		}
	}
}

void conf_check_helpers(struct conf_ctx *ctx)
{
	struct conf_helpers *h = &ctx->conf.helper;
	uint32_t used[65536 / 32] = { 0 }; /* queue numbers in use, as bits */

	h->file = ctx->file;
	for (size_t i = 0; i < h->n; i++) {
		struct conf_place at = {
			.file = ctx->file,
			.line = h->list[i].line,
			.column = h->list[i].column,
		};
		uint32_t num = h->list[i].queue_num;

		if (used[num / 32] & 1u << (num % 32))
			conf_error(ctx, &at,
				   "helper %s: queue number %u is already taken by another helper; "
				   "set QueueNum",
				   h->list[i].name, num);
		used[num / 32] |= 1u << (num % 32);
		check_again(ctx, h, i, &at);
		check_policy(ctx, &h->list[i], &at);
	}
}
