/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * A word that is no keyword where it stands: say what is wrong with it, and what was probably
 * meant. If that is clear (wrong case, a slip of the fingers) reading goes on as if the word had
 * been written right, so that the user gets one error for one slip.
 */
#include "conf/conf_ctx.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* "HashSize, HashLimit, ..." of a section. */
static void add_accepted(struct text *t, enum conf_section section)
{
	const char *sep = "";

	for (size_t i = 0; i < conf_n_options; i++) {
		if (!(conf_options[i].sections & CONF_IN(section)) ||
		    conf_options[i].use != CONF_CURRENT)
			continue;
		text_printf(t, "%s%s", sep, conf_options[i].name);
		sep = ", ";
	}
}

/* The sections a keyword belongs to: "Mode FTFW, Mode NOTRACK". */
static void add_homes(struct text *t, const char *name)
{
	const char *sep = "";

	for (int s = 0; s < CONF_SECTIONS; s++) {
		const struct conf_option *opt = conf_option_find((enum conf_section)s, name);

		/* the timers are accepted in Sync, but Sync is not recommended for them */
		if (!opt || (s == CONF_SYNC && opt->sections & CONF_IN_MODES))
			continue;
		text_printf(t, "%s%s", sep, conf_section_title((enum conf_section)s));
		sep = ", ";
	}
}

static bool acceptable(const struct conf_option *opt, enum conf_section section)
{
	return opt->sections & CONF_IN(section) && opt->use == CONF_CURRENT;
}

static const struct conf_option *same_but_case(enum conf_section section, const char *text)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		if (conf_options[i].sections & CONF_IN(section) &&
		    !strcasecmp(conf_options[i].name, text))
			return &conf_options[i];
	}
	return NULL;
}

/* The nearest option in the section, or anywhere if it is CONF_SECTIONS. */
static const struct conf_option *nearest_option(enum conf_section section, const char *text)
{
	const char *names[CONF_OPTIONS_MAX] = { 0 };
	const char *found;

	for (size_t i = 0; i < conf_n_options; i++) {
		if (section == CONF_SECTIONS ? conf_options[i].use == CONF_CURRENT :
					       acceptable(&conf_options[i], section))
			names[i] = conf_options[i].name;
	}
	found = conf_nearest(text, names, conf_n_options);
	for (size_t i = 0; found && i < conf_n_options; i++) {
		if (names[i] == found)
			return &conf_options[i];
	}
	return NULL;
}

/* Words that are no misspelt keyword: comments of other languages, addresses, paths, numbers. */
static bool report_special(struct conf_ctx *ctx, const struct conf_word *word,
			   enum conf_section section)
{
	char buf[CONF_QUOTED];
	const char *q = conf_quote(word->text, buf);

	if (!strncmp(word->text, "//", 2) || !strncmp(word->text, "/*", 2)) {
		conf_error(ctx, &word->at, "comments start with \"#\", not with \"%.2s\"",
			   word->text);
		return true;
	}
	if (section == CONF_FILTER_ADDR &&
	    (isdigit((unsigned char)word->text[0]) || strchr(word->text, ':'))) {
		conf_error(ctx, &word->at, "\"%s\": write %s %s", q,
			   strchr(word->text, ':') ? "IPv6_address" : "IPv4_address", q);
		return true;
	}
	if (word->kind == CONF_W_PATH || isdigit((unsigned char)word->text[0])) {
		struct text t = { 0 };

		add_accepted(&t, section);
		conf_error(ctx, &word->at,
			   "unexpected \"%s\" in %s: a keyword is expected\n\t(accepted here: %s)",
			   q, conf_section_title(section), t.buf ? t.buf : "");
		text_free(&t);
		return true;
	}
	return false;
}

/* A keyword, but not here. */
static bool report_misplaced(struct conf_ctx *ctx, const struct conf_word *word,
			     enum conf_section section, const char *name)
{
	char buf[CONF_QUOTED];
	struct text t = { 0 };

	add_homes(&t, name);
	if (!t.buf)
		return false;
	if (CONF_IN(section) & CONF_IN_MODES)
		conf_error(ctx, &word->at, "\"%s\" is not available in %s (only in: %s)",
			   conf_quote(word->text, buf), conf_section_title(section), t.buf);
	else
		conf_error(ctx, &word->at, "\"%s\" does not belong to %s (only to: %s)",
			   conf_quote(word->text, buf), conf_section_title(section), t.buf);
	text_free(&t);
	return true;
}

static const char *home_name(const char *name)
{
	const struct conf_option *opt;

	for (int s = 0; s < CONF_SECTIONS; s++) {
		opt = same_but_case((enum conf_section)s, name);
		if (opt)
			return opt->name;
	}
	return NULL;
}

const struct conf_option *conf_report_unknown(struct conf_ctx *ctx, const struct conf_word *word)
{
	enum conf_section section = conf_section_now(ctx);
	const struct conf_option *opt = same_but_case(section, word->text), *far;
	char buf[CONF_QUOTED];
	struct text t = { 0 };

	if (opt) {
		conf_error(ctx, &word->at,
			   "unknown keyword \"%s\": keywords are case-sensitive, write %s",
			   conf_quote(word->text, buf), opt->name);
		return opt;
	}
	if (report_special(ctx, word, section))
		return NULL;
	if (home_name(word->text) && report_misplaced(ctx, word, section, home_name(word->text)))
		return NULL;
	opt = nearest_option(section, word->text);
	far = opt ? NULL : nearest_option(CONF_SECTIONS, word->text);
	text_printf(&t, "unknown keyword \"%s\" in %s\n\t", conf_quote(word->text, buf),
		    conf_section_title(section));
	if (opt)
		text_printf(&t, "did you mean \"%s\"? ", opt->name);
	if (far) {
		text_printf(&t, "did you mean \"%s\" (in ", far->name);
		add_homes(&t, far->name);
		text_str(&t, ")? ");
	}
	text_str(&t, "(accepted here: ");
	add_accepted(&t, section);
	text_str(&t, ")");
	conf_error(ctx, &word->at, "%s", t.buf ? t.buf : "unknown keyword");
	text_free(&t);
	return opt;
}
