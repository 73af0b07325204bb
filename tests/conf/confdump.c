/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows what the configuration reader makes of a file: problems on stderr, the configuration as understood on stdout.
 * Also writes the option lists of the documentation. For the tests; not installed.
 *
 *	confdump [-n NAME] FILE	-n: name in messages
 *	confdump -p FILE		only the path of the control socket, as client commands find it
 *	confdump -m | -M		option list in Markdown | one section per table for the manual page
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/conf_table.h"

static int dump_file(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	static char text[1 << 20];
	struct conf conf;
	size_t len;

	if (!f || name == path) {	/* the ordinary way, for files that cannot be read as well */
		if (f)
			fclose(f);
		if (conf_read(path, 0, &conf, conf_report_to_file, stderr))
			return 1;
		conf_print(&conf, stdout);
		conf_free(&conf);
		return 0;
	}
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (conf_parse(name, text, len, 0, &conf, conf_report_to_file, stderr))
		return 1;
	conf_print(&conf, stdout);
	conf_free(&conf);
	return 0;
}

static int dump_control_path(const char *path)
{
	char out[CONTROL_PATH_MAX + 1];
	int err = conf_read_control_path(path, out, sizeof(out), conf_report_to_file, stderr);

	puts(out);
	return err ? 1 : 0;
}

/* "0..2147483647 seconds", "at most 256 bytes", or nothing. */
static void range_text(const struct conf_option *opt, char *buf, size_t len)
{
	buf[0] = '\0';
	if (opt->type == CONF_T_PATH || opt->type == CONF_T_LOGFILE)
		snprintf(buf, len, "at most %u bytes", opt->max);
	else if (opt->type == CONF_T_NUMBER || opt->type == CONF_T_PORT || opt->type == CONF_T_SECONDS_OR_BOOL)
		snprintf(buf, len, "%u..%u%s%s", opt->min, opt->max, opt->unit ? " " : "", opt->unit ? opt->unit : "");
}

static bool has_default(const struct conf_option *opt)
{
	return opt->init || opt->unset;
}

/* "|" separates the columns of a table. */
static const char *markdown_type(enum conf_type type, char *buf, size_t len)
{
	size_t n = 0;

	for (const char *s = conf_type_name(type); *s && n + 3 < len; s++) {
		if (*s == '|')
			buf[n++] = '\\';
		buf[n++] = *s;
	}
	buf[n] = '\0';
	return buf;
}

static void print_markdown(enum conf_section section)
{
	char range[64], type[64];

	printf("<!-- BEGIN %s -->\n", conf_section_title(section));
	printf("| option | type | range | default | meaning |\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];

		if (!(opt->sections & CONF_IN(section)))
			continue;
		range_text(opt, range, sizeof(range));
		if (opt->use == CONF_CURRENT)
			printf("| `%s` | %s | %s | %s | %s |\n", opt->name,
			       markdown_type(opt->type, type, sizeof(type)), range,
			       opt->init ? opt->init : opt->unset ? opt->unset : "", opt->help);
		else
			printf("| `%s` | old | | | %s%s |\n", opt->name,
			       opt->use == CONF_IGNORED ? "Ignored with a warning: " :
			       opt->use == CONF_RENAMED ? "Accepted with a warning; write " : "Another name of ",
			       opt->instead);
	}
	printf("<!-- END %s -->\n", conf_section_title(section));
}

static void print_mdoc_option(const struct conf_option *opt)
{
	char range[64];

	if (opt->type == CONF_T_BLOCK)
		printf(".It Cm %s Li \"%s\"\n", opt->name, opt->header_words ? "... { ... }" : "{ ... }");
	else
		printf(".It Cm %s Ar %s\n", opt->name, conf_type_name(opt->type));
	for (const char *text = opt->help; *text;) {	/* one line per sentence, as mdoc wants it */
		const char *end = strstr(text, ". ");

		printf("%.*s\n", end ? (int)(end - text + 1) : (int)strlen(text), text);
		text = end ? end + 2 : "";
	}
	range_text(opt, range, sizeof(range));
	if (range[0])
		printf("Range: %s.\n", range);
	if (has_default(opt))
		printf("Default: %s.\n", opt->init ? opt->init : opt->unset);
}

static void print_mdoc(enum conf_section section)
{
	printf(".\\\" BEGIN %s\n.Bl -tag -width 4n\n", conf_section_title(section));
	for (size_t i = 0; i < conf_n_options; i++) {
		if (conf_options[i].sections & CONF_IN(section) && conf_options[i].use == CONF_CURRENT)
			print_mdoc_option(&conf_options[i]);
	}
	printf(".El\n.\\\" END %s\n", conf_section_title(section));
}

static int print_docs(bool mdoc)
{
	for (int s = 0; s < CONF_JUNK; s++) {
		if (conf_section_is_list((enum conf_section)s))
			continue;
		if (mdoc)
			print_mdoc((enum conf_section)s);
		else
			print_markdown((enum conf_section)s);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	bool only_path = false;
	int c;

	while ((c = getopt(argc, argv, "n:pmM")) != -1) {
		switch (c) {
		case 'n':
			name = optarg;
			break;
		case 'p':
			only_path = true;
			break;
		case 'm':
		case 'M':
			return print_docs(c == 'M');
		default:
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: confdump [-n NAME] [-p] FILE | -m | -M\n");
		return 2;
	}
	if (only_path)
		return dump_control_path(argv[optind]);
	return dump_file(argv[optind], name ? name : argv[optind]);
}
