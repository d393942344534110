/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what the subcommands of dure share
 *
 * Each subcommand is a file cmd_NAME.c with one function and one usage text. Facts come from
 * the library; tables are rendered by table.c; errors are "dure: what: why" on stderr.
 */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <dure.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* exit statuses, as in dure(1) */
enum {
	EXIT_FINE = 0,
	EXIT_FOUND = 1,		/* something was found, or refused */
	EXIT_TROUBLE = 2,	/* wrong usage, or it could not be done */
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;	/* one line, for dure --help; NULL: that of the one before it */
	const char *usage;	/* dure NAME --help: at most one screen */
};

extern const struct command cmd_call, cmd_check, cmd_demo, cmd_diff, cmd_doctor, cmd_dump, cmd_explain,
	cmd_limits, cmd_load, cmd_ls, cmd_map, cmd_metrics, cmd_peek, cmd_pub, cmd_queues, cmd_reap,
	cmd_record, cmd_recv, cmd_repair, cmd_replay, cmd_rm, cmd_send, cmd_serve, cmd_show,
	cmd_snapshot, cmd_sub, cmd_top, cmd_undo, cmd_watch, cmd_who;

/* "dure: COMMAND: " and the sentence, on stderr; returns EXIT_TROUBLE */
int complain(const char *command, const char *format, ...) DURE_FORMAT(2, 3);

/* the library's last sentence; with the name in front, unless it has that already */
int complain_segment(const char *command, const char *name);

/* prints a command's usage on the given stream; returns the status that goes with it */
int print_usage(const struct command *command, FILE *stream);

/* of a command with no option but --json and --help: -1 to go on at optind, or the exit status */
int read_json_option(const struct command *command, int argc, char **argv, bool *ret_is_json);

/* colours, on terminals that want them; "" otherwise */
enum color {
	COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_DIM, COLOR_BOLD, COLOR_SKY, COLOR_SEA,
	COLOR_PLUM
};
const char *color_on(FILE *stream, enum color color);
const char *color_off(FILE *stream);

/* 1.5M, 3K, 0; into a caller's buffer, which is returned */
char *human_bytes(uint64_t bytes, char *text, size_t text_bytes);
/* 3d, 2h, 15m, 4s */
char *human_seconds(uint64_t seconds, char *text, size_t text_bytes);
/* the same, since then */
char *human_age(uint64_t wall_ns, char *text, size_t text_bytes);
/* text with control characters and escape sequences made harmless */
char *harmless(const char *from, char *text, size_t text_bytes);

/* a space and a word of a command line, quoted where a shell asks for it */
void print_word(const char *word);

/* as a JSON string: what is no UTF-8 is shown escaped */
json_t *text_value(const char *text);

/* what an allocation returned; ends the program when there is no memory */
void *or_exit(void *allocated);

const char *backing_name(uint32_t backing);
const char *lifetime_name(uint32_t lifetime);

/*
 * Opens a segment as the user named it: a plain name, a path (contains '/'), sysv:ID, or
 * core:PATH.
 * flags as for dure_segment_open. Complains when it fails.
 */
int open_segment(const char *command, const char *name, uint32_t flags, dure_segment **ret);
/* the name and options that name it, for calls that take those */
const char *segment_by_name(const char *name, struct dure_segment_options *options);

#endif
