/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One binary, two roles: without a command the daemon, with one its client. This file only
 * chooses. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "check/check.h"
#include "check/run.h"
#include "client/answer.h"
#include "client/cli.h"
#include "client/client.h"
#include "conf/conf.h"
#include "daemon/helpers.h"
#include "follow/activity.h"
#include "daemon/start.h"

static const char *config_path(const struct cli *cli)
{
	return cli->config ? cli->config : CONF_PATH_DEFAULT;
}

/* The role of this node changes, and its daemon does not run. What -t has scheduled before -c would
 * hit live flows when the daemon does; and after a -t or -n that failed it would take what it finds
 * in the kernel for flows of today. */
static void missed_role(const char *socket_path, const struct ctl_command *cmd)
{
	char path[CONTROL_PATH_MAX + sizeof(ACTIVITY_SUFFIX)];
	bool primary = cmd->option == 'c' || cmd->number == CTL_REQ_ROLE_PRIMARY;
	bool leaves = cmd->option == 't' || cmd->option == 'n' ||
		      cmd->number == CTL_REQ_ROLE_BACKUP || cmd->number == CTL_REQ_ROLE_FAULTY;

	snprintf(path, sizeof(path), "%s" ACTIVITY_SUFFIX, socket_path);
	if (leaves)
		activity_missed_standby(path, clock_now());
	else if (primary && activity_missed_commit(path, clock_now()))
		fprintf(stderr, "conntrackd: the flush of the kernel table (-t) that the next "
				"start would have made is cancelled\n");
}

/* The answer to a question that the daemon has not answered. */
static int answer(const struct cli *cli, const char *socket_path,
		  const struct client_outcome *outcome)
{
	char path[CONTROL_PATH_MAX + sizeof(ACTIVITY_SUFFIX)];
	struct client_answer a = {
		.asked = cli->question,
		.json = cli->json,
		.end = outcome->end,
		.why = outcome->why,
	};

	snprintf(path, sizeof(path), "%s" ACTIVITY_SUFFIX, socket_path);
	a.active = cli->question == CTL_ASKS_READY && activity_was_active(path, clock_now());
	return client_answer(&a, stdout);
}

/* What is wrong with the file has been reported. */
static int no_path(const struct cli *cli)
{
	struct client_answer a = {
		.asked = cli->question,
		.json = cli->json,
		.end = CLIENT_NOT_KNOWN,
		.why = "the configuration does not tell where the control socket is",
	};

	return cli->question == CTL_ASKS_NOTHING ? 1 : client_answer(&a, stdout);
}

/* A client needs only the path of the socket: other errors in the file are one warning, so that a
 * take-over works with a file somebody has broken. If just the path is broken, it is an error: the
 * daemon at the default path may be another. No file at all is fine too, unless one was asked
 * for. */
static int run_client(const struct cli *cli)
{
	char path[CONTROL_PATH_MAX + 1] = CONTROL_PATH_DEFAULT;
	struct client_outcome outcome = { .end = CLIENT_ANSWERED };
	int status;
	struct client_request req = {
		.path = path,
		.cmd = cli->cmd,
		.args = cli->args,
		.timeout_s = cli->timeout_s,
		.out_fd = STDOUT_FILENO,
		.err_fd = STDERR_FILENO,
		.outcome = &outcome,
	};

	if (cli->config || access(CONF_PATH_DEFAULT, F_OK) == 0) {
		int ret = conf_read_control_path(config_path(cli), path, sizeof(path),
						 conf_report_to_file, stderr);

		if (ret < 0)
			return no_path(cli);
	}
	status = client_run(&req);
	if (outcome.end == CLIENT_ABSENT)
		missed_role(path, cli->cmd);
	if (outcome.end != CLIENT_ANSWERED && cli->question != CTL_ASKS_NOTHING)
		status = answer(cli, path, &outcome);
	return status;
}

/* -S: where the file has both sections, Stats is meant. */
static unsigned int mode_flags(const struct cli *cli)
{
	return cli->stats ? CONF_PREFER_STATS : 0;
}

/* conf_report_fn: to standard error, and kept. */
static void report(void *ctx, enum conf_severity severity, const struct conf_place *place,
		   const char *said)
{
	struct text *warnings = ctx;

	conf_report_to_file(stderr, severity, place, said);
	if (place)
		text_printf(warnings, "%s:%u:%u: ", place->file, place->line, place->column);
	text_printf(warnings, "%s\n", said);
}

/* A configuration on its way. */
struct reading {
	conf_report_fn report;
	void *ctx;
	bool explains;		 /* source is wanted */
	struct conf_ctx *source; /* where its values come from; owned */
	const char *name;	 /* what was read */
};

/* -S on a machine without any configuration: statistics with everything at its default, where -s
 * finds them. */
static int read_config(const struct cli *cli, struct conf *conf, struct reading *r)
{
	static const char builtin[] = "Stats {\n}\n";
	struct conf_ctx **source = r->explains ? &r->source : NULL;

	if (cli->stats && !cli->config && access(CONF_PATH_DEFAULT, F_OK) == -1 &&
	    errno == ENOENT) {
		fprintf(stderr,
			"conntrackd: there is no %s: statistics mode with built-in defaults\n",
			CONF_PATH_DEFAULT);
		r->name = "built-in defaults";
		return conf_parse(r->name, builtin, sizeof(builtin) - 1, 0, conf, r->report,
				  r->ctx);
	}
	r->name = config_path(cli);
	return conf_read_source(r->name, mode_flags(cli), conf, source, r->report, r->ctx);
}

/* What a start with these options runs with, and -T judges. False: reported, and there is nothing
 * to free but r->source. */
static bool choose_config(const struct cli *cli, struct conf *conf, struct reading *r)
{
	if (read_config(cli, conf, r) < 0)
		return false;
	helpers_warn(&conf->helper, r->report, r->ctx);
	if (!cli->stats || conf->mode == CONF_MODE_STATS)
		return true;
	fprintf(stderr,
		"conntrackd: -S: %s has no section Stats: add one (\"Stats { }\" is enough), or "
		"start without -S\n",
		r->name);
	conf_free(conf);
	conf_source_free(r->source);
	r->source = NULL;
	return false;
}

static int run_check(const struct cli *cli)
{
	struct check_run run = {
		.strict = cli->check.strict,
		.no_machine = cli->check.no_machine,
		.explain = cli->check.explain,
		.peer = cli->check.peer,
		.json = cli->json,
		.out = stdout,
		.err = stderr,
	};
	struct reading r = { .report = check_run_report, .ctx = &run, .explains = true };
	struct conf conf = { 0 };
	bool good = choose_config(cli, &conf, &r);
	int status = check_run_end(&run, r.name, good ? &conf : NULL, r.source);

	conf_source_free(r.source);
	conf_free(&conf);
	return status;
}

/* After a crash, for a unit's ExecStopPost: nothing to do is a success. */
static int run_disable_helpers(const struct cli *cli)
{
	struct text warnings = { 0 }, out = { 0 }, err = { 0 };
	struct reading r = { .report = report, .ctx = &warnings };
	struct conf conf;
	int status = 1;

	if (choose_config(cli, &conf, &r)) {
		status = helpers_disable(&conf.helper, &out, &err) < 0;
		fputs(out.buf ? out.buf : "", stdout);
		if (status != 0)
			fprintf(stderr, "conntrackd: %s",
				err.buf ? err.buf : "the helpers cannot be disabled\n");
		conf_free(&conf);
	}
	text_free(&out);
	text_free(&err);
	text_free(&warnings);
	return status;
}

static int run_daemon(const struct cli *cli)
{
	struct text warnings = { 0 };
	struct reading r = { .report = report, .ctx = &warnings, .explains = true };
	struct conf conf;
	int status = 1;

	if (choose_config(cli, &conf, &r)) {
		check_file(&(struct check){ .conf = &conf,
					    .source = r.source,
					    .file = r.name,
					    .report = report,
					    .ctx = &warnings });
		conf_source_free(r.source);
		status = start_daemon(&conf, r.name, warnings.buf ? warnings.buf : "",
				      cli->background);
		conf_free(&conf);
	}
	text_free(&warnings);
	return status;
}

/* A standard descriptor that was closed would be given to the next socket or file, and what is
 * meant for the terminal would go there. 0, or -errno: nothing may be opened then. */
static int ensure_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* gives the lowest, fd */
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) == -1)
			return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	struct cli cli;
	int status;

	if (ensure_standard_fds() < 0)
		return 1;
	cli_parse(argc, argv, &cli);
	status = cli_report(&cli, stdout, stderr);
	switch (cli.action) {
	case CLI_DAEMON:
		return run_daemon(&cli);
	case CLI_CLIENT:
		return run_client(&cli);
	case CLI_CHECK:
		return run_check(&cli);
	case CLI_DISABLE_HELPERS:
		return run_disable_helpers(&cli);
	case CLI_HELP:
	case CLI_VERSION:
	case CLI_ERROR:
		return status;
	}
	return 1;
}
