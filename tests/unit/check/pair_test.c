/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of two nodes: what makes no pair, and what makes a pair that does not agree. */
#include "read.h"

#define OTHER(mode, local, dest, port) \
	"Sync {\nMode " mode " {\n}\nUDP {\nIPv4_address " local \
	"\nIPv4_Destination_Address " dest "\nInterface eth9\nPort " port "\n}\n"
#define MIRROR(mode) OTHER(mode, "10.9.0.2", "10.9.0.1", "3780")
#define MCAST(group, address, port) \
	"Sync {\nMode FTFW {\n}\nMulticast {\nIPv4_address " group "\nIPv4_interface " address \
	"\nInterface eth9\nGroup " port "\n}\n}\n"

static void is_said(const char *text, const char *other, const char *wanted)
{
	struct said a, b;

	said_read(&a, "a", text);
	said_read(&b, "b", other);
	check_pair(&a.check, &b.check);
	said_is(&a, wanted);
	said_free(&a);
	said_free(&b);
}

static void no_pair(void **state)
{
	const char *here = HEAD("FTFW") "}\n";

	(void)state;
	is_said(here, MIRROR("FTFW") "}\n", "");
	is_said(here, here,
		"6: error: this node sends to 10.9.0.2, and the other one receives on 10.9.0.1 "
		"(b)\n"
		"5: error: this node receives on 10.9.0.1, and the other one sends to 10.9.0.2\n");
	is_said(here, MIRROR("NOTRACK") "}\n",
		"0: error: the mode is FTFW here and NOTRACK in b\n");
	is_said(here, "Stats {\n}\n", "0: error: the mode is FTFW here and no replication in b\n");
	is_said(here, OTHER("FTFW", "10.9.0.2", "10.9.0.1", "3781") "}\n",
		"8: error: the port of link 1 is 3780 here and 3781 in b\n");
	is_said(here, OTHER("FTFW", "10.9.0.2", "10.9.0.7", "3780") "}\n",
		"5: error: this node receives on 10.9.0.1, and the other one sends to 10.9.0.7\n");
	is_said(here, MCAST("225.0.0.50", "10.9.0.2", "3780"),
		"7: error: link 1 is UDP over IPv4 here and Multicast over IPv4 in b\n");
	is_said(MCAST("225.0.0.50", "10.9.0.1", "3780"), MCAST("225.0.0.50", "10.9.0.2", "3780"),
		"");
	is_said(MCAST("225.0.0.50", "10.9.0.1", "3780"), MCAST("225.0.0.51", "10.9.0.1", "3781"),
		"8: error: the port of link 1 is 3780 here and 3781 in b\n"
		"5: error: the group is 225.0.0.50 here and 225.0.0.51 in b\n"
		"6: error: both nodes have 10.9.0.1 on this link\n");
}

#define SAID(here, there, wanted) is_said(HEAD("FTFW") here, MIRROR("FTFW") there, wanted)
#define IGNORE(first, then) \
	"}\nGeneral {\nFilter {\nAddress Ignore {\nIPv4_address " first "\nIPv4_address " then \
	"\n}\n}\n}\n"

static void what_differs(void **state)
{
	(void)state;
	SAID("}\nGeneral {\nFilter {\nProtocol Accept {\nTCP\n}\n}\n}\n", "}\n",
	     "13: warning: the filter's Protocol is another one in b\n");
	SAID(IGNORE("10.0.0.1", "10.0.0.2"), IGNORE("10.0.0.1", "10.0.0.3"),
	     "13: warning: the filter's Address is another one in b\n");
	SAID(IGNORE("10.0.0.1", "10.0.0.2"), IGNORE("10.0.0.2", "10.0.0.1"), "");
	SAID("}\n", "}\nGeneral {\nFilter {\nState Accept {\nCLOSED for TCP\n}\n}\n}\n",
	     "0: warning: the filter's State is another one in b\n");
	SAID("PurgeTimeout 5\nCommitTimeout 7\n}\n", "PurgeTimeout 6\n}\n",
	     "11: warning: CommitTimeout is 7 here and not set in b\n"
	     "10: warning: PurgeTimeout is 5 here and 6 in b\n");
	SAID("Options {\nTCPWindowTracking on\nExpectationSync on\n}\n}\n", "}\n",
	     "11: warning: TCPWindowTracking is on here and off in b\n"
	     "12: warning: ExpectationSync is another one in b\n");
	SAID("Options {\nExpectationSync {\nftp\n}\n}\n}\n",
	     "Options {\nExpectationSync {\nFTP\n}\n}\n}\n", "");
	SAID("Options {\nStrictPeers on\n}\n}\nGeneral {\nHashLimit 7000\n}\n", "}\n",
	     "15: warning: HashLimit is 7000 here and not set in b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_pair),
		cmocka_unit_test(what_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
