/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * How the file has set each option so far. Options of links, helpers and policies are remembered
 * once per block of that kind, all others once.
 */
#include "conf/conf_ctx.h"

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

void conf_set_not_understood(struct conf_ctx *ctx)
{
	enum conf_section now = conf_section_now(ctx);

	if (CONF_IN(now) & CONF_IN_LINKS)
		ctx->link_state[ctx->cur_link].not_understood = true;
	if (!ctx->depth || ctx->frame[1].section == CONF_SYNC)
		ctx->sync_not_understood = true;
}
