/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a checked configuration to a running daemon, in the foreground or behind a fork.
 *
 * With -d the fork comes first and the parent waits on a pipe: lock, pid, timers and scheduling
 * then belong to the process that runs, errors reach the terminal until the daemon is ready, and
 * the exit status of the command tells whether it is. 1.4.x forks at the end and is silent about
 * failures when only a log file is configured. */
#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config.h"
#include "daemon/caps.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "daemon/signals.h"

/* The parent's side: wait for "ready", or for the child's exit status. */
static int wait_for_child(int ready_fd, pid_t child, const struct notify *notify)
{
	char byte;
	int status;
	ssize_t n;

	do
		n = read(ready_fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	if (n == 1) {
		notify_ready_child(notify, child);
		return 0;
	}
	while (waitpid(child, &status, 0) == -1)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
}

/* Descriptors 0 to 2 stay open on /dev/null: a closed one would be handed to the next socket, and a
 * stray write to standard error would go to a client. */
static void detach_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* A line each; one that begins with white space belongs to that before. */
static void log_warnings(const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");

		log_warn_said("%.*s", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

/* What runs, by which file, over which links. */
static void say_start(const struct conf *conf, const char *name)
{
	char links[160] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < conf->channel.n_links && n < sizeof(links); i++)
		n += (size_t)snprintf(links + n, sizeof(links) - n, "%s%s over %s", ", ",
				      conf_link_name(conf->channel.link[i].type),
				      conf->channel.link[i].ifname);
	log_notice("conntrackd %s starts by %s: %s%s", PACKAGE_VERSION, name,
		   conf->mode == CONF_MODE_SYNC	 ? conf_mode_name(conf->sync.mode) :
		   conf->mode == CONF_MODE_STATS ? "statistics mode" :
						   "helpers only",
		   links);
}

/* Everything from the logs on; ready_fd is -1 in the foreground. Takes over *notify. */
static int serve(const struct conf *conf, const char *name, const char *warnings, int ready_fd,
		 const struct notify *notify)
{
	struct text err = { 0 };
	struct daemon d;
	sigset_t in_select;
	const char *log_path = NULL;
	int ret;

	/* First of all, or the message would be about the first file that only root may write. */
	if (caps_check_net_admin(&err) < 0) {
		log_errx("%s", err.buf ? err.buf : "conntrackd needs CAP_NET_ADMIN");
		text_free(&err);
		return 1;
	}
	ret = log_open(&conf->log, &log_path);
	if (ret < 0) {
		fprintf(stderr, "conntrackd: can't open logfile %s: %s\n", log_path ? log_path : "",
			strerror(-ret));
		return 1;
	}
	say_start(conf, name);
	log_warnings(warnings);
	signals_init(&in_select);
	if (daemon_open(&d, conf, &in_select, &err) < 0) {
		log_errx("%s", err.buf ? err.buf : "cannot start");
		text_free(&err);
		log_discard();
		return 1;
	}
	/* told to end while it was reading the kernel table: it was never ready */
	if (d.stopping) {
		daemon_close(&d);
		log_notice("---- shutdown received ----");
		log_close();
		return 0;
	}
	log_notice("initialization completed");
	if (chdir("/") == -1)
		log_warn("cannot change to /");
	log_notice(ready_fd >= 0 ? "-- starting in daemon mode --" :
				   "-- starting in console mode --");
	if (ready_fd >= 0) {
		log_detach();
		detach_terminal();
		if (write(ready_fd, "R", 1) != 1)
			log_warnx("the starting process has gone");
		close(ready_fd);
	} else {
		notify_ready(notify);
	}
	d.notify = *notify;
	ret = daemon_run(&d, &in_select);
	if (ret < 0) {
		errno = -ret;
		log_err("the event loop failed");
	}
	notify_stopping(&d.notify);
	daemon_close(&d);
	log_notice("---- shutdown received ----");
	log_close();
	return ret < 0 ? 1 : 0;
}

int start_daemon(const struct conf *conf, const char *name, const char *warnings, bool background)
{
	struct notify notify;
	int fds[2];
	pid_t child;

	umask(0177);
	notify_init(&notify, conf->systemd);
	if (!background)
		return serve(conf, name, warnings, -1, &notify);
	if (pipe2(fds, O_CLOEXEC) == -1) {
		fprintf(stderr, "conntrackd: pipe: %s\n", strerror(errno));
		return 1;
	}
	fflush(NULL); /* or both processes print what is still buffered */
	child = fork();
	if (child == -1) {
		fprintf(stderr, "conntrackd: fork has failed: %s\n", strerror(errno));
		return 1;
	}
	if (child > 0) {
		close(fds[1]);
		return wait_for_child(fds[0], child, &notify);
	}
	close(fds[0]);
	log_background();
	setsid();
	return serve(conf, name, warnings, fds[1], &notify);
}
