/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is this node active, since when, and is a purge pending?
 *
 * The file is text, one word and one value a line, in this order and nothing else:
 *
 *         conntrackd-state 1      boot 0d1b...            the kernel's boot id: after a reboot
 * there are no flows that a purge could be about
 *	netns 4:4026531840	whose table it is
 *	role 1			enum activity_role
 *	since 81234567		ms of CLOCK_BOOTTIME; 0: not active
 *	purge 0			ms of CLOCK_BOOTTIME; 0: none pending
 *
 * It is written whole under another name and moved into place, so a daemon that is killed leaves
 * the old or the new one. What a reader does not understand, or anybody but this user may write, is
 * not believed: a purge on its word empties a table. */
#include "follow/activity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define STATE_MAX   256			/* bytes of the file */
#define BOOT_ID	    36			/* characters */
#define SECONDS_MAX INT64_C(4294967295) /* of PurgeTimeout */

struct activity {
	enum activity_role role;
	struct mono since;     /* set while active */
	struct mono left;      /* when it was active last; not in the file */
	struct mono purge_due; /* not set: none is pending */
	char *path, *temp;     /* NULL: no file */
	char boot[BOOT_ID + 1];
	unsigned long long netns[2]; /* device and inode of the namespace */
	bool said;		     /* that it cannot be written */
};

/* ---- clocks: the file must survive the process, so its times are of the boot ---- */

static int64_t boot_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / MONO_NS_PER_MS;
}

static int64_t to_boot(struct mono t, struct mono now)
{
	return mono_is_set(t) ? boot_ms() + mono_diff_ms(t, now) : 0;
}

static struct mono from_boot(int64_t ms, struct mono now)
{
	struct mono t = mono_add_ms(now, ms - boot_ms());

	if (ms == 0)
		return (struct mono){ 0 };
	return t.ns > 0 ? t : (struct mono){ .ns = 1 }; /* the machine has slept since: long ago */
}

/* ---- writing ---- */

static int write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = 0;

	if (fd == -1)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		err = errno ? -errno : -EIO;
	if (close(fd) == -1 && err == 0)
		err = -errno;
	return err;
}

static void save(struct activity *a, struct mono now)
{
	char text[STATE_MAX];
	int n, err;

	if (!a->path)
		return;
	n = snprintf(text, sizeof(text),
		     "conntrackd-state 1\nboot %s\nnetns %llu:%llu\nrole %d\nsince %" PRId64
		     "\npurge %" PRId64 "\n",
		     a->boot, a->netns[0], a->netns[1], (int)a->role, to_boot(a->since, now),
		     to_boot(a->purge_due, now));
	unlink(a->temp); /* of one that was killed */
	err = write_file(a->temp, text, (size_t)n);
	if (err == 0 && rename(a->temp, a->path) == -1)
		err = -errno;
	if (err == 0)
		return;
	unlink(a->temp);
	if (a->said)
		return;
	a->said = true;
	log_warnx("cannot write %s: %s; after a restart the daemon will not know whether this node "
		  "is active, nor of a pending -t",
		  a->path, strerror(-err));
}

/* ---- reading ---- */

/* What must be the same for the file to be about us. */
static bool know_ourselves(struct activity *a)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	struct stat st;
	bool known = f && fscanf(f, "%36s", a->boot) == 1;

	if (f)
		fclose(f);
	if (!known || stat("/proc/self/ns/net", &st) == -1)
		return false;
	a->netns[0] = st.st_dev;
	a->netns[1] = st.st_ino;
	return true;
}

/* The whole file as a string; NULL or what is wrong with it. *missing: there is none. */
static const char *read_file(const char *path, char *text, bool *missing)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *wrong = NULL;
	struct stat st;
	ssize_t n;

	*missing = fd == -1 && errno == ENOENT;
	if (fd == -1)
		return strerror(errno);
	n = read(fd, text, STATE_MAX);
	if (n == -1)
		wrong = strerror(errno);
	else if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		 (st.st_mode & 022))
		wrong = "others may write it";
	else if (n == STATE_MAX || memchr(text, '\0', (size_t)n))
		wrong = "it is damaged";
	close(fd);
	if (!wrong)
		text[n] = '\0';
	return wrong;
}

/* NULL or what is wrong. Of another boot: void, and nothing is wrong. */
static const char *take(struct activity *a, const char *text, struct mono now)
{
	unsigned long long netns[2];
	char boot[BOOT_ID + 1];
	int64_t since, purge;
	int role, end = -1;

	if (sscanf(text,
		   "conntrackd-state 1 boot %36s netns %llu:%llu role %d since %" SCNd64
		   " purge %" SCNd64 "%n",
		   boot, &netns[0], &netns[1], &role, &since, &purge, &end) != 6 ||
	    strcmp(text + end, "\n") != 0)
		return "it is damaged";
	if (strcmp(boot, a->boot) != 0)
		return NULL;
	if (netns[0] != a->netns[0] || netns[1] != a->netns[1])
		return "it is about another network namespace";
	if (role < ACTIVITY_NONE || role > ACTIVITY_REQUEST ||
	    (role == ACTIVITY_COMMIT) != (since != 0) || since < 0 || since > boot_ms() ||
	    purge < 0 || purge > boot_ms() + SECONDS_MAX * 1000 ||
	    (role == ACTIVITY_COMMIT && purge != 0))
		return "it contradicts itself";
	a->role = (enum activity_role)role;
	a->since = from_boot(since, now);
	a->purge_due = from_boot(purge, now);
	return NULL;
}

static void load(struct activity *a, struct mono now)
{
	char text[STATE_MAX];
	bool missing;
	const char *wrong = read_file(a->path, text, &missing);

	if (missing)
		return;
	if (!wrong)
		wrong = take(a, text, now);
	if (wrong)
		log_warnx("%s, which tells whether this node is active, is ignored: %s", a->path,
			  wrong);
}

/* ---- commands ---- */

bool activity_commit(struct activity *a, struct mono now)
{
	bool pending = mono_is_set(a->purge_due), again = activity_active(a);

	if (!again)
		a->since = now;
	a->role = ACTIVITY_COMMIT;
	a->purge_due = (struct mono){ 0 };
	if (pending || !again)
		save(a, now);
	return pending;
}

static void leave(struct activity *a, enum activity_role role, struct mono now)
{
	if (activity_active(a))
		a->left = now;
	a->role = role;
	a->since = (struct mono){ 0 };
}

bool activity_purge(struct activity *a, struct mono due, struct mono now)
{
	bool pending = mono_is_set(a->purge_due) && mono_before(now, a->purge_due);

	leave(a, ACTIVITY_PURGE, now);
	if (!pending)
		a->purge_due = due;
	save(a, now);
	return !pending;
}

void activity_request(struct activity *a, struct mono now)
{
	bool again = a->role == ACTIVITY_REQUEST;

	leave(a, ACTIVITY_REQUEST, now);
	if (!again)
		save(a, now);
}

enum activity_role activity_role(const struct activity *a)
{
	return a->role;
}

const char *activity_option(const struct activity *a)
{
	static const char *const option[] = {
		[ACTIVITY_NONE] = NULL,
		[ACTIVITY_COMMIT] = "-c",
		[ACTIVITY_PURGE] = "-t",
		[ACTIVITY_REQUEST] = "-n",
	};

	return option[a->role];
}

bool activity_active(const struct activity *a)
{
	return a->role == ACTIVITY_COMMIT;
}

struct mono activity_since(const struct activity *a)
{
	return a->since;
}

struct mono activity_left(const struct activity *a)
{
	return a->left;
}

struct mono activity_purge_due(const struct activity *a)
{
	return a->purge_due;
}

bool activity_purge_cancel(struct activity *a, struct mono now)
{
	if (!mono_is_set(a->purge_due))
		return false;
	a->purge_due = (struct mono){ 0 };
	save(a, now);
	return true;
}

void activity_purge_done(struct activity *a, struct mono due, struct mono now)
{
	if (mono_is_set(due) && a->purge_due.ns == due.ns)
		activity_purge_cancel(a, now);
}

bool activity_missed_commit(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK | W_OK) == 0 ? activity_open(path, now) : NULL;
	bool pending = a && activity_role(a) != ACTIVITY_NONE && activity_commit(a, now);

	activity_close(a);
	return pending;
}

void activity_missed_standby(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK | W_OK) == 0 ? activity_open(path, now) : NULL;

	if (a && activity_active(a))
		activity_request(a, now);
	activity_close(a);
}

bool activity_was_active(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK) == 0 ? activity_open(path, now) : NULL;
	bool active = a && activity_active(a);

	activity_close(a);
	return active;
}

/* ---- lifetime ---- */

static bool set_path(struct activity *a, const char *path)
{
	size_t n = strlen(path);

	a->path = strdup(path);
	a->temp = malloc(n + sizeof(".new"));
	if (a->temp)
		snprintf(a->temp, n + sizeof(".new"), "%s.new", path);
	return a->path && a->temp;
}

struct activity *activity_open(const char *path, struct mono now)
{
	struct activity *a = calloc(1, sizeof(*a));

	if (!a || !path)
		return a;
	if (!set_path(a, path)) {
		activity_close(a);
		return NULL;
	}
	if (know_ourselves(a))
		load(a, now);
	return a;
}

void activity_close(struct activity *a)
{
	if (!a)
		return;
	free(a->path);
	free(a->temp);
	free(a);
}
