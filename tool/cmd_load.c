/* SPDX-License-Identifier: MIT */
/*
 * cmd_load.c - dure load: entries into a container, from JSON lines or CSV
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "container.h"
#include "progress.h"

static int run(int argc, char **argv);

const struct command cmd_load = {
	.name = "load",
	.run = run,
	.usage = "Usage: dure load [OPTION...] NAME OBJECT [FILE]\n"
		 "Put what dure dump has printed into a container of a segment, which is there.\n"
		 "Maps and sets are put into, vectors pushed to, and a string becomes what is\n"
		 "loaded. Without a FILE it is the standard input.\n\n"
		 "  -C, --csv            CSV with a line of headings, not JSON lines\n"
		 "  -q, --quiet          no progress bar, and no count at the end\n"
		 "  -h, --help           this text\n\n"
		 "NAME is a plain name, a path (with a '/'), or sysv:ID. Each entry is put for\n"
		 "itself: after an error, or a death, those before it are there.\n"
		 "Fields: key, value; or with _text, _integer or _hex behind it, which says how\n"
		 "it is written.\n"
		 "Exit status: 0 all of it, 2 trouble.\n",
};

struct load {
	struct container container;
	FILE *file;
	const char *file_name;
	uint64_t line, entries;
	enum form csv_forms[2];		/* of the columns; FORM_NATURAL with is_key */
	bool csv_is_key[2];
	unsigned csv_columns;
	struct progress progress;
};

static int wrong(const struct load *l, const char *what)
{
	return complain("load", "%s, line %" PRIu64 ": %s; entries loaded before it: %" PRIu64,
			l->file_name, l->line, what, l->entries);
}

/* -- one entry --------------------------------------------------------------------------- */

struct field {
	unsigned char *bytes;		/* NULL: not there */
	size_t count;
};

static int put(struct load *l, struct field *key, struct field *value)
{
	struct container *c = &l->container;
	int r = 0;

	if (c->has_keys && !key->bytes)
		r = wrong(l, "there is no key");
	else if (!c->has_keys && key->bytes)
		r = wrong(l, "there is a key, and the object has none");
	else if (c->has_values && !value->bytes)
		r = wrong(l, "there is no value");
	else if (!c->has_values && value->bytes)
		r = wrong(l, "there is a value, and the object has none");
	else if (container_put(c, (struct bytes){ key->bytes, key->count },
			       (struct bytes){ value->bytes, value->count }, l->entries == 0) < 0)
		r = wrong(l, dure_last_error());
	else
		l->entries++;
	free(key->bytes);
	free(value->bytes);
	return r;
}

/* "key", "value_hex" and so on; false: no such field */
static bool field_named(const struct container *c, const char *name, bool *ret_is_key,
			enum form *ret_form)
{
	const char *rest;

	*ret_is_key = strncmp(name, "key", 3) == 0;
	if (!*ret_is_key && strncmp(name, "value", 5) != 0)
		return false;
	rest = name + (*ret_is_key ? 3 : 5);
	*ret_form = *ret_is_key ? c->key.form : c->value.form;
	return *rest == '\0' || (*rest == '_' && form_named(rest + 1, ret_form));
}

static bool read_field(struct load *l, bool is_key, enum form form, const char *text, size_t count,
		       struct field *ret)
{
	const struct column_form *column = is_key ? &l->container.key : &l->container.value;

	free(ret->bytes);
	ret->bytes = form_read(column, form, text, count, &ret->count);
	return ret->bytes != NULL;
}

/* -- JSON -------------------------------------------------------------------------------- */

/* A JSON value must be of the kind that its form asks for: "12" is no number. */
static bool read_json_field(struct load *l, bool is_key, enum form form, const json_t *value,
			    struct field *ret)
{
	char number[40];

	if (json_is_string(value))
		return (form == FORM_TEXT || form == FORM_HEX) &&
		       read_field(l, is_key, form, json_string_value(value), json_string_length(value),
				  ret);
	if (json_is_integer(value) && form != FORM_TEXT && form != FORM_HEX)
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value) && form == FORM_DOUBLE)
		snprintf(number, sizeof number, "%.17g", json_real_value(value));
	else
		return false;
	return read_field(l, is_key, form, number, strlen(number), ret);
}

static int load_object(struct load *l, json_t *object)
{
	struct field key = { 0 }, value = { 0 };
	const char *name;
	json_t *member;

	json_object_foreach(object, name, member) {
		enum form form;
		bool is_key;
		char what[128];
		if (field_named(&l->container, name, &is_key, &form) &&
		    read_json_field(l, is_key, form, member, is_key ? &key : &value))
			continue;
		free(key.bytes);
		free(value.bytes);
		snprintf(what, sizeof what, "\"%.40s\" is no key or value of this object", name);
		return wrong(l, what);
	}
	return put(l, &key, &value);
}

static int load_json(struct load *l)
{
	char *line = NULL;
	size_t room = 0;
	uint64_t bytes = 0;
	ssize_t count;
	int r = 0;

	while (r == 0 && (count = getline(&line, &room, l->file)) > 0) {
		json_error_t error;
		l->line++;
		bytes += (uint64_t)count;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		json_t *object = json_loadb(line, (size_t)count, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
					    &error);
		r = json_is_object(object) ? load_object(l, object)
					   : wrong(l, object ? "it is no JSON object" : error.text);
		json_decref(object);
		progress_step(&l->progress, l->progress.total ? bytes : l->entries);
	}
	free(line);
	return r;
}

/* -- CSV (RFC 4180) ---------------------------------------------------------------------- */

struct text {
	char *bytes;
	size_t count, room;
};

static void add_character(struct text *t, int c)
{
	if (t->count + 2 > t->room) {
		t->room = t->room ? t->room * 2 : 256;
		t->bytes = or_exit(realloc(t->bytes, t->room));
	}
	t->bytes[t->count++] = (char)c;
	t->bytes[t->count] = '\0';
}

/* Behind the opening quote, to the closing one. False: there is none */
static bool read_quoted(struct load *l, struct text *t)
{
	int c;

	while ((c = getc(l->file)) != EOF) {
		if (c == '\n')
			l->line++;
		if (c != '"') {
			add_character(t, c);
			continue;
		}
		c = getc(l->file);
		if (c != '"') {
			ungetc(c, l->file);
			return true;
		}
		add_character(t, c);
	}
	return false;
}

/* What ended it: ',', '\n' or EOF; 0: it is not CSV */
static int read_csv_field(struct load *l, struct text *t)
{
	int c = getc(l->file);

	t->count = 0;
	add_character(t, '\0');		/* so that there are bytes */
	t->count = 0;
	if (c == '"') {
		if (!read_quoted(l, t))
			return 0;
		c = getc(l->file);
		if (c != ',' && c != '\r' && c != '\n' && c != EOF)
			return 0;
	} else {
		for (; c != ',' && c != '\r' && c != '\n' && c != EOF; c = getc(l->file))
			add_character(t, c);
	}
	if (c == '\r')
		c = getc(l->file);
	return c;
}

static int load_headings(struct load *l, struct text *t)
{
	int end = ',';

	l->line = 1;
	while (end == ',') {
		end = read_csv_field(l, t);
		if (l->csv_columns == 2 || end == 0 ||
		    !field_named(&l->container, t->bytes, &l->csv_is_key[l->csv_columns],
				 &l->csv_forms[l->csv_columns]))
			return wrong(l, "the first line has the headings key, value or both");
		l->csv_columns++;
	}
	return 0;
}

/* One line. 0; -1: there is none any more; or an exit status */
static int load_record(struct load *l, struct text *t)
{
	struct field fields[2] = { 0 };	/* key, value */
	int end = getc(l->file), r = 0;

	if (end == EOF)
		return -1;
	ungetc(end, l->file);
	l->line++;
	for (unsigned i = 0; r == 0 && i < l->csv_columns; i++) {
		end = read_csv_field(l, t);
		if (end == 0 || (end == ',') != (i + 1 < l->csv_columns))
			r = wrong(l, "it has not as many fields as there are headings, or a quote too many");
		else if (!read_field(l, l->csv_is_key[i], l->csv_forms[i], t->bytes, t->count,
				     &fields[!l->csv_is_key[i]]))
			r = wrong(l, l->csv_is_key[i] ? "this is no key of this object"
						      : "this is no value of this object");
	}
	if (r == 0)
		return put(l, &fields[0], &fields[1]);
	free(fields[0].bytes);
	free(fields[1].bytes);
	return r;
}

static int load_csv(struct load *l)
{
	struct text t = { 0 };
	int r = load_headings(l, &t);

	while (r == 0) {
		r = load_record(l, &t);
		if (l->entries % 64 == 0)
			progress_step(&l->progress,
				      l->progress.total ? (uint64_t)ftello(l->file) : l->entries);
	}
	free(t.bytes);
	return r < 0 ? 0 : r;
}

/* -- all of it --------------------------------------------------------------------------- */

static uint64_t size_of(FILE *file)
{
	struct stat is;

	return fstat(fileno(file), &is) == 0 && S_ISREG(is.st_mode) ? (uint64_t)is.st_size : 0;
}

static int load_into(struct load *l, dure_segment *seg, const char *object, bool is_csv, bool is_quiet)
{
	int r = container_open("load", seg, object, &l->container);

	if (r != 0)
		return r;
	progress_begin(&l->progress, !is_quiet, size_of(l->file));
	r = is_csv ? load_csv(l) : load_json(l);
	progress_end(&l->progress);
	if (r == 0 && ferror(l->file))
		r = wrong(l, strerror(errno));
	if (r == 0 && !is_quiet)
		printf("%" PRIu64 " entr%s\n", l->entries, l->entries == 1 ? "y" : "ies");
	container_close(&l->container);
	return r;
}

static int load(const char *name, const char *object, const char *file, bool is_csv, bool is_quiet)
{
	struct load l = { .file = stdin, .file_name = "standard input" };
	dure_segment *seg;
	int r = EXIT_TROUBLE;

	if (file && strcmp(file, "-") != 0) {
		l.file = fopen(file, "re");
		l.file_name = file;
		if (!l.file)
			return complain("load", "%s: %s", file, strerror(errno));
	}
	if (open_segment("load", name, DURE_OPEN, &seg) >= 0) {
		r = load_into(&l, seg, object, is_csv, is_quiet);
		dure_segment_close(seg);
	}
	if (l.file != stdin)
		fclose(l.file);
	return r;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "csv", no_argument, NULL, 'C' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool is_csv = false, is_quiet = false;
	int c;

	while ((c = getopt_long(argc, argv, "Cqh", options, NULL)) != -1)
		switch (c) {
		case 'C':
			is_csv = true;
			break;
		case 'q':
			is_quiet = true;
			break;
		case 'h':
			return print_usage(&cmd_load, stdout);
		default:
			return print_usage(&cmd_load, stderr);
		}
	if (argc - optind != 2 && argc - optind != 3)
		return print_usage(&cmd_load, stderr);
	return load(argv[optind], argv[optind + 1], argv[optind + 2], is_csv, is_quiet);
}
