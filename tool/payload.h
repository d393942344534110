/* SPDX-License-Identifier: MIT */
/*
 * payload.h - the bytes of messages: where commands have them from, and how they write them
 *
 * A message is any bytes. Alone it is what is in the file, no more and no less; several in one
 * file are told apart by the byte that ends each, or are a line of JSON each.
 */
#ifndef TOOL_PAYLOAD_H
#define TOOL_PAYLOAD_H

#include "tool.h"

enum payload_form {
	PAYLOAD_WHOLE,		/* as they are */
	PAYLOAD_LINES,		/* each ended by a newline */
	PAYLOAD_NULL,		/* each ended by a NUL */
	PAYLOAD_JSON,		/* each a line of JSON; not to be read */
};

struct payload_input {
	const char *command;
	const char *text;		/* the only message, or NULL: the standard input has them */
	enum payload_form form;
	uint64_t bytes_max;		/* a longer one is refused, and not read to its end */
	unsigned char *bytes;		/* the message that was read; freed by payload_input_end */
	size_t count, room;
	bool is_at_end;
};

/* The next message. 1: it is there; 0: there is none any more; -1: it cannot be, and was
   complained about */
int payload_read(struct payload_input *in);
void payload_input_end(struct payload_input *in);

/* how a command writes messages: options that those which do have in common */
#define PAYLOAD_LONG_OPTIONS                                                                      \
	{ "lines", no_argument, NULL, 'l' }, { "null", no_argument, NULL, 'z' },                  \
	{ "json", no_argument, NULL, 'J' }, { "max", required_argument, NULL, 'm' }
#define PAYLOAD_OPTIONS "lzJm:"

struct payload_output {
	const char *command;
	enum payload_form form;
	uint64_t bytes_max;		/* of each message; 0: all of it */
	bool has_cut;			/* one was longer */
};

/* False: the option is none of these. *ret_status is set when its argument is wrong. */
bool payload_option(struct payload_output *out, int c, int *ret_status);

/* Writes a message, and hands it to the system: who reads may act on it. facts are for JSON, and
   are consumed; else NULL. False: it was not written, and that was complained about */
bool payload_write(struct payload_output *out, json_t *facts, const void *data, size_t bytes);

/* facts about a message of a queue, for JSON */
json_t *message_facts(const struct dure_message *message);

#endif
