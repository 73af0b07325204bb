/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each parser says of each form of its protocol, and how the announcement is written for the
 * other side. */
#include "helper/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "talk.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void expect_text(const char *what, const char *got, const char *want)
{
	if (strcmp(got, want))
		fail_msg("%s: \"%s\" instead of \"%s\"", what, got, want);
}

static void say_text(struct talk *t, bool reply, const char *text, const char *want)
{
	expect_text(text, talk_say(t, reply, text, strlen(text)), want);
}

/* ---- FTP ---- */

static const struct ftp_row {
	const char *text, *want, *nat; /* nat: as it is written with translation */
	bool reply, v6;
} ftp_rows[] = {
	{ "PORT 10,1,0,2,8,1\r\n", "tcp 2049", "PORT 192,0,2,1,8,2\r\n", false, false },
	{ "port 10,1,0,2,8,1\r\n", "tcp 2049", "port 192,0,2,1,8,2\r\n", false, false },
	{ "PoRt 10,1,0,2,8,255\n", "tcp 2303", "PoRt 192,0,2,1,9,0\n", false, false },
	{ "PORT  10,1,0,2,0,20 \r\n", "tcp 20", "PORT  192,0,2,1,0,21 \r\n", false, false },
	{ "PORT 10,1,0,2,8,1\r\nLIST\r\n", "tcp 2049", "PORT 192,0,2,1,8,2\r\nLIST\r\n", false,
	  false },
	{ "NOOP\r\nPORT 10,1,0,2,8,1\r\n", "tcp 2049", "NOOP\r\nPORT 192,0,2,1,8,2\r\n", false,
	  false },
	{ "PORT 10,1,0,2,8,1\r\nRETR a\r\nPORT 10,1,0,2,8,3\r\nRETR b\r\n", "tcp 2049; tcp 2051",
	  "PORT 192,0,2,1,8,2\r\nRETR a\r\nPORT 192,0,2,1,8,4\r\nRETR b\r\n", false, false },
	{ "EPRT |1|10.1.0.2|2049|\r\n", "tcp 2049", "EPRT |1|192.0.2.1|2050|\r\n", false, false },
	{ "eprt !1!10.1.0.2!2049!\r\n", "tcp 2049", "eprt !1!192.0.2.1!2050!\r\n", false, false },
	{ "EPRT |2|fd01::2|50001|\r\n", "tcp 50001", "EPRT |2|fd09::1|50002|\r\n", false, true },
	{ "EPRT |2|fd01:0:0::0002|50001|\r\n", "tcp 50001", "EPRT |2|fd09::1|50002|\r\n", false,
	  true },
	{ "227 Entering Passive Mode (10,2,0,2,195,80).\r\n", "tcp 50000",
	  "227 Entering Passive Mode (192,0,2,2,195,81).\r\n", true, false },
	{ "227 Entering Passive Mode (10,2,0,2,195,80)", "tcp 50000",
	  "227 Entering Passive Mode (192,0,2,2,195,81)", true, false },
	{ "227 10,2,0,2,195,80\r\n", "tcp 50000", "227 192,0,2,2,195,81\r\n", true, false },
	{ "227 =10,2,0,2,195,80\n", "tcp 50000", "227 =192,0,2,2,195,81\n", true, false },
	{ "227 Passive Mode 2. 10,2,0,2,195,80 ok\r\n", "tcp 50000",
	  "227 Passive Mode 2. 192,0,2,2,195,81 ok\r\n", true, false },
	{ "227-so\r\n227 ok (10,2,0,2,195,80)\r\n", "tcp 50000",
	  "227-so\r\n227 ok (192,0,2,2,195,81)\r\n", true, false },
	{ "230-x\r\n227 ok (10,2,0,2,195,80)\r\n", "tcp 50000",
	  "230-x\r\n227 ok (192,0,2,2,195,81)\r\n", true, false },
	{ "229 Entering Extended Passive Mode (|||2049|)\r\n", "tcp 2049",
	  "229 Entering Extended Passive Mode (|||2050|)\r\n", true, false },
	{ "229 ok (!!!65534!)\r\n", "tcp 65534", "229 ok (!!!65535!)\r\n", true, false },
	{ "229 Entering (|||50000|)\r\n", "tcp 50000", "229 Entering (|||50001|)\r\n", true, true },
	/* refused: what is not a port or number, addresses of others, the other family, the wrong
	 * direction */
	{ "PORT 10,1,0,2,0,0\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,2,256,1\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,2,1,256\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,258,8,1\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,9,8,1\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,2,8\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,2,8,99999999999999999999\r\n", "", NULL, false, false },
	{ " PORT 10,1,0,2,8,1\r\n", "", NULL, false, false },
	{ "SITE PORT 10,1,0,2,8,1\r\n", "", NULL, false, false },
	{ "PORT 10,1,0,2,8,1\r\n", "", NULL, true, false },
	{ "PORT 10,1,0,2,8,1\r\n", "", NULL, false, true },
	{ "EPRT |1|10.1.0.2|0|\r\n", "", NULL, false, false },
	{ "EPRT |1|10.1.0.2|70000|\r\n", "", NULL, false, false },
	{ "EPRT |1|10.1.0.9|2049|\r\n", "", NULL, false, false },
	{ "EPRT |2|fd01::2|2049|\r\n", "", NULL, false, false },
	{ "EPRT |2|fd01::9|2049|\r\n", "", NULL, false, true },
	{ "EPRT |1|10.1.0.2|2049\r\n", "", NULL, false, false },
	{ "EPRT a1a10.1.0.2a2049a\r\n", "", NULL, false, false },
	{ "227 ok (10,2,0,9,195,80)\r\n", "", NULL, true, false },
	{ "227 ok (10,2,0,2,256,1)\r\n", "", NULL, true, false },
	{ "227 ok (10,2,0,2,0,0)\r\n", "", NULL, true, false },
	{ "227 ok (10,2,0,2,195,80)\r\n", "", NULL, false, false },
	{ "229 ok (|||0|)\r\n", "", NULL, true, false },
	{ "229 ok (|||70000|)\r\n", "", NULL, true, false },
	{ "229 ok (||50000|)\r\n", "", NULL, true, false },
	{ "229 ok (|||50000|)\r\n", "", NULL, false, false },
};

static void ftp_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ftp_rows); i++) {
		const struct ftp_row *row = &ftp_rows[i];

		for (int nat = 0; nat < 2; nat++) {
			struct talk t;

			talk_begin(&t, "ftp", row->v6 ? AF_INET6 : AF_INET, IPPROTO_TCP, 21, nat);
			say_text(&t, row->reply, row->text, row->want);
			expect_text("passes", t.out[row->reply].buf,
				    nat && row->nat ? row->nat : row->text);
			talk_end(&t);
		}
	}
}

/* Cut in two at every place: the same is read, and nothing is written twice or lost. */
static void ftp_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ftp_rows); i++) {
		const struct ftp_row *row = &ftp_rows[i];
		size_t n = strlen(row->text);

		for (size_t cut = 1; cut < n; cut++) {
			for (int nat = 0; nat < 2; nat++) {
				char got[256];
				struct talk t;

				talk_begin(&t, "ftp", row->v6 ? AF_INET6 : AF_INET, IPPROTO_TCP, 21,
					   nat);
				snprintf(got, sizeof(got), "%s",
					 talk_say(&t, row->reply, row->text, cut));
				assert_true(t.out[row->reply].len >= 1); /* or no acknowledgement */
				if (strlen(got) > 0)
					strcat(got, "; ");
				strcat(got, talk_say(&t, row->reply, row->text + cut, n - cut));
				if (strlen(got) > 2 && got[strlen(got) - 2] == ';')
					got[strlen(got) - 2] = '\0';
				expect_text(row->text, got, row->want);
				assert_false(t.untold);
				expect_text("passes", t.out[row->reply].buf,
					    nat && row->nat ? row->nat : row->text);
				talk_end(&t);
			}
		}
	}
}

/* Four bytes and the rest: five pieces are the most with translation; without, any number. */
static void ftp_pieces(void **state)
{
	static const char line[] = "PORT 10,1,0,2,8,1\r\n";
	struct talk t;

	(void)state;
	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, true);
	for (size_t i = 0; i < 4; i++)
		expect_text("piece", talk_say(&t, false, line + 3 * i, 3), "");
	say_text(&t, false, line + 12, "tcp 2049");
	expect_text("passes", t.out[0].buf, "PORT 192,0,2,1,8,2\r\n");
	talk_end(&t);

	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, false);
	for (size_t i = 0; i + 1 < sizeof(line); i++)
		expect_text("byte", talk_say(&t, false, line + i, 1),
			    line[i] == '\r' ? "tcp 2049" : "");
	expect_text("passes", t.out[0].buf, line);
	talk_end(&t);
}

/* The segment that ends a command comes again, and so does the first one: each as it left
 * before. */
static void ftp_again(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, true);
	say_text(&t, false, "PORT 10,1", "");
	assert_true(helper_stream_holds(&t.stream[0]));
	say_text(&t, false, ",0,2,8,1\r\n", "tcp 2049");
	assert_false(helper_stream_holds(&t.stream[0]));
	t.seq[0] -= 10;
	text_reset(&t.out[0]);
	say_text(&t, false, ",0,2,8,1\r\n", "tcp 2049");
	expect_text("again", t.out[0].buf, "ORT 192,0,2,1,8,2\r\n");
	t.seq[0] -= 19;
	text_reset(&t.out[0]);
	say_text(&t, false, "PORT 10,1", "");
	expect_text("the first again", t.out[0].buf, "P");
	say_text(&t, false, ",0,2,8,1\r\nNOOP\r\n", "tcp 2049");
	expect_text("all again", t.out[0].buf, "PORT 192,0,2,1,8,2\r\nNOOP\r\n");
	t.seq[0] -= 25;
	text_reset(&t.out[0]);
	say_text(&t, false, "PORT 10,1,0,2,8,1\r\n", "tcp 2049");
	expect_text("in one", t.out[0].buf, "PORT 192,0,2,1,8,2\r\n");
	talk_end(&t);
}

/* A held back line that turns out to be something else passes as it is. */
static void ftp_other_word(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, true);
	say_text(&t, false, "NOOP\r\nP", "");
	say_text(&t, false, "ASV\r\n", "");
	say_text(&t, false, "PORT 10,1,", "");
	say_text(&t, false, "x\r\nLIST\r\n", "");
	expect_text("passes", t.out[0].buf, "NOOP\r\nPASV\r\nPORT 10,1,x\r\nLIST\r\n");
	talk_end(&t);
}

/* Within a line nothing counts, as long as it is known that the segment is within one. */
static void ftp_within(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, false);
	say_text(&t, false, "STOR ", "");
	say_text(&t, false, "PORT 10,1,0,2,8,1\r\n", "");
	say_text(&t, false, "PORT 10,1,0,2,8,1\r\n", "tcp 2049");
	say_text(&t, true, "200 ", "");
	say_text(&t, true, "227 ok (10,2,0,2,195,80)\r\n", "");
	/* the lines of a long reply in pieces of any size */
	say_text(&t, true, "230-much", "");
	t.seq[1] += 500; /* lost: taken as the beginning of a line */
	say_text(&t, true, "227 ok (10,2,0,2,195,80)\r\n", "tcp 50000");
	talk_end(&t);
}

/* What 1.4.7 or chance has left in the private data means nothing; zeros stay zeros while lines are
 * whole. */
static void ftp_private(void **state)
{
	static const struct helper_private zero;
	struct talk t;

	(void)state;
	talk_begin(&t, "ftp", AF_INET, IPPROTO_TCP, 21, false);
	memset(&t.priv, 0x5a, sizeof(t.priv));
	say_text(&t, false, "PORT 10,1,0,2,8,1\r\n", "tcp 2049");
	assert_memory_equal(&t.priv, &zero, sizeof(zero));
	say_text(&t, true, "200 ok\r\n", "");
	assert_memory_equal(&t.priv, &zero, sizeof(zero));
	say_text(&t, true, "150 a", "");
	say_text(&t, false, "LI", "");
	say_text(&t, true, "b\r\n", "");
	say_text(&t, false, "ST\r\n", "");
	assert_memory_equal(&t.priv, &zero, sizeof(zero));
	talk_end(&t);
}

/* ---- one packet is all ---- */

static const struct datagram {
	const char *helper;
	uint8_t l3;
	bool reply;
	const char *bytes;
	size_t n;
	const char *want;
} datagrams[] = {
	{ "tftp", AF_INET, false, "\0\1boot\0octet", 12, "udp 40000" },
	{ "tftp", AF_INET6, false, "\0\2boot\0octet", 12, "udp 40000" },
	{ "tftp", AF_INET, false, "\0\4\0\1", 4, "" },
	{ "tftp", AF_INET, false, "\0", 1, "" },
	{ "tftp", AF_INET, true, "\0\1boot\0octet", 12, "" },
	{ "mdns", AF_INET, false, "\0\0\0\0\0\1\0\0\0\0\0\0", 12, "udp 5353>40000 any permanent" },
	{ "mdns", AF_INET6, false, "\0\0\0\0\0\1\0\0\0\0\0\0", 12, "udp 5353>40000 any permanent" },
	{ "mdns", AF_INET, false, "\0\0\x84\0\0\0\0\1\0\0\0\0", 12, "" },
	{ "mdns", AF_INET, false, "\0\0\0\0\0\1\0\0\0\0\0", 11, "" },
	{ "mdns", AF_INET, true, "\0\0\0\0\0\1\0\0\0\0\0\0", 12, "" },
	{ "slp", AF_INET, false, "\2\1\0\0\x10", 5, "udp 427>40000 any permanent" },
	{ "slp", AF_INET6, false, "\2\6\0\0\x10", 5, "udp 427>40000 any permanent" },
	{ "slp", AF_INET, false, "\1\1\0\0\x10", 5, "udp 427>40000 any permanent" },
	{ "slp", AF_INET, false, "\2\2\0\0\x10", 5, "" },
	{ "slp", AF_INET, false, "\3\1\0\0\x10", 5, "" },
	{ "slp", AF_INET, false, "\2\1", 2, "" },
	{ "slp", AF_INET, true, "\2\1\0\0\x10", 5, "" },
	{ "dhcpv6", AF_INET6, false, "\1abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\3abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\4abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\5abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\6abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\10abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\11abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\13abc", 4, "udp 40000 any permanent" },
	{ "dhcpv6", AF_INET6, false, "\2abc", 4, "" },	/* ADVERTISE */
	{ "dhcpv6", AF_INET6, false, "\7abc", 4, "" },	/* REPLY */
	{ "dhcpv6", AF_INET6, false, "\12abc", 4, "" }, /* RECONFIGURE */
	{ "dhcpv6", AF_INET6, false, "\14abc", 4, "" }, /* RELAY-FORW */
	{ "dhcpv6", AF_INET6, false, "\0abc", 4, "" },
	{ "dhcpv6", AF_INET6, false, "\1ab", 3, "" },
	{ "dhcpv6", AF_INET6, true, "\1abc", 4, "" },
	{ "dhcpv6", AF_INET, false, "\1abc", 4, "" },
};

static void one_datagram(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(datagrams); i++) {
		const struct datagram *d = &datagrams[i];
		char what[64];
		struct talk t;

		snprintf(what, sizeof(what), "%s, row %zu", d->helper, i);
		talk_begin(&t, d->helper, d->l3, IPPROTO_UDP, 69, false);
		expect_text(what, talk_say(&t, d->reply, d->bytes, d->n), d->want);
		talk_end(&t);
	}
}

/* ---- SSDP ---- */

#define SEARCH "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n\r\n"
#define SUBSCRIBE(callback) \
	"SUBSCRIBE /ev HTTP/1.1\r\nHOST: 10.2.0.2:1400\r\n" callback "\r\nNT: upnp:event\r\n\r\n"

static void ssdp_search(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, "ssdp", AF_INET, IPPROTO_UDP, 1900, false);
	say_text(&t, false, SEARCH, "udp 40000 permanent"); /* one device only */
	talk_to(&t, "239.255.255.250");
	say_text(&t, false, SEARCH, "udp 40000 any permanent");
	say_text(&t, false, "NOTIFY * HTTP/1.1\r\n\r\n", "");
	say_text(&t, true, SEARCH, "");
	talk_end(&t);
	talk_begin(&t, "ssdp", AF_INET6, IPPROTO_UDP, 1900, false);
	talk_to(&t, "ff02::c");
	say_text(&t, false, SEARCH, "udp 40000 any permanent");
	talk_end(&t);
}

static const struct {
	const char *text, *want, *nat;
	uint8_t l3;
} subscribes[] = {
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.2:3333/a>"), "tcp 3333",
	  SUBSCRIBE("CALLBACK: <http://192.0.2.1:3334/a>"), AF_INET },
	{ SUBSCRIBE("callback:<http://10.1.0.2:3333>"), "tcp 3333",
	  SUBSCRIBE("callback:<http://192.0.2.1:3334>"), AF_INET },
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.9:1/><http://10.1.0.2:3333/>"), "tcp 3333",
	  SUBSCRIBE("CALLBACK: <http://10.1.0.9:1/><http://192.0.2.1:3334/>"), AF_INET },
	{ SUBSCRIBE("CALLBACK: <http://[fd01::2]:3333/>"), "tcp 3333",
	  SUBSCRIBE("CALLBACK: <http://[fd09::1]:3334/>"), AF_INET6 },
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.2/a>"), "tcp 80", NULL, AF_INET },
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.9:3333/a>"), "", NULL, AF_INET },
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.2:0/a>"), "", NULL, AF_INET },
	{ SUBSCRIBE("CALLBACK: <http://10.1.0.2:70000/a>"), "", NULL, AF_INET },
	{ SUBSCRIBE("CALLBACK: http://10.1.0.2:3333/a"), "", NULL, AF_INET },
	{ "GET /CALLBACK: <http://10.1.0.2:3333/a> HTTP/1.1\r\n\r\n", "", NULL, AF_INET },
};

static void ssdp_subscribe(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(subscribes); i++) {
		for (int nat = 0; nat < 2; nat++) {
			struct talk t;

			talk_begin(&t, "ssdp", subscribes[i].l3, IPPROTO_TCP, 1400, nat);
			say_text(&t, false, subscribes[i].text, subscribes[i].want);
			if (subscribes[i].nat || !nat)
				expect_text("passes", t.out[0].buf,
					    nat ? subscribes[i].nat : subscribes[i].text);
			talk_end(&t);
			talk_begin(&t, "ssdp", subscribes[i].l3, IPPROTO_TCP, 1400, nat);
			expect_text("half", talk_say(&t, false, subscribes[i].text, 30), "");
			say_text(&t, false, subscribes[i].text + 30, subscribes[i].want);
			talk_end(&t);
		}
	}
}

/* ---- Amanda, SANE, TNS ---- */

static void amanda_ports(void **state)
{
	static const char reply[] = "Amanda 2.4 REP HANDLE 000-1 SEQ 1\nCONNECT DATA 11111 MESG "
				    "22222 INDEX 33333\nOPTIONS x;\n";
	struct talk t;

	(void)state;
	for (int nat = 0; nat < 2; nat++) {
		talk_begin(&t, "amanda", AF_INET, IPPROTO_UDP, 10080, nat);
		say_text(&t, false, reply, "");
		say_text(&t, true, reply, "tcp 11111; tcp 22222; tcp 33333");
		expect_text("passes", t.out[1].buf,
			    nat ? "Amanda 2.4 REP HANDLE 000-1 SEQ 1\nCONNECT DATA 11112 MESG "
				  "22223 INDEX 33334\nOPTIONS x;\n" :
				  reply);
		say_text(&t, true, "CONNECT DATA 0 MESG 65536 INDEX 7", "tcp 7");
		say_text(&t, true, "CONNECT \nDATA 1", "");
		say_text(&t, true, "CONNECT MESG 65535", "tcp 65535");
		say_text(&t, true, "DATA 11111", "");
		talk_end(&t);
	}
}

static void sane_start(void **state)
{
	static const struct helper_private zero;
	struct talk t;

	(void)state;
	talk_begin(&t, "sane", AF_INET, IPPROTO_TCP, 6566, true);
	expect_text("init", talk_say(&t, false, "\0\0\0\0\1\0\0\3\0\0\0\0", 12), "");
	expect_text("answer", talk_say(&t, true, "\0\0\0\0\0\0\x8\1", 8), ""); /* to no START */
	expect_text("start", talk_say(&t, false, "\0\0\0\7\0\0\0\1", 8), "");
	text_reset(&t.out[1]);
	expect_text("port", talk_say(&t, true, "\0\0\0\0\0\0\x8\1\0\0\x12\x34", 12), "tcp 2049");
	assert_int_equal(t.out[1].len, 12);
	assert_memory_equal(t.out[1].buf, "\0\0\0\0\0\0\x8\2\0\0\x12\x34", 12);
	expect_text("again", talk_say(&t, true, "\0\0\0\0\0\0\x8\1", 8), "");
	talk_say(&t, false, "\0\0\0\7\0\0\0\1", 8);
	expect_text("busy", talk_say(&t, true, "\0\0\0\3\0\0\x8\1", 8), "");
	talk_say(&t, false, "\0\0\0\7\0\0\0\1", 8);
	expect_text("too large", talk_say(&t, true, "\0\0\0\0\0\1\x8\1", 8), "");
	talk_say(&t, false, "\0\0\0\7\0\0\0\1", 8);
	expect_text("in two", talk_say(&t, true, "\0\0\0\0\0\0", 6), "");
	expect_text("the rest", talk_say(&t, true, "\x8\1", 2), "tcp 2049");
	assert_memory_equal(&t.priv, &zero, sizeof(zero));
	talk_end(&t);
}

/* A REDIRECT with this text, all of it or only its header. */
static size_t redirect(uint8_t *buf, const char *text)
{
	size_t n = strlen(text);

	memset(buf, 0, 10);
	buf[1] = (uint8_t)(10 + n);
	buf[4] = 5;
	buf[9] = (uint8_t)n;
	memcpy(buf + 10, text, n + 1);
	return 10 + n;
}

static const struct {
	const char *text, *want, *nat;
	uint8_t l3;
} redirects[] = {
	{ "(ADDRESS=(PROTOCOL=tcp)(HOST=10.2.0.2)(PORT=2049))", "tcp 2049",
	  "(ADDRESS=(PROTOCOL=tcp)(HOST=192.0.2.2)(PORT=2050))", AF_INET },
	{ "(address=(port = 2049)(host = 10.2.0.2 ))", "tcp 2049",
	  "(address=(port = 2050)(host = 192.0.2.2 ))", AF_INET },
	{ "(ADDRESS=(HOST=fd02::2)(PORT=2049))", "tcp 2049", "(ADDRESS=(HOST=fd09::2)(PORT=2050))",
	  AF_INET6 },
	{ "(ADDRESS=(HOST=10.2.0.7)(PORT=2049))", "tcp 2049 elsewhere", NULL, AF_INET },
	{ "(ADDRESS=(HOST=db.example)(PORT=2049))", "", NULL, AF_INET },
	{ "(ADDRESS=(HOST=10.2.0.2)(PORT=0))", "", NULL, AF_INET },
	{ "(ADDRESS=(HOST=10.2.0.2)(PORT=65536))", "", NULL, AF_INET },
	{ "(ADDRESS=(HOST=10.2.0.2)(PORT=20x))", "", NULL, AF_INET },
};

static void tns_redirect(void **state)
{
	uint8_t buf[128];
	struct talk t;

	(void)state;
	for (size_t i = 0; i < COUNT(redirects); i++) {
		size_t n = redirect(buf, redirects[i].text);

		for (int nat = 0; nat < 2; nat++) {
			const char *passes =
				nat && redirects[i].nat ? redirects[i].nat : redirects[i].text;

			talk_begin(&t, "tns", redirects[i].l3, IPPROTO_TCP, 1521, nat);
			expect_text("whole", talk_say(&t, true, buf, n), redirects[i].want);
			expect_text("passes", t.out[1].buf + 10, passes);
			text_reset(&t.out[1]);
			expect_text("header", talk_say(&t, true, buf, 10), "");
			assert_int_not_equal(t.priv.bytes[0], 0);
			expect_text("text", talk_say(&t, true, buf + 10, n - 10),
				    redirects[i].want);
			expect_text("passes", t.out[1].buf + 10, passes);
			assert_int_equal(t.priv.bytes[0], 0);
			expect_text("the client", talk_say(&t, false, buf, n), "");
			buf[4] = 6;
			expect_text("DATA", talk_say(&t, true, buf, n), "");
			buf[4] = 5;
			talk_end(&t);
		}
		talk_begin(&t, "tns", redirects[i].l3, IPPROTO_TCP, 1521, false);
		expect_text("first part", talk_say(&t, true, buf, 24), "");
		expect_text("second part", talk_say(&t, true, buf + 24, n - 24), redirects[i].want);
		talk_end(&t);
	}
}

/* ---- ONC RPC ---- */

struct rpc_msg {
	uint8_t bytes[256];
	size_t n;
};

static void word(struct rpc_msg *m, uint32_t v)
{
	const uint8_t be[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			       (uint8_t)v };

	memcpy(m->bytes + m->n, be, 4);
	m->n += 4;
}

static void string(struct rpc_msg *m, const char *s)
{
	word(m, (uint32_t)strlen(s));
	memcpy(m->bytes + m->n, s, strlen(s));
	m->n += (strlen(s) + 3) & ~(size_t)3;
}

static void begin(struct rpc_msg *m, bool tcp)
{
	*m = (struct rpc_msg){ .n = tcp ? 4 : 0 };
}

static void end(struct rpc_msg *m, bool tcp)
{
	size_t n = m->n;

	if (!tcp)
		return;
	m->n = 0;
	word(m, 0x80000000u | (uint32_t)(n - 4));
	m->n = n;
}

static struct rpc_msg call(bool tcp, uint32_t version, uint32_t proc, uint32_t proto,
			   const char *netid)
{
	struct rpc_msg m;

	begin(&m, tcp);
	word(&m, 4711);
	word(&m, 0);
	word(&m, 2);
	word(&m, 100000);
	word(&m, version);
	word(&m, proc);
	word(&m, 1); /* AUTH_SYS with a body of 6 bytes and padding */
	string(&m, "secret");
	word(&m, 0);
	word(&m, 0);
	word(&m, 100005);
	word(&m, 3);
	if (netid) {
		string(&m, netid);
		string(&m, "");
		string(&m, "owner");
	} else {
		word(&m, proto);
		word(&m, 0);
	}
	end(&m, tcp);
	return m;
}

static struct rpc_msg answer(bool tcp, uint32_t xid, uint32_t success, uint32_t port,
			     const char *addr)
{
	struct rpc_msg m;

	begin(&m, tcp);
	word(&m, xid);
	word(&m, 1);
	word(&m, 0);
	word(&m, 0);
	word(&m, 0);
	word(&m, success);
	if (addr)
		string(&m, addr);
	else
		word(&m, port);
	end(&m, tcp);
	return m;
}

static const char *say_msg(struct talk *t, bool reply, struct rpc_msg m)
{
	return talk_say(t, reply, m.bytes, m.n);
}

static void rpc_one(bool tcp, bool nat)
{
	const uint8_t l4 = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	struct rpc_msg want;
	struct talk t;

	talk_begin(&t, "rpc", AF_INET, l4, 111, nat);
	expect_text("answer without question", say_msg(&t, true, answer(tcp, 4711, 0, 2049, NULL)),
		    "");
	say_msg(&t, false, call(tcp, 2, 3, IPPROTO_TCP, NULL));
	text_reset(&t.out[1]);
	expect_text("tcp", say_msg(&t, true, answer(tcp, 4711, 0, 2049, NULL)),
		    "tcp 2049 permanent");
	want = answer(tcp, 4711, 0, nat ? 2050 : 2049, NULL);
	assert_int_equal(t.out[1].len, want.n);
	assert_memory_equal(t.out[1].buf, want.bytes, want.n);
	expect_text("once", say_msg(&t, true, answer(tcp, 4711, 0, 2049, NULL)), "");
	say_msg(&t, false, call(tcp, 2, 3, IPPROTO_UDP, NULL));
	expect_text("another xid", say_msg(&t, true, answer(tcp, 4712, 0, 2049, NULL)), "");
	expect_text("udp", say_msg(&t, true, answer(tcp, 4711, 0, 65535, NULL)),
		    "udp 65535 permanent");
	say_msg(&t, false, call(tcp, 2, 3, IPPROTO_UDP, NULL));
	expect_text("not registered", say_msg(&t, true, answer(tcp, 4711, 0, 0, NULL)), "");
	say_msg(&t, false, call(tcp, 2, 3, IPPROTO_UDP, NULL));
	expect_text("no port", say_msg(&t, true, answer(tcp, 4711, 0, 65536, NULL)), "");
	say_msg(&t, false, call(tcp, 2, 3, IPPROTO_UDP, NULL));
	expect_text("refused", say_msg(&t, true, answer(tcp, 4711, 1, 2049, NULL)), "");
	say_msg(&t, false, call(tcp, 2, 4, IPPROTO_UDP, NULL));
	expect_text("DUMP", say_msg(&t, true, answer(tcp, 4711, 0, 2049, NULL)), "");
	say_msg(&t, false, call(tcp, 2, 3, 132, NULL));
	expect_text("SCTP", say_msg(&t, true, answer(tcp, 4711, 0, 2049, NULL)), "");
	say_msg(&t, false, call(tcp, 4, 3, 0, "tcp"));
	text_reset(&t.out[1]);
	expect_text("GETADDR", say_msg(&t, true, answer(tcp, 4711, 0, 0, "10.2.0.2.8.1")),
		    "tcp 2049 permanent");
	want = answer(tcp, 4711, 0, 0, nat ? "192.0.2.2.8.2" : "10.2.0.2.8.1");
	assert_int_equal(t.out[1].len, want.n);
	assert_memory_equal(t.out[1].buf, want.bytes, want.n);
	say_msg(&t, false, call(tcp, 3, 3, 0, "udp"));
	expect_text("of another", say_msg(&t, true, answer(tcp, 4711, 0, 0, "10.2.0.9.8.1")), "");
	say_msg(&t, false, call(tcp, 3, 3, 0, "udp"));
	expect_text("none", say_msg(&t, true, answer(tcp, 4711, 0, 0, "")), "");
	say_msg(&t, false, call(tcp, 3, 3, 0, "udp6"));
	expect_text("the other family", say_msg(&t, true, answer(tcp, 4711, 0, 0, "10.2.0.2.8.1")),
		    "");
	talk_end(&t);

	talk_begin(&t, "rpc", AF_INET6, l4, 111, nat);
	say_msg(&t, false, call(tcp, 4, 3, 0, "udp6"));
	expect_text("IPv6", say_msg(&t, true, answer(tcp, 4711, 0, 0, "fd02::2.195.80")),
		    "udp 50000 permanent");
	want = answer(tcp, 4711, 0, 0, nat ? "fd09::2.195.81" : "fd02::2.195.80");
	assert_int_equal(t.out[1].len, want.n);
	assert_memory_equal(t.out[1].buf, want.bytes, want.n);
	talk_end(&t);
}

static void rpc_forms(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		rpc_one(i & 1, i & 2);
}

/* Records cut anywhere, and question after question in one segment. */
static void rpc_stream(void **state)
{
	const struct rpc_msg q = call(true, 2, 3, IPPROTO_TCP, NULL),
			     a = answer(true, 4711, 0, 2049, NULL);
	uint8_t two[512];
	struct talk t;

	(void)state;
	for (size_t cut = 1; cut < q.n; cut++) {
		talk_begin(&t, "rpc", AF_INET, IPPROTO_TCP, 111, false);
		talk_say(&t, false, q.bytes, cut);
		talk_say(&t, false, q.bytes + cut, q.n - cut);
		expect_text("question in two", say_msg(&t, true, a), "tcp 2049 permanent");
		talk_end(&t);
	}
	for (size_t cut = 1; cut < a.n; cut++) {
		talk_begin(&t, "rpc", AF_INET, IPPROTO_TCP, 111, false);
		say_msg(&t, false, q);
		expect_text("first", talk_say(&t, true, a.bytes, cut), "");
		expect_text("answer in two", talk_say(&t, true, a.bytes + cut, a.n - cut),
			    "tcp 2049 permanent");
		talk_end(&t);
	}
	talk_begin(&t, "rpc", AF_INET, IPPROTO_TCP, 111, false);
	memcpy(two, call(true, 2, 4, 0, NULL).bytes, q.n);
	memcpy(two + q.n, q.bytes, q.n);
	talk_say(&t, false, two, 2 * q.n);
	expect_text("of two", say_msg(&t, true, a), "tcp 2049 permanent");
	talk_end(&t);
}

/* ---- all of them ---- */

static void table_is_complete(void **state)
{
	static const char *const names[] = {
		"amanda", "dhcpv6", "ftp", "mdns", "rpc", "sane", "slp", "ssdp", "tftp", "tns",
	};
	size_t i;

	(void)state;
	for (i = 0; helper_at(i); i++) {
		const struct helper *h = helper_at(i);

		assert_string_equal(h->name, names[i]);
		assert_ptr_equal(helper_find(names[i]), h);
		assert_true(h->tcp || h->udp);
		assert_true(h->v4 || h->v6);
		assert_true(h->private_len <= HELPER_PRIVATE_MAX);
		assert_true(h->expect_max > 0 && h->expect_max <= 255 && h->expect_timeout_s > 0);
	}
	assert_int_equal(i, COUNT(names));
	assert_null(helper_find("sip"));
}

/* Cut at every length, each byte changed: nothing is read outside, and no port is 0. */
static void hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ftp_rows); i++) {
		size_t n = strlen(ftp_rows[i].text);
		char bytes[128];

		for (size_t cut = 0; cut <= n; cut++) {
			for (unsigned int flip = 0; flip < 8; flip++) {
				struct talk t;

				memcpy(bytes, ftp_rows[i].text, n);
				if (cut > 0)
					bytes[cut - 1] ^= (char)(1u << flip);
				talk_begin(&t, "ftp", ftp_rows[i].v6 ? AF_INET6 : AF_INET,
					   IPPROTO_TCP, 21, true);
				assert_null(strstr(talk_say(&t, ftp_rows[i].reply, bytes, cut),
						   "tcp 0"));
				talk_say(&t, ftp_rows[i].reply, bytes + cut, n - cut);
				talk_end(&t);
			}
		}
	}
}

/* Seconds of the processor for a text in both directions, twenty times. */
static double time_of(const struct helper *h, const char *text, size_t n)
{
	const clock_t began = clock();
	struct talk t;

	talk_begin(&t, h->name, h->v4 ? AF_INET : AF_INET6, h->tcp ? IPPROTO_TCP : IPPROTO_UDP, 21,
		   false);
	for (int times = 0; times < 20; times++) {
		talk_say(&t, false, text, n);
		talk_say(&t, true, text, n);
	}
	talk_end(&t);
	return (double)(clock() - began) / CLOCKS_PER_SEC;
}

/* As much as a parser ever sees, full of beginnings: the work grows with the length. With its
 * square it would take some hundred times as long as it does. */
static void full_of_beginnings(void **state)
{
	static const char head[] = "SUBSCRIBE / HTTP/1.1\r\nCALLBACK: ", tail[] = "\r\n\r\n";
	static const char *const patterns[] = {
		"<http://[", "<http://", "PORT ",    "PORT 1,1,1,1,1,", "227 ",	     "1,",
		"229 (|||",  "|",	 "\n",	     "EPRT |1|",	"(HOST",     "(HOST =",
		"(PORT=",    "(HOST=1 ", "CONNECT ", "DATA ",		"M-SEARCH ",
	};
	static char text[HELPER_TEXT_MAX];
	const struct helper *h;

	(void)state;
	for (size_t i = 0; (h = helper_at(i)); i++) {
		for (size_t k = 0; k < COUNT(patterns); k++) {
			size_t n = strlen(patterns[k]), begin = sizeof(head) - 1;

			memcpy(text, head, begin);
			for (size_t at = begin; at < sizeof(text); at++)
				text[at] = patterns[k][(at - begin) % n];
			memcpy(text + sizeof(text) - 4, tail, 4);
			assert_true(time_of(h, text, sizeof(text)) < 2.0);
			assert_true(time_of(h, text + begin, sizeof(text) - begin) < 2.0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ftp_forms),	cmocka_unit_test(ftp_split),
		cmocka_unit_test(ftp_pieces),	cmocka_unit_test(ftp_other_word),
		cmocka_unit_test(ftp_again),	cmocka_unit_test(ftp_within),
		cmocka_unit_test(ftp_private),	cmocka_unit_test(one_datagram),
		cmocka_unit_test(ssdp_search),	cmocka_unit_test(ssdp_subscribe),
		cmocka_unit_test(amanda_ports), cmocka_unit_test(sane_start),
		cmocka_unit_test(tns_redirect), cmocka_unit_test(rpc_forms),
		cmocka_unit_test(rpc_stream),	cmocka_unit_test(table_is_complete),
		cmocka_unit_test(hostile),	cmocka_unit_test(full_of_beginnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
