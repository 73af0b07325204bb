/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every option of the table: ranges and booleans are enforced wherever it may stand; defaults are
 * those of the specification (written down here once more, on purpose); every value arrives in its
 * own member.
 */
#include "conf/conf_ctx.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

/* What has to stand around an option of a section. The option gets a line of its own. */
static const struct {
	const char *before, *after;
} around[CONF_SECTIONS] = {
	[CONF_TOP] = { "", "" },
	[CONF_SYNC] = { "Sync {\n", "}" },
	[CONF_FTFW] = { "Sync { Mode FTFW {\n", "} }" },
	[CONF_ALARM] = { "Sync { Mode ALARM {\n", "} }" },
	[CONF_NOTRACK] = { "Sync { Mode NOTRACK {\n", "} }" },
	[CONF_MULTICAST] = { "Sync { Multicast {\n", "} }" },
	[CONF_UDP] = { "Sync { UDP {\n", "} }" },
	[CONF_TCP] = { "Sync { TCP {\n", "} }" },
	[CONF_OPTIONS] = { "Sync { Options {\n", "} }" },
	[CONF_GATE] = { "Sync { Gate {\n", "} }" },
	[CONF_ROLE] = { "Role {\n", "}" },
	[CONF_GENERAL] = { "General {\n", "}" },
	[CONF_UNIX] = { "General { UNIX {\n", "} }" },
	[CONF_SCHEDULER] = { "General { Scheduler {\n", "} }" },
	[CONF_FILTER] = { "General { Filter {\n", "} }" },
	[CONF_FILTER_ADDR] = { "General { Filter { Address Ignore {\n", "} } }" },
	[CONF_STATS] = { "Stats {\n", "}" },
	[CONF_HELPER] = { "Helper {\n", "}" },
	[CONF_HELPER_TYPE] = { "Helper { Type ftp inet tcp {\n", "} }" },
	[CONF_HELPER_POLICY] = { "Helper { Type ftp inet tcp { Policy ftp {\n", "} } }" },
};

static void count_line_2(void *ctx, enum conf_severity severity, const struct conf_place *place,
			 const char *text)
{
	(void)text;
	if (severity == CONF_ERROR && place && place->line == 2)
		++*(unsigned int *)ctx;
}

/* Is "option value" accepted in the section? Errors about the rest of the file do not count. */
static bool accepted(enum conf_section section, const char *name, const char *value)
{
	unsigned int errors = 0;
	struct conf conf;
	char text[512];

	snprintf(text, sizeof(text), "%s%s %s\n%s", around[section].before, name, value,
		 around[section].after);
	if (!conf_parse("t", text, strlen(text), 0, &conf, count_line_2, &errors))
		conf_free(&conf);
	return !errors;
}

static void try(enum conf_section section, const struct conf_option *opt, const char *value,
		bool want)
{
	if (accepted(section, opt->name, value) != want)
		fail_msg("%s %s in %s is %s", opt->name, value, conf_section_title(section),
			 want ? "refused" : "accepted");
}

static void try_number(enum conf_section section, const struct conf_option *opt)
{
	static const char *const wrong[] = { "-1", "+1", "0x10", "1k", "1.5", "x" };
	static const char *const huge[] = { "99999999999", "18446744073709551617" };
	/* more than that is as much as is possible, with a warning */
	bool amount = opt->max >= 1u << 24;
	char value[32];

	snprintf(value, sizeof(value), "%u", opt->min);
	try(section, opt, value, true);
	snprintf(value, sizeof(value), "%u", opt->max);
	try(section, opt, value, true);
	snprintf(value, sizeof(value), "00%u", opt->max);
	try(section, opt, value, true);
	snprintf(value, sizeof(value), "%llu", opt->max + 1ull);
	try(section, opt, value, amount);
	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++)
		try(section, opt, huge[i], amount);
	if (opt->min) {
		snprintf(value, sizeof(value), "%u", opt->min - 1);
		try(section, opt, value, false);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		try(section, opt, wrong[i], false);
	try(section, opt, "", false);
}

static void try_bool(enum conf_section section, const struct conf_option *opt)
{
	static const char *const right[] = { "on", "off", "yes", "no", "ON", "oFf", "Yes", "NO" };
	static const char *const wrong[] = { "true", "false", "enabled", "1", "0", "|n", "" };

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		try(section, opt, right[i], true);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		/* two types also take a number; a name that is no facility is a warning */
		bool word =
			opt->type == CONF_T_FACILITY && wrong[i][0] >= 'a' && wrong[i][0] <= 'z';

		if (opt->type != CONF_T_SECONDS_OR_BOOL || wrong[i][0] > '9' || !wrong[i][0])
			try(section, opt, wrong[i], word);
	}
}

static void try_path(enum conf_section section, const struct conf_option *opt)
{
	char value[400];

	value[0] = '/';
	memset(value + 1, 'x', opt->max - 1);
	value[opt->max] = '\0';
	try(section, opt, value, true);
	memcpy(value + opt->max, "x", 2);
	try(section, opt, value, false);
	try(section, opt, "relative/path", false);
	try(section, opt, "\"/quoted\"", false);
}

static void ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];

		for (int s = 0; s < CONF_JUNK; s++) {
			enum conf_section section = (enum conf_section)s;

			if (!(opt->sections & CONF_IN(s)) || opt->use != CONF_CURRENT)
				continue;
			if (opt->type == CONF_T_NUMBER || opt->type == CONF_T_PORT)
				try_number(section, opt);
			if (opt->type == CONF_T_BOOL || opt->type == CONF_T_LOGFILE ||
			    opt->type == CONF_T_FACILITY || opt->type == CONF_T_SECONDS_OR_BOOL)
				try_bool(section, opt);
			if (opt->type == CONF_T_PATH || opt->type == CONF_T_LOGFILE)
				try_path(section, opt);
		}
	}
}

/* Each option is unknown in every section where the table does not have it. */
static void only_at_home(void **state)
{
	static const char *const value[CONF_TYPES] = {
		[CONF_T_BLOCK] = "{ }",
		[CONF_T_NUMBER] = "5",
		[CONF_T_PORT] = "5",
		[CONF_T_BOOL] = "on",
		[CONF_T_PATH] = "/x",
		[CONF_T_LOGFILE] = "on",
		[CONF_T_FACILITY] = "on",
		[CONF_T_SECONDS_OR_BOOL] = "5",
		[CONF_T_IPV4] = "1.2.3.4",
		[CONF_T_IPV6] = "::1",
		[CONF_T_NET4] = "1.2.3.4",
		[CONF_T_NET6] = "::1",
		[CONF_T_IFNAME] = "eth0",
		[CONF_T_SCHED] = "RR",
		[CONF_T_LEVEL] = "notice",
		[CONF_T_EXPECT] = "on",
		[CONF_T_STATES] = "CLOSED for TCP",
		[CONF_T_NAME] = "adm",
		[CONF_T_OLD_CHECKSUM] = "on",
		[CONF_T_FLAG] = "",
		[CONF_T_WORD] = "x",
	};

	(void)state;
	for (size_t i = 0; i < conf_n_options; i++) {
		for (int s = 0; s < CONF_JUNK; s++) {
			if (!around[s].before ||
			    conf_option_find((enum conf_section)s, conf_options[i].name))
				continue;
			if (s == CONF_TOP) /* the line would be the first */
				continue;
			try((enum conf_section)s, &conf_options[i], value[conf_options[i].type],
			    false);
		}
	}
}

#define LINK \
	"Multicast { IPv4_address 225.0.0.50 Group 3780 IPv4_interface 192.168.100.1 Interface " \
	"eth2 }"

static void read_text(const char *text, struct conf *conf)
{
	int err = conf_parse("t", text, strlen(text), 0, conf, conf_report_to_file, stderr);

	assert_int_equal(err, 0);
}

/* Those of 1.4.x, but where doc/compatibility.md says otherwise. */
static void defaults(void **state)
{
	struct conf c;

	(void)state;
	read_text("Sync { Mode FTFW { } " LINK " }", &c);
	assert_int_equal(c.mode, CONF_MODE_SYNC);
	assert_int_equal(c.cache.hash_size, 65536);
	assert_int_equal(c.cache.hash_limit, 0);
	assert_int_equal(c.sync.mode, SYNC_MODE_FTFW);
	assert_int_equal(c.sync.resend_queue_size, 131072);
	assert_int_equal(c.sync.ack_window, 300);
	assert_int_equal(c.sync.refresh_s, 60);
	assert_int_equal(c.sync.cache_timeout_s, 180);
	assert_int_equal(c.sync.commit_timeout_s, 0);
	assert_int_equal(c.sync.purge_timeout_s, 60);
	assert_false(c.sync.disable_internal || c.sync.disable_external || c.sync.startup_resync);
	assert_false(c.sync.tcp_window_tracking || c.sync.expect.on);
	assert_int_equal(c.channel.error_queue_len, 128);
	assert_int_equal(c.channel.n_links, 1);
	assert_true(c.channel.link[0].checksum);
	assert_false(c.channel.link[0].is_default);
	assert_int_equal(c.channel.link[0].snd_buffer + c.channel.link[0].rcv_buffer, 0);
	assert_int_equal(c.kernel.netlink_buffer + c.kernel.netlink_buffer_max, 0);
	assert_int_equal(c.kernel.overrun_resync_s, 30);
	assert_false(c.kernel.events_reliable);
	assert_true(c.kernel.events_sysctl);
	assert_int_equal(c.kernel.event_iteration_limit, 100);
	assert_int_equal(c.kernel.poll_s, 0);
	assert_int_equal(c.filter.proto_policy, FILTER_NONE);
	assert_int_equal(c.filter.addr_policy, FILTER_NONE);
	assert_int_equal(c.filter.state_policy, FILTER_NONE);
	assert_false(c.filter.kernelspace);
	assert_string_equal(c.control.path, "/var/run/conntrackd.ctl");
	assert_string_equal(c.lockfile, "/var/lock/conntrackd.lock");
	assert_false(c.log.to_file || c.stats.log.to_file);
	assert_int_equal(c.log.facility, LOG_CONF_NO_SYSLOG);
	assert_int_equal(c.sched.type, CONF_SCHED_UNSET);
	assert_true(c.systemd);
	assert_false(c.helper.present);
	conf_free(&c);
}

static void every_member_of_sync(void **state)
{
	struct conf c;

	(void)state;
	read_text("Sync { RefreshTime 11 CacheTimeout 12 CommitTimeout 13 PurgeTimeout 14\n"
		  "Mode NOTRACK { DisableInternalCache on DisableExternalCache on StartupResync on "
		  "}\n"
		  "TCP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 "
		  "Interface eth2\n"
		  "SndSocketBuffer 15 RcvSocketBuffer 16 Checksum off ErrorQueueLength 17 }\n"
		  "TCP Default { IPv6_address fd00::1 IPv6_Destination_Address fd00::2 Port 3781 "
		  "Interface eth3 }\n"
		  "Options { TCPWindowTracking on ExpectationSync { ftp SIP q.931 sip "
		  "a123456789012345678 } } }",
		  &c);
	assert_int_equal(c.sync.mode, SYNC_MODE_NOTRACK);
	assert_int_equal(c.sync.refresh_s, 11);
	assert_int_equal(c.sync.cache_timeout_s, 12);
	/* without effect beside DisableExternalCache */
	assert_int_equal(c.sync.commit_timeout_s, 0);
	assert_int_equal(c.sync.purge_timeout_s, 14);
	assert_true(c.sync.disable_internal && c.sync.disable_external && c.sync.startup_resync);
	assert_true(c.sync.tcp_window_tracking && c.sync.expect.on);
	assert_int_equal(c.sync.expect.n_names, 4);
	assert_string_equal(c.sync.expect.name[1], "SIP");
	assert_string_equal(c.sync.expect.name[3], "a123456789012345");
	assert_int_equal(c.channel.n_links, 2);
	assert_int_equal(c.channel.link[0].type, CHANNEL_TCP);
	assert_int_equal(c.channel.link[0].family, AF_INET);
	assert_int_equal(c.channel.link[0].local.v4.s_addr, inet_addr("10.0.0.1"));
	assert_int_equal(c.channel.link[0].dest.v4.s_addr, inet_addr("10.0.0.2"));
	assert_int_equal(c.channel.link[0].port, 3780);
	assert_string_equal(c.channel.link[0].ifname, "eth2");
	assert_int_equal(c.channel.link[0].snd_buffer, 15);
	assert_int_equal(c.channel.link[0].rcv_buffer, 16);
	assert_false(c.channel.link[0].checksum || c.channel.link[0].is_default);
	assert_int_equal(c.channel.link[0].line, 3);
	assert_int_equal(c.channel.error_queue_len, 17);
	assert_int_equal(c.channel.link[1].family, AF_INET6);
	assert_int_equal(c.channel.link[1].local.v6.s6_addr[15], 1);
	assert_int_equal(c.channel.link[1].dest.v6.s6_addr[15], 2);
	assert_true(c.channel.link[1].checksum && c.channel.link[1].is_default);
	conf_free(&c);
	read_text("Sync { CommitTimeout 13 Mode FTFW { ResendQueueSize 18 ACKWindowSize 19 } " LINK
		  " }",
		  &c);
	assert_int_equal(c.sync.commit_timeout_s, 13);
	assert_int_equal(c.sync.resend_queue_size, 18);
	assert_int_equal(c.sync.ack_window, 19);
	assert_int_equal(c.channel.link[0].local.v4.s_addr, inet_addr("192.168.100.1"));
	assert_int_equal(c.channel.link[0].dest.v4.s_addr, inet_addr("225.0.0.50"));
	conf_free(&c);
}

static void every_member_of_general(void **state)
{
	struct conf c;

	(void)state;
	read_text(
		"Stats { LogFile on Syslog local2 }\n"
		"General { HashSize 21 HashLimit 22 LogFile yes Syslog local1 LockFile /l UNIX { "
		"Path /p }\n"
		"NetlinkBufferSize 4096 NetlinkBufferSizeMaxGrowth 8192 NetlinkOverrunResync off\n"
		"NetlinkEventsReliable on NetlinkEventsSysctl off EventIterationLimit 23 PollSecs "
		"24\n"
		"Scheduler { Type fifo Priority 25 } Systemd off\n"
		"Filter From Kernelspace { Protocol Accept { TCP 200 } Address Ignore { "
		"IPv4_address 10.1.2.3/8\n"
		"IPv6_address 2001:db8:ffff::/33 } State Accept { ESTABLISHED CLOSE for TCP } } }",
		&c);
	assert_int_equal(c.mode, CONF_MODE_STATS);
	assert_int_equal(c.cache.hash_size, 21);
	assert_int_equal(c.cache.hash_limit, 22);
	assert_true(c.log.to_file && c.stats.log.to_file);
	assert_string_equal(c.log.path, "/var/log/conntrackd.log");
	assert_string_equal(c.stats.log.path, "/var/log/conntrackd-stats.log");
	assert_int_equal(c.log.facility, LOG_LOCAL1);
	assert_int_equal(c.stats.log.facility, LOG_LOCAL2);
	assert_string_equal(c.lockfile, "/l");
	assert_string_equal(c.control.path, "/p");
	assert_int_equal(c.kernel.netlink_buffer, 4096);
	assert_int_equal(c.kernel.netlink_buffer_max, 8192);
	assert_int_equal(c.kernel.overrun_resync_s, 0);
	assert_true(c.kernel.events_reliable);
	assert_false(c.kernel.events_sysctl);
	assert_int_equal(c.kernel.event_iteration_limit, 23);
	assert_int_equal(c.kernel.poll_s, 24);
	assert_int_equal(c.sched.type, CONF_SCHED_FIFO);
	assert_int_equal(c.sched.priority, 25);
	assert_false(c.systemd);
	assert_true(c.filter.kernelspace);
	assert_int_equal(c.filter.proto_policy, FILTER_ACCEPT);
	assert_true(filter_conf_has_proto(&c.filter, 6) && filter_conf_has_proto(&c.filter, 200));
	assert_false(filter_conf_has_proto(&c.filter, 17));
	assert_int_equal(c.filter.addr_policy, FILTER_IGNORE);
	assert_int_equal(c.filter.n_nets, 2);
	assert_int_equal(c.filter.nets[0].family, AF_INET);
	assert_int_equal(c.filter.nets[0].prefix, 8);
	assert_int_equal(c.filter.nets[0].addr.v4.s_addr, inet_addr("10.0.0.0"));
	assert_int_equal(c.filter.nets[1].prefix, 33);
	assert_int_equal(c.filter.nets[1].addr.v6.s6_addr[4], 0x80);
	assert_int_equal(c.filter.nets[1].addr.v6.s6_addr[5], 0);
	assert_int_equal(c.filter.state_policy, FILTER_ACCEPT);
	assert_int_equal(c.filter.tcp_states, 1u << 3 | 1u << 8);
	conf_free(&c);
}

static void every_member_of_helper(void **state)
{
	struct conf c;

	(void)state;
	read_text("Helper { Setup on Type rpc inet6 UDP { QueueNum 31 QueueLen 32 Policy rpc { "
		  "ExpectMax 33 } }\n"
		  "Type ftp inet tcp { QueueNum 34 Policy ftp { ExpectTimeout 35 } } }",
		  &c);
	assert_int_equal(c.mode, CONF_MODE_HELPER_ONLY);
	assert_true(c.helper.present && c.helper.setup);
	assert_int_equal(c.helper.n, 2);
	assert_string_equal(c.helper.list[0].name, "rpc");
	assert_int_equal(c.helper.list[0].l3proto, AF_INET6);
	assert_int_equal(c.helper.list[0].l4proto, IPPROTO_UDP);
	assert_int_equal(c.helper.list[0].queue_num, 31);
	assert_int_equal(c.helper.list[0].queue_len, 32);
	assert_int_equal(c.helper.list[0].n_policies, 1);
	assert_int_equal(c.helper.list[0].policy[0].expect_max, 33);
	assert_int_equal(c.helper.list[0].policy[0].expect_timeout_s, 300);
	assert_int_equal(c.helper.list[1].policy[0].expect_max, 1);
	assert_int_equal(c.helper.list[1].policy[0].expect_timeout_s, 35);
	conf_free(&c);
}

/* What the documentation and the messages need. */
static void table_is_complete(void **state)
{
	(void)state;
	assert_true(conf_n_options <= CONF_OPTIONS_MAX);
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];

		if (opt->use == CONF_CURRENT &&
		    (!opt->help || opt->help[strlen(opt->help) - 1] != '.'))
			fail_msg("%s has no help", opt->name);
		if (opt->use != CONF_CURRENT && !opt->instead)
			fail_msg("%s: nothing says what to do instead", opt->name);
		if (opt->use == CONF_CURRENT && opt->type != CONF_T_BLOCK && !opt->init &&
		    !opt->unset)
			fail_msg("%s has no default", opt->name);
		for (int s = 0; s < CONF_SECTIONS; s++) {
			if (opt->sections & CONF_IN(s) &&
			    conf_option_find((enum conf_section)s, opt->name) != opt)
				fail_msg("%s is twice in %s", opt->name,
					 conf_section_title((enum conf_section)s));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_complete),	  cmocka_unit_test(defaults),
		cmocka_unit_test(every_member_of_sync),	  cmocka_unit_test(every_member_of_general),
		cmocka_unit_test(every_member_of_helper), cmocka_unit_test(ranges),
		cmocka_unit_test(only_at_home),
	};

	return cmocka_run_group_tests_name("conf/options", tests, NULL, NULL);
}
