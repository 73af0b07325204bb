/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine would make of a file: kernels that are directories of this test; files, links and
 * buffers of the machine it runs on, which need no rights. */
#include "read.h"

#include <ftw.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static char root[] = "/tmp/check-test-XXXXXX";

static void put(const char *path, const char *text)
{
	char full[600], *slash;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		mkdir(full, 0700);
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define SYSCTL "/proc/sys/net/netfilter/nf_conntrack_"

static void kernel(const char *events, const char *count, const char *max)
{
	put(SYSCTL "events", events);
	put(SYSCTL "count", count);
	put(SYSCTL "max", max);
	put(SYSCTL "acct", "0\n");
	put(SYSCTL "timestamp", "1\n");
	put("/sys/module/nf_conntrack_netlink/x", "");
}

static void is_said(const char *text, void (*part)(const struct check *), const char *wanted)
{
	struct said s;

	said_read(&s, "f", text);
	s.check.root = root;
	part(&s.check);
	said_is(&s, wanted);
	said_free(&s);
}

#define SYNC HEAD("FTFW") "}\n"

static void settings(void **state)
{
	(void)state;
	kernel("1\n", "17\n", "1000\n");
	is_said(SYNC, check_kernel, "");
	is_said(SYNC "General {\nHashLimit 999\n}\n", check_kernel,
		"12: warning: HashLimit 999 is less than net.netfilter.nf_conntrack_max (1000)\n");
	is_said("Stats {\n}\n", check_kernel, "0: warning: net.netfilter.nf_conntrack_acct is 0\n");
	kernel("0\n", "17\n", "1000\n");
	is_said(SYNC, check_kernel, "0: warning: net.netfilter.nf_conntrack_events is 0\n");
	kernel("2\n", "17\n", "1000\n");
	is_said(SYNC, check_kernel, "");
	is_said(SYNC "General {\nNetlinkEventsSysctl off\n}\n", check_kernel,
		"12: warning: net.netfilter.nf_conntrack_events is 2 and stays so\n");
	kernel("1\n", "0\n", "1000\n");
	is_said(SYNC, check_kernel, "0: warning: the kernel's table is empty\n");
}

static void modules(void **state)
{
	static const char file[] = SYNC "Helper {\nType ftp inet tcp {\n}\n}\n";
	struct utsname u;
	char path[300];

	(void)state;
	kernel("1\n", "17\n", "1000\n");
	is_said(file, check_kernel, ""); /* which modules there are is not known */
	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", u.release);
	put(path, "kernel/net/netfilter/nfnetlink_queue.ko.xz: kernel/a.ko\n"
		  "kernel/net/nfnetlink_cthelper_not.ko:\n");
	is_said(file, check_kernel, "0: warning: this kernel (\n");
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", u.release);
	put(path, "kernel/net/netfilter/nfnetlink-cthelper.ko\n");
	is_said(file, check_kernel, "");
}

static void links(void **state)
{
	(void)state;
	is_said(SYNC, check_links,
		"7: warning: there is no interface eth9 here\n"
		"5: warning: IPv4_address 10.9.0.1 is no address of this machine\n");
	is_said("Sync {\nMode FTFW {\n}\nUDP {\nIPv4_address 10.9.0.1\n"
		"IPv4_Destination_Address 127.0.0.1\nInterface eth9\nPort 3780\n"
		"SndSocketBuffer 2147483647\n}\n}\n",
		check_links,
		"7: warning: there is no interface eth9 here\n"
		"5: warning: IPv4_address 10.9.0.1 is no address of this machine\n"
		"6: warning: IPv4_Destination_Address 127.0.0.1 is an address of this machine "
		"itself\n"
		"9: warning: SndSocketBuffer 2147483647 cannot take effect here\n");
}

static void paths(void **state)
{
	char text[1200], wanted[1200];

	(void)state;
	put("/there/file", "");
	snprintf(text, sizeof(text),
		 SYNC "General {\nLockFile %s/missing/lock\nLogFile %s/there\nUNIX {\n"
		      "Path %s/there/file\nGroup no-such-group\n}\n}\n",
		 root, root, root);
	snprintf(wanted, sizeof(wanted),
		 "12: warning: LockFile %s/missing/lock cannot be made: %s/missing: No such file\n"
		 "15: warning: Path %s/there/file is there, and is no socket\n"
		 "13: warning: LogFile %s/there is there, and is no file\n"
		 "16: warning: this machine has no group no-such-group\n",
		 root, root, root, root);
	is_said(text, check_paths, wanted);
	snprintf(text, sizeof(text),
		 SYNC "General {\nLockFile %s/there/lock\nLogFile %s/there/file\nUNIX {\n"
		      "Path %s/there/ctl\n}\n}\n",
		 root, root, root);
	is_said(text, check_paths, "");
}

static int removed(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),
		cmocka_unit_test(modules),
		cmocka_unit_test(links),
		cmocka_unit_test(paths),
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(root, removed, 8, FTW_DEPTH | FTW_PHYS);
	return failed;
}
