/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONF_CONF_CTX_H
#define CONNTRACKD_CONF_CONF_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "conf/conf_table.h"

/* Inside of the configuration reader; nobody outside conf/ includes this. */

#define CONF_BESIDE	 0x80u /* beside the flags of conf.h: read conntrackd.conf.d as well */
#define CONF_DEPTH_MAX	 16    /* open braces; the language needs 5 */
#define CONF_DIAGS_MAX	 200   /* problems reported about one file */
#define CONF_OPTIONS_MAX 128   /* rows the table may have */

/* A raw token of the scanner. text is NUL-terminated and borrowed from struct conf_words. */
enum conf_word_kind {
	CONF_W_WORD,
	CONF_W_PATH, /* starts with a slash */
	CONF_W_OPEN,
	CONF_W_CLOSE,
	CONF_W_END, /* the end of the file, once */
};

struct conf_word {
	enum conf_word_kind kind;
	bool bad; /* a problem of this word was reported: no second report */
	const char *text;
	struct conf_place at;
};

struct conf_words {
	struct conf_word *word; /* n words, owned */
	size_t n;
	size_t cap;
	char *text; /* all texts, owned */
	size_t text_len;
	int unclosed; /* opening braces minus closing ones */
};

/* The words after a keyword. */
struct conf_args {
	const struct conf_word *word; /* n neighbours in struct conf_words */
	size_t n;
};

/* An option as the file has set it so far, by row of the table. */
struct conf_seen {
	bool given;
	bool bad;	      /* the value was refused (and reported) */
	const char *text;     /* first word of the value */
	struct conf_place at; /* of the keyword */
};

struct conf_frame {
	enum conf_section section;
	const char *name; /* keyword before the brace */
	const char *arg;  /* first word of the header, or NULL */
	struct conf_place at;
};

struct conf_diag {
	enum conf_severity severity;
	struct conf_place at;
	size_t file_nr; /* conf_file_nr() of the place */
	size_t nr;	/* order of discovery */
	char *text;	/* owned */
};

struct conf_link_state {
	struct conf_seen seen[CONF_OPTIONS_MAX];
	struct conf_place at;
	/* a part of the block was not understood: do not report what is missing */
	bool not_understood;
};

/* Where an option of a helper or of one of its policies was set: their places in the list. */
struct conf_helper_seen {
	const struct conf_option *opt;
	size_t helper, policy;
	struct conf_place at;
};

/* A file of conntrackd.conf.d. */
struct conf_beside {
	char *path;		 /* owned; places point to it */
	struct conf_words words; /* owned; values point to them */
};

struct conf_ctx {
	const char *file;		 /* the file that is being read; borrowed, for messages */
	bool beside;			 /* that file is one of conntrackd.conf.d */
	struct conf_beside *beside_file; /* n_beside that were read so far, in order; owned */
	size_t n_beside;
	struct conf conf; /* what was understood so far */
	struct conf_words words;

	/* conf_token.c: where the reader is */
	size_t pos;		       /* next word */
	const struct conf_option *row; /* keyword whose words are being read, or NULL */
	size_t n_args;		       /* words handed out since */
	bool args_over;		       /* "for TCP" was seen */
	bool skipping;		       /* after something unknown */
	uint32_t skip_line;
	int unclosed; /* closing braces that may be assumed to be missing */

	struct conf_frame frame[CONF_DEPTH_MAX + 1]; /* frame[0] is the file */
	size_t depth;
	bool gave_up; /* too deep or out of memory: nothing else is reported */

	struct conf_seen seen[CONF_OPTIONS_MAX];
	struct conf_link_state link_state[CHANNEL_LINKS_MAX +
					  1]; /* the last entry: for all links beyond the limit */
	struct channel_link_conf extra_link;  /* settings of links beyond the limit */
	uint32_t cur_link;		      /* index into link_state */
	struct conf_seen scratch_seen[CONF_OPTIONS_MAX]; /* of the current helper and policy */
	struct conf_helper extra_helper;		 /* settings of an unknown helper */
	struct conf_helper *helper;			 /* current one */
	struct conf_helper_policy extra_policy;
	struct conf_helper_policy *policy;
	struct conf_helper_seen *helper_seen; /* n_helper_seen, owned */
	size_t n_helper_seen;

	struct conf_place sync_at, stats_at, helper_at,
		role_at;	  /* first of each section; line 0: none */
	bool sync_not_understood; /* something in Sync or at top level was not understood */
	bool prefer_stats;	  /* -S: Stats counts where both sections are there */
	bool mode_given;
	struct conf_place mode_at;
	bool filter_given, old_checksum_given, old_checksum;
	struct conf_place gate_at;
	struct conf_place proto_at, addr_at, state_at, filter_at, expect_at;
	bool proto_bad, state_bad; /* an entry was refused */
	size_t nets_cap;
	bool states_open; /* states since the last "for" */
	bool states_for;  /* "for" was seen, the protocol is next */
	struct conf_place states_at;

	struct conf_diag *diag;
	size_t n_diags, diags_cap;
	unsigned int n_errors;
};

/* conf_lex.l: cuts the text into words. Reports surplus bytes and punctuation. 0 or -ENOMEM. */
int conf_scan(struct conf_ctx *ctx, const char *text, size_t len);
void conf_words_free(struct conf_words *words);

/* conf_token.c: the words with their role in the grammar. */
enum conf_token {
	CONF_TOK_END,
	CONF_TOK_KEY,	  /* option with values */
	CONF_TOK_BLOCK,	  /* option with braces */
	CONF_TOK_ARG,	  /* value of the option before */
	CONF_TOK_ITEM,	  /* entry of a list */
	CONF_TOK_UNKNOWN, /* reported already */
	CONF_TOK_OPEN,
	CONF_TOK_CLOSE,
	/* an opening brace is missing here; what follows looks like the block's inside */
	CONF_TOK_NO_OPEN,
	/* an opening brace is missing here; what follows does not look like the block's inside */
	CONF_TOK_NO_BODY,
	CONF_TOK_NO_CLOSE, /* a closing brace is missing here */
};

enum conf_token conf_next_token(struct conf_ctx *ctx, const struct conf_option **opt,
				const struct conf_word **word);
const struct conf_word *conf_peek(const struct conf_ctx *ctx);
enum conf_section conf_section_now(const struct conf_ctx *ctx);

/* conf_unknown.c: reports a word that is no option here. Returns the option that was probably
 * meant, or NULL. */
const struct conf_option *conf_report_unknown(struct conf_ctx *ctx, const struct conf_word *word);

/* conf_parse.y: runs the grammar over the words. 0 or -ENOMEM. */
int conf_run_parser(struct conf_ctx *ctx);

/* conf_block.c: called by the grammar around braces. */
void conf_open_block(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_args *args, const struct conf_place *at);
void conf_open_surplus(struct conf_ctx *ctx, const struct conf_place *at);
void conf_close_block(struct conf_ctx *ctx);
void conf_report_no_open(struct conf_ctx *ctx, const struct conf_option *opt,
			 const struct conf_args *args);
void conf_report_no_close(struct conf_ctx *ctx);
void conf_report_surplus(struct conf_ctx *ctx, const struct conf_place *at);

/* conf_set.c: one option with its values; the default of every option of a scope. */
void conf_set_line(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_args *args, const struct conf_place *at);
void conf_set_defaults(struct conf_ctx *ctx, enum conf_scope scope);

/* conf_addr.c: addresses and networks; report and return false if refused. */
bool conf_set_addr(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_word *word, void *to);
bool conf_set_net(struct conf_ctx *ctx, const struct conf_option *opt,
		  const struct conf_word *word);
/* One more entry of the list of nodes whose datagrams are accepted; `to` is not used. */
bool conf_set_peer(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_word *word, void *to);

/* conf_list.c: lists of words, and policies. */
void conf_add_item(struct conf_ctx *ctx, const struct conf_word *word);
void conf_end_states(struct conf_ctx *ctx);
void conf_open_list(struct conf_ctx *ctx, const struct conf_option *opt,
		    const struct conf_args *args, const struct conf_place *at);
bool conf_set_old_states(struct conf_ctx *ctx, const struct conf_args *args,
			 const struct conf_place *at);

/* conf_beside.c: the files of conntrackd.conf.d, after the configuration file itself. 0 or -ENOMEM;
 * what is wrong with them is reported. */
int conf_read_beside(struct conf_ctx *ctx);
void conf_free_beside(struct conf_ctx *ctx);
/* Reports an option or block that may not stand in a file of conntrackd.conf.d; true if such a file
 * is being read and opt may not stand in it. */
bool conf_refuse_beside(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_place *at);

/* conf_file.c: a whole file. *text is the caller's to free in any case. 0 or -errno; -EFBIG beyond
 * CONF_FILE_MAX. */
int conf_slurp(const char *path, char **text, size_t *len);
/* The number of a file (a pointer out of a place) among those that were read. 0: the configuration
 * file itself. */
size_t conf_file_nr(const struct conf_ctx *ctx, const char *file);

/* conf_helper.c: the Helper section. */
void conf_open_helper(struct conf_ctx *ctx, const struct conf_args *args,
		      const struct conf_place *at);
void conf_open_policy(struct conf_ctx *ctx, const struct conf_args *args,
		      const struct conf_place *at);
void conf_check_helpers(struct conf_ctx *ctx);

/* conf_names.c: words that stand for values. Each returns a static text or NULL. */
const char *conf_proto_name(uint8_t proto);
int conf_proto_find(const char *name); /* number, or -1 */
const char *conf_proto_near(const char *name);
const char *conf_facility_name(int facility);
int conf_facility_find(const char *name); /* or -1 */
const char *conf_facility_near(const char *name);
const char *conf_tcp_state_name(unsigned int nr); /* NULL above the last */
int conf_tcp_state_find(const char *name);	  /* or -1; upper case only */
const char *conf_tcp_state_near(const char *name);
bool conf_bool_find(const char *name, bool *value);
/* The section whose options the block of a mode takes. */
enum conf_section conf_mode_section(enum sync_mode mode);
/* The mode of that name, in upper or lower case, or -1. *old: the name is an outdated one. */
int conf_mode_find(const char *name, bool *old);
const char *conf_mode_near(const char *name);
/* Which type of a link the keyword of its block stands for. */
enum channel_type conf_link_type(const char *keyword);

/* conf_near.c: spelling. */
/* Number of edits (insert, delete, change, swap neighbours) between two words, without case; at
 * most limit + 1. */
unsigned int conf_distance(const char *a, const char *b, unsigned int limit);
/* Number of edits up to which a word of that length counts as a slip. */
unsigned int conf_slip_limit(const char *word);
/* The nearest of n names (NULL entries are skipped) within the limit, or NULL. */
const char *conf_nearest(const char *word, const char *const *names, size_t n);

/* conf_check.c, conf_check_link.c: rules across options, after everything was read. */
void conf_check(struct conf_ctx *ctx);
void conf_check_links(struct conf_ctx *ctx);

/* conf_diag.c: reporting. The text may have further lines; they start with white space. */
void conf_error(struct conf_ctx *ctx, const struct conf_place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conf_warn(struct conf_ctx *ctx, const struct conf_place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Hands everything over in the order of the file. */
void conf_flush_diags(struct conf_ctx *ctx, conf_report_fn report, void *report_ctx);
/* A printable, shortened copy of a user's word in buf, for messages. Returns buf. */
#define CONF_QUOTED 96
const char *conf_quote(const char *text, char buf[CONF_QUOTED]);

/* conf_seen.c: how the file has set an option. */
struct conf_seen *conf_seen(struct conf_ctx *ctx, const struct conf_option *opt);
/* The same for the option of that name in that section; for links of link number nr. */
const struct conf_seen *conf_seen_in(struct conf_ctx *ctx, enum conf_section section,
				     const char *name, uint32_t nr);
/* Remember where an option of the current helper or policy was set. */
void conf_seen_helper(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_place *at);
/* Where the value of an option comes from: link for those of links, helper and policy for those of
 * helpers. NULL: nobody has said anything. */
const struct conf_place *conf_seen_place(const struct conf_ctx *ctx, const struct conf_option *opt,
					 uint32_t link, size_t helper, size_t policy);

/* A part of the current block was not understood: do not report later that an option is missing
 * there. */
void conf_set_not_understood(struct conf_ctx *ctx);

/* conf_read.c: reads text into ctx, checks included. The caller ends with conf_ctx_free(). */
struct conf_ctx *conf_ctx_new(const char *file);
int conf_ctx_read(struct conf_ctx *ctx, const char *text, size_t len, unsigned int flags);
void conf_ctx_free(struct conf_ctx *ctx);

#endif
