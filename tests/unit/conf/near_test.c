/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spelling, and the words that stand for values. */
#include "conf/conf_ctx.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

static void distances(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned int limit, want;
	} cases[] = {
		{ "", "", 3, 0 },
		{ "", "abc", 3, 3 },
		{ "HashSize", "HashSize", 3, 0 },
		{ "HashSize", "hashsize", 3, 0 },
		{ "HashSzie", "HashSize", 3, 1 }, /* swap */
		{ "HashSiz", "HashSize", 3, 1 },
		{ "HasshSize", "HashSize", 3, 1 },
		{ "HashSixe", "HashSize", 3, 1 },
		{ "MaxGrown", "MaxGrowth", 3, 2 },
		{ "kitten", "sitting", 3, 3 },
		{ "kitten", "sitting", 2, 3 }, /* limit + 1 */
		{ "abcdef", "uvwxyz", 3, 4 },
		{ "ca", "abc", 3, 3 },
		/* too long to be looked at */
		{ "0123456789012345678901234567890123456789x", "0", 3, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int d = conf_distance(cases[i].a, cases[i].b, cases[i].limit);

		if (d != cases[i].want)
			fail_msg("distance of \"%s\" and \"%s\" is %u", cases[i].a, cases[i].b, d);
		if (conf_distance(cases[i].b, cases[i].a, cases[i].limit) != d)
			fail_msg("distance of \"%s\" and \"%s\" has a direction", cases[i].a,
				 cases[i].b);
	}
}

static void nearest(void **state)
{
	static const char *const names[] = { "HashSize", "HashLimit", NULL, "LogFile", "UNIX" };

	(void)state;
	assert_string_equal(conf_nearest("HashSzie", names, 5), "HashSize");
	assert_string_equal(conf_nearest("hashlimits", names, 5), "HashLimit");
	assert_string_equal(conf_nearest("UNXI", names, 5), "UNIX");
	assert_null(conf_nearest("Checksum", names, 5));
	assert_null(conf_nearest("Li", names, 5)); /* too short to be a slip */
	assert_null(conf_nearest("x", names, 0));
}

static void protocols(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{ "TCP", 6 },	     { "tcp", 6 },	  { "UDP", 17 },       { "ICMP", 1 },
		{ "IPv6-ICMP", 58 }, { "ipv6-icmp", 58 }, { "ICMPv6", 58 },    { "SCTP", 132 },
		{ "DCCP", 33 },	     { "gre", 47 },	  { "UDPLite", 136 },  { "IGMP", 2 },
		{ "VRRP", 112 },     { "esp", 50 },	  { "IPSEC-ESP", 50 }, { "OSPFIGP", 89 },
		{ "nonsense", -1 },  { "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (conf_proto_find(cases[i].name) != cases[i].number)
			fail_msg("%s is %d", cases[i].name, conf_proto_find(cases[i].name));
	}
	for (int n = 0; n < 256; n++) {
		const char *name = conf_proto_name((uint8_t)n);

		if (name)
			assert_int_equal(conf_proto_find(name), n);
	}
}

static void other_names(void **state)
{
	bool on, old;

	(void)state;
	assert_int_equal(conf_facility_find("local7"), LOG_LOCAL7);
	assert_int_equal(conf_facility_find("daemon"), LOG_DAEMON);
	assert_int_equal(conf_facility_find("LOCAL7"), -1);
	assert_string_equal(conf_facility_name(LOG_LOCAL3), "local3");
	assert_int_equal(conf_tcp_state_find("CLOSE"), 8);
	assert_int_equal(conf_tcp_state_find("CLOSED"), 8);
	assert_string_equal(conf_tcp_state_name(8), "CLOSED");
	assert_int_equal(conf_tcp_state_find("ESTABLISHED"), 3);
	assert_int_equal(conf_tcp_state_find("established"), -1);
	assert_null(conf_tcp_state_name(10));
	assert_true(conf_bool_find("yEs", &on) && on);
	assert_true(conf_bool_find("OFF", &on) && !on);
	assert_false(conf_bool_find("true", &on));
	assert_int_equal(conf_mode_find("persistent", &old), SYNC_MODE_ALARM);
	assert_true(old);
	assert_int_equal(conf_mode_find("NoTrack", &old), SYNC_MODE_NOTRACK);
	assert_false(old);
	assert_int_equal(conf_mode_find("STATS", &old), -1);
	assert_false(old);
	assert_string_equal(conf_mode_name(SYNC_MODE_ALARM), "ALARM");
	assert_int_equal(conf_mode_section(SYNC_MODE_NOTRACK), CONF_NOTRACK);
	assert_string_equal(conf_mode_near("NOTRAK"), "NOTRACK");
}

static void quoting(void **state)
{
	char buf[CONF_QUOTED], *got, text[300];

	(void)state;
	assert_string_equal(conf_quote("eth0", buf), "eth0");
	assert_string_equal(conf_quote("a\033\xff", buf), "a\\x1B\\xFF");
	memset(text, 0x80, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	got = (char *)conf_quote(text, buf);
	assert_true(strlen(got) < CONF_QUOTED);
	assert_string_equal(got + strlen(got) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances), cmocka_unit_test(nearest),
		cmocka_unit_test(protocols), cmocka_unit_test(other_names),
		cmocka_unit_test(quoting),
	};

	return cmocka_run_group_tests_name("conf/near", tests, NULL, NULL);
}
