/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a port, for the message of a bind() that failed. By what /proc shows (proc(5)): the table
 * of sockets gives the inode, the descriptors of the processes say whose it is. Only at the start,
 * and only after a failure. */
#include "channel/port_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INODES 16 /* more sockets than this do not share one port */

/* Inodes of the sockets bound to the port, with any address. */
static size_t find_inodes(const char *table, uint16_t port, unsigned long *inode, size_t n)
{
	FILE *f = fopen(table, "re");
	char line[512];
	size_t found = 0;

	if (!f)
		return 0;
	while (found < n && fgets(line, sizeof(line), f)) {
		unsigned int number;

		/* sl: local_address rem_address st queues timer retrnsmt uid timeout inode */
		if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%4x %*s %*s %*s %*s %*s %*s %*s %lu", &number,
			   &inode[found]) == 2 &&
		    number == port)
			found++;
	}
	fclose(f);
	return found;
}

static bool has_inode(const char *pid, const unsigned long *inode, size_t n)
{
	char path[64], target[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		unsigned long number;

		if (len <= 0)
			continue;
		target[len] = '\0';
		if (sscanf(target, "socket:[%lu]", &number) != 1)
			continue;
		for (size_t i = 0; i < n; i++)
			found = found || inode[i] == number;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void add_process(struct text *out, const char *pid)
{
	char path[64], name[32] = "?";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	text_printf(out, " by PID %s (%s)", pid, name);
}

void port_owner_text(const char *protocol, uint16_t port, struct text *out)
{
	unsigned long inode[INODES];
	size_t n = 0;
	struct dirent *e;
	DIR *dir;

	for (const char *const *family = (const char *const[]){ "", "6", NULL }; *family;
	     family++) {
		char table[32];

		snprintf(table, sizeof(table), "/proc/net/%.4s%s", protocol, *family);
		n += find_inodes(table, port, inode + n, INODES - n);
	}
	dir = n > 0 ? opendir("/proc") : NULL;
	while (dir && (e = readdir(dir))) {
		if (strspn(e->d_name, "0123456789") != strlen(e->d_name) ||
		    !has_inode(e->d_name, inode, n))
			continue;
		add_process(out, e->d_name);
		break;
	}
	if (dir)
		closedir(dir);
}
