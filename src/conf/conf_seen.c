/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * How the file has set each option so far. Options of links, helpers and policies are remembered
 * once per block of that kind, all others once.
 */
#include "conf/conf_ctx.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(((struct conf_ctx *)0)->seen) / sizeof(struct conf_seen) == CONF_OPTIONS_MAX,
	       "one per row");

static struct conf_seen *seen_array(struct conf_ctx *ctx, const struct conf_option *opt,
				    uint32_t link)
{
	switch (conf_option_scope(opt)) {
	case CONF_SCOPE_FILE:
		return ctx->seen;
	case CONF_SCOPE_LINK:
		return ctx->link_state[link].seen;
	case CONF_SCOPE_HELPER:
	case CONF_SCOPE_POLICY:
		return ctx->scratch_seen;
	}
	return ctx->seen;
}

struct conf_seen *conf_seen(struct conf_ctx *ctx, const struct conf_option *opt)
{
	return &seen_array(ctx, opt, ctx->cur_link)[opt - conf_options];
}

const struct conf_seen *conf_seen_in(struct conf_ctx *ctx, enum conf_section section,
				     const char *name, uint32_t nr)
{
	const struct conf_option *opt = conf_option_find(section, name);

	return &seen_array(ctx, opt, nr)[opt - conf_options];
}

void conf_seen_helper(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_place *at)
{
	bool of_policy = conf_option_scope(opt) == CONF_SCOPE_POLICY;
	struct conf_helper_seen *list;

	if (ctx->helper == &ctx->extra_helper || (of_policy && ctx->policy == &ctx->extra_policy))
		return;
	list = reallocarray(ctx->helper_seen, ctx->n_helper_seen + 1, sizeof(*list));
	if (!list) {
		ctx->gave_up = true;
		return;
	}
	ctx->helper_seen = list;
	list[ctx->n_helper_seen++] = (struct conf_helper_seen){
		.opt = opt,
		.helper = (size_t)(ctx->helper - ctx->conf.helper.list),
		.policy = of_policy ? (size_t)(ctx->policy - ctx->helper->policy) : 0,
		.at = *at,
	};
}

static const struct conf_place *helper_place(const struct conf_ctx *ctx,
					     const struct conf_option *opt, size_t helper,
					     size_t policy)
{
	for (size_t i = ctx->n_helper_seen; i-- > 0;) {
		const struct conf_helper_seen *s = &ctx->helper_seen[i];

		if (s->opt == opt && s->helper == helper && s->policy == policy)
			return &s->at;
	}
	return NULL;
}

const struct conf_place *conf_seen_place(const struct conf_ctx *ctx, const struct conf_option *opt,
					 uint32_t link, size_t helper, size_t policy)
{
	const struct conf_seen *seen = NULL;

	switch (conf_option_scope(opt)) {
	case CONF_SCOPE_FILE:
		seen = &ctx->seen[opt - conf_options];
		break;
	case CONF_SCOPE_LINK:
		seen = &ctx->link_state[link].seen[opt - conf_options];
		break;
	case CONF_SCOPE_HELPER:
	case CONF_SCOPE_POLICY:
		return helper_place(ctx, opt, helper, policy);
	}
	return seen && seen->given ? &seen->at : NULL;
}

bool conf_source_of(const struct conf_ctx *ctx, enum conf_section section, const char *name,
		    uint32_t link, struct conf_place *out)
{
	const struct conf_option *opt = conf_option_find(section, name);
	const struct conf_place *at = NULL;

	if (opt && opt->type == CONF_T_BLOCK && section == CONF_FILTER)
		at = !strcmp(name, "Protocol") ? &ctx->proto_at :
		     !strcmp(name, "Address")  ? &ctx->addr_at :
						 &ctx->state_at;
	else if (opt)
		at = conf_seen_place(ctx, opt, link, 0, 0);
	if (!at || !at->line)
		return false;
	*out = *at;
	return true;
}

void conf_set_not_understood(struct conf_ctx *ctx)
{
	enum conf_section now = conf_section_now(ctx);

	if (CONF_IN(now) & CONF_IN_LINKS)
		ctx->link_state[ctx->cur_link].not_understood = true;
	if (!ctx->depth || ctx->frame[1].section == CONF_SYNC)
		ctx->sync_not_understood = true;
}
