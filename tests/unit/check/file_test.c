/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file says and cannot mean: each by its line, and what is next to it and means something. */
#include "read.h"

#define SYNC	    HEAD("FTFW") "}\n" /* 10 lines */
#define FILTER(set) SYNC "General {\nFilter {\n" set "\n}\n}\n"

static void is_said(const char *text, const char *wanted)
{
	struct said s;

	said_read(&s, "f", text);
	check_file(&s.check);
	said_is(&s, wanted);
	said_free(&s);
}

static void polling(void **state)
{
	(void)state;
	is_said(SYNC, "");
	is_said(SYNC "General {\nPollSecs 5\n}\n",
		"12: warning: PollSecs turns the kernel's events off: the peer hears of each "
		"change up to 5 s late\n");
	is_said("Stats {\n}\nGeneral {\nPollSecs 5\n}\n", "");
	is_said(SYNC "General {\nPollSecs 5\nNetlinkBufferSize 100000\n}\n", ""); /* said before */
}

static void addresses(void **state)
{
	(void)state;
	is_said(FILTER("Address Ignore {\nIPv4_address 0.0.0.0/0\n}"),
		"13: warning: Address Ignore holds every IPv4 address\n");
	is_said(FILTER("Address Ignore {\nIPv4_address 128.0.0.0/1\nIPv4_address 64.0.0.0/2\n"
		       "IPv4_address 127.0.0.1\nIPv4_address 0.0.0.0/2\n}"),
		"13: warning: Address Ignore holds every IPv4 address\n");
	is_said(FILTER("Address Ignore {\nIPv6_address ::/0\n}"),
		"13: warning: Address Ignore holds every IPv6 address\n");
	is_said(FILTER("Address Ignore {\nIPv6_address ::/1\nIPv6_address 8000::/1\n"
		       "IPv4_address 10.0.0.0/8\n}"),
		"13: warning: Address Ignore holds every IPv6 address\n");
	is_said(FILTER("Address Ignore {\nIPv4_address 128.0.0.0/1\nIPv4_address 0.0.0.0/2\n}"),
		"");
	is_said(FILTER("Address Ignore {\nIPv4_address 0.0.0.0/1\nIPv4_address 128.0.0.0/2\n}"),
		"");
	is_said(FILTER("Address Accept {\nIPv4_address 0.0.0.0/0\n}"), "");
}

static void states(void **state)
{
	(void)state;
	is_said(FILTER("State Accept {\nESTABLISHED for TCP\n}"),
		"13: warning: State lets neither TIME_WAIT nor CLOSED pass\n");
	is_said(FILTER("State Ignore {\nTIME_WAIT CLOSED for TCP\n}"),
		"13: warning: State lets neither TIME_WAIT nor CLOSED pass\n");
	is_said(FILTER("State Accept {\nESTABLISHED TIME_WAIT for TCP\n}"), "");
	is_said(FILTER("State Ignore {\nTIME_WAIT for TCP\n}"), "");
}

static void windows(void **state)
{
	(void)state;
	is_said(HEAD("FTFW") "Options {\nTCPWindowTracking on\nActiveActive on\n}\n}\n",
		"11: warning: TCPWindowTracking with both nodes active\n");
	is_said("Sync {\nMode NOTRACK {\nDisableExternalCache on\n}\nUDP {\nIPv4_address 10.9.0.1\n"
		"IPv4_Destination_Address 10.9.0.2\nInterface eth9\nPort 3780\n}\nOptions {\n"
		"TCPWindowTracking on\n}\n}\n",
		"");
	is_said("Sync {\nMode NOTRACK {\nDisableExternalCache on\n}\nUDP {\nIPv4_address 10.9.0.1\n"
		"IPv4_Destination_Address 10.9.0.2\nInterface eth9\nPort 3780\n}\nOptions {\n"
		"TCPWindowTracking on\nActiveActive on\n}\n}\n",
		"12: warning: TCPWindowTracking with both nodes active\n");
	is_said(HEAD("FTFW") "Options {\nTCPWindowTracking on\n}\n}\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polling),
		cmocka_unit_test(addresses),
		cmocka_unit_test(states),
		cmocka_unit_test(windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
