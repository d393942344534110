/* SPDX-License-Identifier: MIT */
/*
 * payload.c - the bytes of messages: where commands have them from, and how they write them
 */
#include "payload.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "list.h"

/* -- reading ----------------------------------------------------------------------------- */

static int too_long(const struct payload_input *in)
{
	complain(in->command, "the input has a message of more than %llu bytes, which there is never "
		 "room for", (unsigned long long)in->bytes_max);
	return -1;
}

/* Room for one byte at least; and for one more than may be, so that too many are noticed. */
static void make_room(struct payload_input *in)
{
	if (in->count < in->room)
		return;
	in->room = in->room ? in->room * 2 : 4096;
	if (in->room > in->bytes_max)
		in->room = (size_t)in->bytes_max + 1;
	in->bytes = or_exit(realloc(in->bytes, in->room));
}

/* What it ended with: end, or EOF; not, when it is too long. */
static int read_to(struct payload_input *in, int end)
{
	int c;

	while (in->count <= in->bytes_max && (c = getc(stdin)) != EOF && c != end) {
		make_room(in);
		in->bytes[in->count++] = (unsigned char)c;
	}
	return c;
}

static int read_whole(struct payload_input *in)
{
	size_t got;

	do {
		make_room(in);
		got = fread(in->bytes + in->count, 1, in->room - in->count, stdin);
		in->count += got;
	} while (got && in->count <= in->bytes_max);
	return EOF;
}

int payload_read(struct payload_input *in)
{
	int end;

	if (in->is_at_end)
		return 0;
	in->count = 0;
	if (in->text) {
		in->is_at_end = true;
		in->count = strlen(in->text);
		in->bytes = or_exit(memcpy(or_exit(malloc(in->count + 1)), in->text, in->count));
		return 1;
	}
	end = in->form == PAYLOAD_WHOLE ? read_whole(in)
					: read_to(in, in->form == PAYLOAD_LINES ? '\n' : '\0');
	if (in->count > in->bytes_max)
		return too_long(in);
	if (ferror(stdin)) {
		complain(in->command, "the standard input cannot be read: %s", strerror(errno));
		return -1;
	}
	in->is_at_end = end == EOF;
	/* nothing behind the last newline is no message; an empty input is one */
	return !in->is_at_end || in->count || in->form == PAYLOAD_WHOLE;
}

void payload_input_end(struct payload_input *in)
{
	free(in->bytes);
	in->bytes = NULL;
}

/* -- writing ----------------------------------------------------------------------------- */

bool payload_option(struct payload_output *out, int c, int *ret_status)
{
	switch (c) {
	case 'l':
		out->form = PAYLOAD_LINES;
		return true;
	case 'z':
		out->form = PAYLOAD_NULL;
		return true;
	case 'J':
		out->form = PAYLOAD_JSON;
		return true;
	case 'm':
		if (!read_quantity(optarg, false, &out->bytes_max) || !out->bytes_max)
			*ret_status = complain(out->command, "--max %s: a number of bytes is wanted, as "
					       "100 or 4K", optarg);
		return true;
	default:
		return false;
	}
}

json_t *message_facts(const struct dure_message *m)
{
	return or_exit(json_pack("{s:I, s:I, s:i, s:i, s:I}", "id", (json_int_t)m->id, "type",
				 (json_int_t)m->type, "priority", (int)m->priority, "deliveries",
				 (int)m->deliveries, "bytes", (json_int_t)m->bytes));
}

/* As "data" if they are UTF-8, as "data_hex" if not. */
static void add_data(json_t *object, const void *data, size_t bytes)
{
	json_t *text = json_stringn(bytes ? data : "", bytes);
	size_t count;

	if (text) {
		json_object_set_new(object, "data", text);
		return;
	}
	char *hex = form_write(FORM_HEX, (struct bytes){ data, bytes }, &count);
	json_object_set_new(object, "data_hex", or_exit(json_stringn(hex, count)));
	free(hex);
}

static void write_json(json_t *facts, const void *data, size_t bytes)
{
	add_data(facts, data, bytes);
	json_dumpf(facts, stdout, JSON_COMPACT);
	putchar('\n');
}

/* What is not ended by a newline would have the prompt behind it. */
static bool needs_newline(const unsigned char *data, size_t bytes)
{
	return bytes && data[bytes - 1] != '\n' && isatty(STDOUT_FILENO);
}

bool payload_write(struct payload_output *out, json_t *facts, const void *data, size_t bytes)
{
	if (out->bytes_max && bytes > out->bytes_max) {
		bytes = (size_t)out->bytes_max;
		out->has_cut = true;
	}
	if (out->form == PAYLOAD_JSON)
		write_json(facts, data, bytes);
	else if (bytes)
		fwrite(data, 1, bytes, stdout);
	json_decref(facts);
	if (out->form == PAYLOAD_LINES || (out->form == PAYLOAD_WHOLE && needs_newline(data, bytes)))
		putchar('\n');
	else if (out->form == PAYLOAD_NULL)
		putchar('\0');
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	complain(out->command, "the output cannot be written: %s", strerror(errno));
	clearerr(stdout);		/* it is said */
	return false;
}
