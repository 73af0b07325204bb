/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * The configuration as understood, in the language itself: every option with its value, defaults
 * included, today's names, one line each. Reading the output gives the same configuration again;
 * tests check that. Options that are not set and have no default value are left out.
 */
#include "conf/conf_ctx.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct printer {
	FILE *to;
	unsigned int indent;
	bool explain;
	const struct conf_ctx *source; /* explain: where the values come from; NULL: nowhere */
	/* explain: whose value is being printed; NULL: no option's */
	const struct conf_option *opt;
	uint32_t link;
	size_t helper, policy;
};

/* A filter's set has its place at its brace. */
static void origin(const struct printer *p)
{
	const struct conf_place *at = NULL;

	if (p->source)
		at = conf_seen_place(p->source, p->opt, p->link, p->helper, p->policy);
	if (at)
		fprintf(p->to, "\t# %s:%u", at->file, at->line);
	else
		fputs("\t# default", p->to);
}

__attribute__((format(printf, 2, 3))) static void line(struct printer *p, const char *fmt, ...)
{
	va_list args;

	for (unsigned int i = 0; i < p->indent; i++)
		fputc('\t', p->to);
	va_start(args, fmt);
	vfprintf(p->to, fmt, args);
	va_end(args);
	if (p->explain && p->opt)
		origin(p);
	fputc('\n', p->to);
}

static void close_brace(struct printer *p)
{
	p->indent--;
	line(p, "}");
}

static void print_addr(struct printer *p, const struct conf_option *opt, const void *at,
		       const struct channel_link_conf *link)
{
	static const struct in6_addr zero;
	int family = opt->type == CONF_T_IPV4 ? AF_INET : AF_INET6;
	char buf[INET6_ADDRSTRLEN];

	if (!link || link->family != family || !memcmp(at, &zero, family == AF_INET ? 4 : 16))
		return;
	line(p, "%s %s", opt->name, inet_ntop(family, at, buf, sizeof(buf)));
}

static void print_expect(struct printer *p, const struct conf_option *opt,
			 const struct sync_expect_conf *expect)
{
	if (!expect->on || !expect->n_names) {
		line(p, "%s %s", opt->name, expect->on ? "on" : "off");
		return;
	}
	line(p, "%s {", opt->name);
	p->indent++;
	for (uint32_t i = 0; i < expect->n_names; i++)
		line(p, "%s", expect->name[i]);
	close_brace(p);
}

static void print_number(struct printer *p, const struct conf_option *opt, uint32_t n)
{
	if (n || opt->init || conf_option_scope(opt) == CONF_SCOPE_POLICY)
		line(p, "%s %u", opt->name, n);
}

static void print_log(struct printer *p, const struct conf_option *opt, const struct log_conf *log)
{
	if (opt->type == CONF_T_LOGFILE)
		line(p, "%s %s", opt->name, log->to_file ? log->path : "off");
	else
		line(p, "%s %s", opt->name,
		     log->facility == LOG_CONF_NO_SYSLOG ? "off" :
							   conf_facility_name(log->facility));
}

static void print_sched(struct printer *p, const struct conf_option *opt, enum conf_sched_type type)
{
	if (type != CONF_SCHED_UNSET)
		line(p, "%s %s", opt->name, type == CONF_SCHED_RR ? "RR" : "FIFO");
}

static void print_peers(struct printer *p, const struct conf_option *opt, const struct conf *conf)
{
	char buf[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; i < conf->channel.n_accept; i++) {
		const struct channel_accept *a = &conf->channel.accept[i];

		line(p, "%s %s/%u", opt->name, inet_ntop(a->family, &a->addr, buf, sizeof(buf)),
		     a->prefix);
	}
}

static void print_names(struct printer *p, const struct conf_option *opt,
			const struct role_names *names)
{
	for (uint32_t i = 0; i < names->n; i++)
		line(p, "%s %s", opt->name, names->name[i]);
}

static void print_value(struct printer *p, const struct conf_option *opt, const void *base,
			const struct channel_link_conf *link)
{
	const void *at = (const char *)base + opt->at;

	p->opt = opt;
	switch (opt->type) {
	case CONF_T_NUMBER:
		print_number(p, opt, *(const uint32_t *)at);
		break;
	case CONF_T_PORT:
		line(p, "%s %u", opt->name, *(const uint16_t *)at);
		break;
	case CONF_T_BOOL:
		if (*(const bool *)at || opt->init)
			line(p, "%s %s", opt->name, *(const bool *)at ? "on" : "off");
		break;
	case CONF_T_IFNAME:
		line(p, "%s %s", opt->name, (const char *)at);
		break;
	case CONF_T_PATH:
	case CONF_T_NAME:
		if (*(const char *)at)
			line(p, "%s %s", opt->name, (const char *)at);
		break;
	case CONF_T_NAMES:
		print_names(p, opt, at);
		break;
	case CONF_T_LOGFILE:
	case CONF_T_FACILITY:
		print_log(p, opt, at);
		break;
	case CONF_T_SECONDS_OR_BOOL:
		if (*(const uint32_t *)at)
			line(p, "%s %u", opt->name, *(const uint32_t *)at);
		else
			line(p, "%s off", opt->name);
		break;
	case CONF_T_IPV4:
	case CONF_T_IPV6:
		print_addr(p, opt, at, link);
		break;
	case CONF_T_LEVEL:
		line(p, "%s %s", opt->name,
		     *(const int *)at == LOG_LVL_ERROR ?
			     "error" :
			     log_level_word(*(const enum log_level *)at));
		break;
	case CONF_T_SCHED:
		print_sched(p, opt, *(const enum conf_sched_type *)at);
		break;
	case CONF_T_RULES:
		line(p, "%s %s", opt->name,
		     *(const enum gate_rules *)at == GATE_RULES_NATIVE ? "native" : "external");
		break;
	case CONF_T_EXPECT:
		print_expect(p, opt, at);
		break;
	case CONF_T_PEER:
		print_peers(p, opt, base);
		break;
	case CONF_T_BLOCK: /* written by the caller */
	case CONF_T_NET4:
	case CONF_T_NET6:
	case CONF_T_STATES: /* old forms */
	case CONF_T_OLD_CHECKSUM:
	case CONF_T_FLAG:
	case CONF_T_WORD:
	case CONF_TYPES:
		break;
	}
	p->opt = NULL;
}

/* All options of a section but blocks. Those that are shared by all links stand in the first. */
static void print_options(struct printer *p, const struct conf *conf, enum conf_section section,
			  const void *base, const struct channel_link_conf *link)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];

		if (!(opt->sections & CONF_IN(section)) || opt->use != CONF_CURRENT)
			continue;
		if (!opt->shared)
			print_value(p, opt, base, link);
		else if (link == &conf->channel.link[0])
			print_value(p, opt, conf, NULL);
	}
}

static void open_brace(struct printer *p, const char *header)
{
	line(p, "%s {", header);
	p->indent++;
}

/* The timers of ALARM may be set in other modes, too, where they do nothing. */
static void print_leftover_timers(struct printer *p, const struct conf *conf,
				  enum conf_section mode)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];

		if (opt->sections & CONF_IN(CONF_SYNC) && opt->sections & CONF_IN_MODES &&
		    opt->use == CONF_CURRENT && !(opt->sections & CONF_IN(mode)) &&
		    *(const uint32_t *)((const char *)conf + opt->at) !=
			    strtoul(opt->init, NULL, 10))
			print_value(p, opt, conf, NULL);
	}
}

static void print_sync(struct printer *p, const struct conf *conf)
{
	enum conf_section mode = conf_mode_section(conf->sync.mode);

	open_brace(p, "Sync");
	line(p, "Mode %s {", conf_mode_name(conf->sync.mode));
	p->indent++;
	print_options(p, conf, mode, conf, NULL);
	close_brace(p);
	print_leftover_timers(p, conf, mode);
	for (uint32_t i = 0; i < conf->channel.n_links; i++) {
		const struct channel_link_conf *link = &conf->channel.link[i];

		p->link = i;
		line(p, "%s%s {", conf_link_name(link->type), link->is_default ? " Default" : "");
		p->indent++;
		print_options(p, conf, conf_link_section(link->type), link, link);
		close_brace(p);
	}
	open_brace(p, "Options");
	print_options(p, conf, CONF_OPTIONS, conf, NULL);
	close_brace(p);
	if (conf->gate.on) {
		open_brace(p, "Gate");
		print_options(p, conf, CONF_GATE, conf, NULL);
		close_brace(p);
	}
	close_brace(p);
}

static void open_set(struct printer *p, const char *name, enum filter_policy policy)
{
	struct conf_place at;

	if (p->explain && p->source && conf_source_of(p->source, CONF_FILTER, name, 0, &at))
		line(p, "%s %s {\t# %s:%u", name, policy == FILTER_ACCEPT ? "Accept" : "Ignore",
		     at.file, at.line);
	else
		line(p, "%s %s {", name, policy == FILTER_ACCEPT ? "Accept" : "Ignore");
	p->indent++;
}

static void print_protos(struct printer *p, const struct filter_conf *f)
{
	open_set(p, "Protocol", f->proto_policy);
	for (unsigned int n = 0; n < 256; n++) {
		const char *name = conf_proto_name((uint8_t)n);

		if (!filter_conf_has_proto(f, (uint8_t)n))
			continue;
		if (name)
			line(p, "%s", name);
		else
			line(p, "%u", n);
	}
	close_brace(p);
}

static void print_nets(struct printer *p, const struct filter_conf *f)
{
	char buf[INET6_ADDRSTRLEN];

	open_set(p, "Address", f->addr_policy);
	for (size_t i = 0; i < f->n_nets; i++) {
		const struct filter_net *net = &f->nets[i];

		line(p, "IPv%c_address %s/%u", net->family == AF_INET ? '4' : '6',
		     inet_ntop(net->family, &net->addr, buf, sizeof(buf)), net->prefix);
	}
	close_brace(p);
}

static void print_states(struct printer *p, const struct filter_conf *f)
{
	open_set(p, "State", f->state_policy);
	for (unsigned int n = 0; f->tcp_states >> n; n++) {
		if (f->tcp_states >> n & 1)
			line(p, "%s for TCP", conf_tcp_state_name(n));
	}
	close_brace(p);
}

static void print_filter(struct printer *p, const struct filter_conf *f)
{
	if (!f->kernelspace && f->proto_policy == FILTER_NONE && f->addr_policy == FILTER_NONE &&
	    f->state_policy == FILTER_NONE)
		return;
	open_brace(p, f->kernelspace ? "Filter From Kernelspace" : "Filter From Userspace");
	if (f->proto_policy != FILTER_NONE)
		print_protos(p, f);
	if (f->addr_policy != FILTER_NONE)
		print_nets(p, f);
	if (f->state_policy != FILTER_NONE)
		print_states(p, f);
	close_brace(p);
}

static void print_general(struct printer *p, const struct conf *conf)
{
	open_brace(p, "General");
	print_options(p, conf, CONF_GENERAL, conf, NULL);
	open_brace(p, "UNIX");
	print_options(p, conf, CONF_UNIX, conf, NULL);
	close_brace(p);
	if (conf->sched.type != CONF_SCHED_UNSET) {
		open_brace(p, "Scheduler");
		print_options(p, conf, CONF_SCHEDULER, conf, NULL);
		close_brace(p);
	}
	print_filter(p, &conf->filter);
	close_brace(p);
}

static void print_helpers(struct printer *p, const struct conf *conf)
{
	open_brace(p, "Helper");
	print_options(p, conf, CONF_HELPER, conf, NULL);
	for (size_t i = 0; i < conf->helper.n; i++) {
		const struct conf_helper *h = &conf->helper.list[i];

		line(p, "Type %s %s %s {", h->name, h->l3proto == AF_INET6 ? "inet6" : "inet",
		     h->l4proto == IPPROTO_TCP ? "tcp" : "udp");
		p->indent++;
		p->helper = i;
		print_options(p, conf, CONF_HELPER_TYPE, h, NULL);
		for (uint32_t j = 0; j < h->n_policies; j++) {
			p->policy = j;
			line(p, "Policy %s {", h->policy[j].name);
			p->indent++;
			print_options(p, conf, CONF_HELPER_POLICY, &h->policy[j], NULL);
			close_brace(p);
		}
		close_brace(p);
	}
	close_brace(p);
}

static void print_all(struct printer *p, const struct conf *conf)
{
	if (conf->mode == CONF_MODE_SYNC)
		print_sync(p, conf);
	if (conf->mode == CONF_MODE_STATS) {
		open_brace(p, "Stats");
		print_options(p, conf, CONF_STATS, conf, NULL);
		close_brace(p);
	}
	if (conf->helper.present)
		print_helpers(p, conf);
	if (conf->role.fifo[0] || conf->role.track_file[0]) {
		open_brace(p, "Role");
		print_options(p, conf, CONF_ROLE, conf, NULL);
		close_brace(p);
	}
	print_general(p, conf);
}

void conf_print(const struct conf *conf, FILE *to)
{
	print_all(&(struct printer){ .to = to }, conf);
}

void conf_explain(const struct conf *conf, const struct conf_ctx *source, FILE *to)
{
	print_all(&(struct printer){ .to = to, .explain = true, .source = source }, conf);
}
