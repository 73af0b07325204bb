/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -T as a command: which checks run, where their findings go, and what the exit status is. An
 * error is always a failure; a warning is one with --strict. */
#include "check/run.h"

#include <stdlib.h>

#include "base/json.h"
#include "check/check.h"

static void add_json(struct check_run *r, enum conf_severity severity,
		     const struct conf_place *place, const char *text)
{
	struct json j = { .out = &r->problems, .comma = r->comma };

	json_object(&j, NULL);
	json_str(&j, "severity", severity == CONF_ERROR ? "error" : "warning", 16);
	if (place)
		json_str(&j, "file", place->file, 4096);
	if (place && place->line) {
		json_uint(&j, "line", place->line);
		json_uint(&j, "column", place->column);
	}
	json_str(&j, "text", text, 4096);
	json_object_end(&j);
	r->comma = j.comma;
}

void check_run_report(void *ctx, enum conf_severity severity, const struct conf_place *place,
		      const char *text)
{
	struct check_run *r = ctx;

	if (severity == CONF_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (r->json)
		add_json(r, severity, place, text);
	else
		conf_report_to_file(r->err, severity, place, text);
}

static void compare(struct check_run *r, const struct check *c)
{
	struct conf peer;
	struct check other = { .file = r->peer, .conf = &peer };

	if (conf_read(r->peer, 0, &peer, check_run_report, r) < 0)
		return;
	check_pair(c, &other);
	conf_free(&peer);
}

/* The document is one line, as every answer. */
static void print_json(struct check_run *r, const char *name, bool ok)
{
	struct text doc = { 0 };
	struct json j = json_begin(&doc);

	json_object(&j, NULL);
	json_uint(&j, "schema", 1);
	json_str(&j, "kind", "check", 16);
	json_str(&j, "file", name, 4096);
	json_bool(&j, "ok", ok);
	json_uint(&j, "errors", r->errors);
	json_uint(&j, "warnings", r->warnings);
	json_array(&j, "problems");
	text_add(&doc, r->problems.buf ? r->problems.buf : "", r->problems.len);
	json_array_end(&j);
	json_object_end(&j);
	if (doc.truncated || r->problems.truncated)
		fputs("conntrackd: out of memory\n", r->err);
	else
		fprintf(r->out, "%s\n", doc.buf);
	text_free(&doc);
}

int check_run_end(struct check_run *r, const char *name, const struct conf *conf,
		  const struct conf_ctx *source)
{
	struct check c = {
		.conf = conf,
		.source = source,
		.file = name,
		.root = "",
		.report = check_run_report,
		.ctx = r,
	};
	bool ok;

	if (conf) {
		check_file(&c);
		if (!r->no_machine)
			check_machine(&c);
		if (r->peer)
			compare(r, &c);
	}
	ok = conf && r->errors == 0 && !(r->strict && r->warnings > 0);
	if (r->json)
		print_json(r, name, ok);
	else if (conf && r->explain)
		conf_explain(conf, source, r->out);
	else if (ok)
		fprintf(r->out, "%s: ok\n", name);
	text_free(&r->problems);
	return ok ? 0 : 1;
}
