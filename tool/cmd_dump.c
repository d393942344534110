/* SPDX-License-Identifier: MIT */
/*
 * cmd_dump.c - dure dump: the entries of a container, as JSON lines or CSV
 *
 * The segment is opened for reading: a dump that waits for its reader must hold no lock of anybody.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "progress.h"

static int run(int argc, char **argv);

const struct command cmd_dump = {
	.name = "dump",
	.run = run,
	.summary = "a container's entries as JSON lines or CSV, and back",
	.usage = "Usage: dure dump [OPTION...] NAME OBJECT\n"
		 "Print the entries of a container in a segment; dure load reads them again.\n\n"
		 "  -C, --csv            CSV with a line of headings, not JSON lines\n"
		 "  -k, --keys FORM      write keys as text, integer or hex\n"
		 "  -v, --values FORM    write values so\n"
		 "  -q, --quiet          no progress bar\n"
		 "  -h, --help           this text\n\n"
		 "NAME is a plain name, a path (with a '/'), or sysv:ID. What others change\n"
		 "meanwhile may be in it or not. Without a FORM the container says what is best;\n"
		 "what cannot be written so is written in hex.\n"
		 "Exit status: 0 all of it, 2 trouble.\n",
};

struct dump {
	const struct container *container;
	struct column_form key, value;
	bool is_csv;
	uint64_t done;
	struct progress progress;
};

/* A field's name: with its form, unless that is what the container says. */
static const char *heading(const struct column_form *column, enum form natural, enum form form,
			   char text[32])
{
	const char *suffix = form == FORM_HEX	       ? "_hex"
			     : form == natural	       ? ""
			     : form == FORM_INTEGER ? "_integer"
						       : "_text";

	snprintf(text, 32, "%s%s", column->name, suffix);
	return text;
}

/* What fills a text up to its size is not written. */
static struct bytes without_filling(const struct column_form *column, struct bytes bytes)
{
	const char *text = bytes.data;

	while (column->bytes && column->form == FORM_TEXT && bytes.count &&
	       text[bytes.count - 1] == '\0')
		bytes.count--;
	return bytes;
}

/* -- JSON -------------------------------------------------------------------------------- */

/* NULL: JSON cannot say it so */
static json_t *json_of(enum form form, const char *text, size_t count)
{
	uint64_t number;

	switch (form) {
	case FORM_INTEGER:
		return json_integer(strtoll(text, NULL, 10));
	case FORM_UNSIGNED:
		number = strtoull(text, NULL, 10);
		return number > INT64_MAX ? NULL : json_integer((json_int_t)number);
	case FORM_DOUBLE:
		return json_real(strtod(text, NULL));
	default:
		return json_stringn(text, count);
	}
}

static void add_field(json_t *line, const struct column_form *column, enum form natural,
		      struct bytes bytes)
{
	enum form form = column->form;
	size_t count;
	char name[32], *text = form_write(form, bytes, &count);
	json_t *value = text ? json_of(form, text, count) : NULL;

	if (!value) {
		free(text);
		form = FORM_HEX;
		text = form_write(form, bytes, &count);
		value = json_of(form, text, count);
	}
	json_object_set_new(line, heading(column, natural, form, name), value);
	free(text);
}

static int print_json(struct dump *d, struct bytes key, struct bytes value)
{
	json_t *line = or_exit(json_object());

	if (d->container->has_keys)
		add_field(line, &d->key, d->container->key.form, key);
	if (d->container->has_values)
		add_field(line, &d->value, d->container->value.form, value);
	json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(line);
	return 0;
}

/* -- CSV (RFC 4180) ---------------------------------------------------------------------- */

static int print_field(const struct dump *d, const struct column_form *column, struct bytes bytes)
{
	size_t count;
	char *text = form_write(column->form, bytes, &count);

	if (!text || memchr(text, '\0', count)) {
		free(text);
		return complain("dump", "%s: entry %" PRIu64 ": CSV cannot hold its %s like this: try --%ss hex",
				d->container->name, d->done + 1, column->name, column->name);
	}
	if (count && !strpbrk(text, ",\"\r\n")) {
		fputs(text, stdout);
	} else {
		putchar('"');
		for (const char *at = text; *at; at++) {
			if (*at == '"')
				putchar('"');
			putchar(*at);
		}
		putchar('"');
	}
	free(text);
	return 0;
}

static int print_csv(struct dump *d, struct bytes key, struct bytes value)
{
	int r = 0;

	if (d->container->has_keys)
		r = print_field(d, &d->key, key);
	if (r == 0 && d->container->has_keys && d->container->has_values)
		putchar(',');
	if (r == 0 && d->container->has_values)
		r = print_field(d, &d->value, value);
	if (r == 0)
		putchar('\n');
	return r;
}

static void print_headings(const struct dump *d)
{
	const struct container *c = d->container;
	char name[32];

	if (c->has_keys)
		fputs(heading(&d->key, c->key.form, d->key.form, name), stdout);
	if (c->has_keys && c->has_values)
		putchar(',');
	if (c->has_values)
		fputs(heading(&d->value, c->value.form, d->value.form, name), stdout);
	putchar('\n');
}

/* -- all of it --------------------------------------------------------------------------- */

static int print_entry(struct bytes key, struct bytes value, void *context)
{
	struct dump *d = context;
	int r;

	key = without_filling(&d->key, key);
	value = without_filling(&d->value, value);
	r = d->is_csv ? print_csv(d, key, value) : print_json(d, key, value);
	if (r == 0 && ferror(stdout))
		r = EXIT_TROUBLE;	/* main says so */
	progress_step(&d->progress, ++d->done);
	return r;
}

static int dump(const char *name, const char *object, bool is_csv, bool is_quiet, enum form keys,
		enum form values)
{
	struct container c;
	struct dump d = { .container = &c, .is_csv = is_csv };
	dure_segment *seg;
	int r;

	if (open_segment("dump", name, DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	r = container_open("dump", seg, object, &c);
	if (r == 0) {
		d.key = c.key;
		d.value = c.value;
		if (keys != FORM_NATURAL)
			d.key.form = keys;
		if (values != FORM_NATURAL)
			d.value.form = values;
		progress_begin(&d.progress, !is_quiet && !isatty(STDOUT_FILENO), c.count);
		if (is_csv)
			print_headings(&d);
		r = container_visit(&c, print_entry, &d);
		progress_end(&d.progress);
		if (r < 0)
			r = complain_segment("dump", object);
		container_close(&c);
	}
	dure_segment_close(seg);
	return r;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "csv", no_argument, NULL, 'C' },	     { "keys", required_argument, NULL, 'k' },
		{ "values", required_argument, NULL, 'v' }, { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },	     { 0 },
	};
	enum form keys = FORM_NATURAL, values = FORM_NATURAL;
	bool is_csv = false, is_quiet = false;
	int c;

	while ((c = getopt_long(argc, argv, "Ck:v:qh", options, NULL)) != -1)
		switch (c) {
		case 'C':
			is_csv = true;
			break;
		case 'k':
		case 'v':
			if (!form_named(optarg, c == 'k' ? &keys : &values))
				return print_usage(&cmd_dump, stderr);
			break;
		case 'q':
			is_quiet = true;
			break;
		case 'h':
			return print_usage(&cmd_dump, stdout);
		default:
			return print_usage(&cmd_dump, stderr);
		}
	if (argc - optind != 2)
		return print_usage(&cmd_dump, stderr);
	return dump(argv[optind], argv[optind + 1], is_csv, is_quiet, keys, values);
}
