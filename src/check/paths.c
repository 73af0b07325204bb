/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, directories, groups and priorities: what a start on this machine would stumble over. Asked
 * with the rights of whoever runs the check. */
#include "check/check.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is it there as what it has to be, or can it be made? */
static void path(const struct check *c, enum conf_section section, const char *name,
		 const char *path, mode_t kind, const char *what)
{
	char dir[LOG_CONF_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (!path[0] || !slash)
		return;
	if (stat(path, &st) == 0) {
		if ((st.st_mode & S_IFMT) != kind)
			check_say(c, CONF_WARNING, section, name, 0,
				  "%s %s is there, and is no %s: the daemon does not start", name,
				  path, what);
		else if (access(path, W_OK) == -1)
			check_say(c, CONF_WARNING, section, name, 0, "%s %s cannot be written: %s",
				  name, path, strerror(errno));
		return;
	}
	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (access(dir, W_OK | X_OK) == -1)
		check_say(c, CONF_WARNING, section, name, 0, "%s %s cannot be made: %s: %s", name,
			  path, dir, strerror(errno));
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static void group(const struct check *c)
{
	const char *name = c->conf->control.group;

	if (name[0] && !is_number(name) && !getgrnam(name))
		check_say(c, CONF_WARNING, CONF_UNIX, "Group", 0,
			  "this machine has no group %s: nobody but root gets in", name);
}

/* A process may ask for itself; it goes back at once. */
static void priority(const struct check *c)
{
	const struct conf_sched *s = &c->conf->sched;
	struct sched_param wanted = { .sched_priority = (int)s->priority }, none = { 0 };
	int policy = s->type == CONF_SCHED_FIFO ? SCHED_FIFO : SCHED_RR;

	if (s->type == CONF_SCHED_UNSET)
		return;
	if (sched_setscheduler(0, policy, &wanted) == -1)
		check_say(c, CONF_WARNING, CONF_SCHEDULER, "Priority", 0,
			  "a real-time priority of %u cannot be had here: %s", s->priority,
			  strerror(errno));
	else
		sched_setscheduler(0, SCHED_OTHER, &none);
}

void check_paths(const struct check *c)
{
	const struct conf *conf = c->conf;

	path(c, CONF_GENERAL, "LockFile", conf->lockfile, S_IFREG, "file");
	path(c, CONF_UNIX, "Path", conf->control.path, S_IFSOCK, "socket");
	if (conf->log.to_file)
		path(c, CONF_GENERAL, "LogFile", conf->log.path, S_IFREG, "file");
	if (conf->mode == CONF_MODE_STATS && conf->stats.log.to_file)
		path(c, CONF_STATS, "LogFile", conf->stats.log.path, S_IFREG, "file");
	group(c);
	priority(c);
}
