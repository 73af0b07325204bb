/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the language has but this version does not do yet. It is refused, never ignored: a firewall that silently
 * lacks what its file asks for is worse than one that says so. When something gets built its row goes; when the table
 * is empty this file goes.
 */
#include "conf/conf_ctx.h"

struct unbuilt {
	bool (*wanted)(const struct conf *conf);
	/* the option whose place is reported; NULL: `place` */
	const char *option;
	enum conf_section section;
	struct conf_place (*place)(const struct conf_ctx *ctx);
	const char *text;
};

static bool helpers(const struct conf *c) { return c->helper.present; }

static struct conf_place at_helper(const struct conf_ctx *ctx) { return ctx->helper_at; }

static const struct unbuilt unbuilt[] = {
	{ helpers, .place = at_helper, .text = "section Helper" },
};

void conf_check_built(struct conf_ctx *ctx)
{
	for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++) {
		const struct unbuilt *u = &unbuilt[i];
		struct conf_place at;

		if (!u->wanted(&ctx->conf))
			continue;
		at = u->place ? u->place(ctx) : conf_seen_in(ctx, u->section, u->option, 0)->at;
		conf_error(ctx, &at, "%s is not supported by this version yet", u->text);
	}
}
