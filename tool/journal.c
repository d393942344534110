/* SPDX-License-Identifier: MIT */
/*
 * journal.c - what was removed, so that it can come back
 */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

bool journal_base(const char *command, const char *given, char *path, size_t path_bytes)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (given)
		n = snprintf(path, path_bytes, "%s", given);
	else if (geteuid() == 0)
		n = snprintf(path, path_bytes, "/var/lib/dure");
	else if (state && *state == '/')
		n = snprintf(path, path_bytes, "%s/dure", state);
	else if (home && *home == '/')
		n = snprintf(path, path_bytes, "%s/.local/state/dure", home);
	else
		n = -1;
	if (n > 0 && (size_t)n < path_bytes - 100)
		return true;
	complain(command, "there is no place for the journal: set HOME, or give --journal DIRECTORY");
	return false;
}

/* mkdir -p, with mode 0700 for what is made */
static bool make_directories(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		int r = mkdir(path, 0700);
		*at = '/';
		if (r < 0 && errno != EEXIST)
			return false;
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

void journal_begin(struct journal *journal, const char *command, const char *base,
		   bool keeps_nothing)
{
	*journal = (struct journal){ .command = command, .base = base,
				     .keeps_nothing = keeps_nothing };
}

void journal_end(struct journal *journal)
{
	if (journal->file && fclose(journal->file) != 0)
		complain(journal->command, "%s/journal: %s", journal->path, strerror(errno));
	*journal = (struct journal){ 0 };
}

static bool open_run(struct journal *journal)
{
	char base[JOURNAL_PATH_BYTES - 100], file[JOURNAL_PATH_BYTES + 16], when[32];
	time_t now = time(NULL);
	struct tm utc;
	int n;

	if (!journal_base(journal->command, journal->base, base, sizeof base))
		return false;
	gmtime_r(&now, &utc);
	strftime(when, sizeof when, "%Y%m%dT%H%M%S", &utc);
	bool is_made = make_directories(base);
	for (int i = 0; is_made && i < 1000; i++) {	/* two runs of one second and one pid */
		n = snprintf(journal->path, sizeof journal->path, i ? "%s/%s-%d-%d" : "%s/%s-%d", base, when,
			     (int)getpid(), i);
		is_made = n > 0 && (size_t)n < sizeof journal->path && mkdir(journal->path, 0700) == 0;
		if (is_made || errno != EEXIST)
			break;
		is_made = true;
	}
	snprintf(file, sizeof file, "%s/journal", journal->path);
	int fd = is_made ? open(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600) : -1;
	journal->file = fd >= 0 ? fdopen(fd, "a") : NULL;
	if (journal->file)
		return true;
	complain(journal->command, "the journal cannot be made in %s: %s; --journal names another place, "
		 "--no-undo does without", base, strerror(errno));
	return false;
}

unsigned journal_next(struct journal *journal)
{
	if (!journal->keeps_nothing && !journal->file && !open_run(journal))
		return 0;
	return ++journal->count;
}

int journal_data(struct journal *journal, unsigned number)
{
	char path[JOURNAL_PATH_BYTES + 32];

	snprintf(path, sizeof path, "%s/%u.data", journal->path, number);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		complain(journal->command, "%s: %s", path, strerror(errno));
	return fd;
}

static bool write_line(FILE *file, const json_t *line)
{
	return json_dumpf(line, file, JSON_COMPACT) == 0 && putc('\n', file) != EOF &&
	       fflush(file) == 0;
}

bool journal_record(struct journal *journal, unsigned number, json_t *record)
{
	bool is_written = journal->keeps_nothing;

	if (!is_written) {
		json_object_set_new(record, "object", json_integer(number));
		json_object_set_new(record, "state", json_string("removing"));
		is_written = write_line(journal->file, record);
		if (!is_written)
			complain(journal->command, "%s/journal: %s", journal->path, strerror(errno));
	}
	json_decref(record);
	return is_written;
}

void journal_state(struct journal *journal, unsigned number, const char *state)
{
	char path[JOURNAL_PATH_BYTES + 32];

	if (journal->keeps_nothing)
		return;
	json_t *line = json_pack("{s:i, s:s}", "object", (int)number, "state", state);
	if (!line || !write_line(journal->file, line))
		complain(journal->command, "%s/journal: %s", journal->path, strerror(errno));
	json_decref(line);
	if (strcmp(state, "kept") == 0) {
		snprintf(path, sizeof path, "%s/%u.data", journal->path, number);
		(void)unlink(path);
	}
}

/* -- reading ----------------------------------------------------------------------------- */

static json_t *find_record(json_t *records, json_int_t number)
{
	/* they are numbered from 1: unless lines were lost, the first try finds it */
	size_t i = number > 0 ? (size_t)number - 1 : 0;
	json_t *record = json_array_get(records, i);

	if (json_integer_value(json_object_get(record, "object")) == number)
		return record;
	record = json_array_get(records, json_array_size(records) - 1);
	if (json_integer_value(json_object_get(record, "object")) < number)
		return NULL;			/* a new one */
	json_array_foreach(records, i, record)
		if (json_integer_value(json_object_get(record, "object")) == number)
			return record;
	return NULL;
}

static void take_line(json_t *records, const char *text)
{
	json_t *line = json_loads(text, 0, NULL);
	json_t *number = json_object_get(line, "object"), *state = json_object_get(line, "state");

	if (!json_is_integer(number) || !json_is_string(state)) {	/* the last line, cut short */
		json_decref(line);
		return;
	}
	json_t *record = find_record(records, json_integer_value(number));
	if (record)
		json_object_set(record, "state", state);
	else if (json_object_get(line, "kind"))
		json_array_append(records, line);
	json_decref(line);
}

static bool read_run(const char *path, const char *name, struct journal_run *ret)
{
	char file_path[JOURNAL_PATH_BYTES + 16];
	char *line = NULL;
	size_t room = 0;

	*ret = (struct journal_run){ .records = NULL };
	snprintf(ret->path, sizeof ret->path, "%s", path);
	snprintf(ret->name, sizeof ret->name, "%s", name);
	snprintf(file_path, sizeof file_path, "%s/journal", path);
	FILE *file = fopen(file_path, "re");
	if (!file)
		return false;
	ret->records = or_exit(json_array());
	while (getline(&line, &room, file) > 0)
		take_line(ret->records, line);
	free(line);
	fclose(file);
	return true;
}

void journal_run_end(struct journal_run *run)
{
	json_decref(run->records);
	if (run->file)
		fclose(run->file);
	*run = (struct journal_run){ .records = NULL };
}

void journal_list(const char *command, const char *given,
		  void (*visit)(const struct journal_run *run, void *context), void *context)
{
	char base[JOURNAL_PATH_BYTES], path[JOURNAL_PATH_BYTES];
	struct dirent **names;
	struct journal_run run;

	if (!journal_base(command, given, base, sizeof base))
		return;
	int count = scandir(base, &names, NULL, alphasort);	/* names begin with the time */
	for (int i = 0; i < count; i++) {
		int n = snprintf(path, sizeof path, "%s/%s", base, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && (size_t)n < sizeof path &&
		    read_run(path, names[i]->d_name, &run)) {
			visit(&run, context);
			journal_run_end(&run);
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static bool has_something(const struct journal_run *run)
{
	size_t i;
	json_t *record;

	json_array_foreach(run->records, i, record) {
		const char *state = json_string_value(json_object_get(record, "state"));
		if (strcmp(state, "removed") == 0 || strcmp(state, "removing") == 0)
			return true;
	}
	return false;
}

static void keep_last(const struct journal_run *run, void *context)
{
	if (has_something(run))
		snprintf(context, sizeof run->name, "%s", run->name);
}

bool journal_read(const char *command, const char *given, const char *name,
		  struct journal_run *ret)
{
	char base[JOURNAL_PATH_BYTES], path[JOURNAL_PATH_BYTES], last[64] = "";

	if (!journal_base(command, given, base, sizeof base))
		return false;
	if (!name) {
		journal_list(command, given, keep_last, last);
		name = last;
		if (!*last) {
			complain(command, "%s: nothing there that could be restored", base);
			return false;
		}
	}
	int n = snprintf(path, sizeof path, "%s/%s", base, name);
	if (strchr(name, '/') || (size_t)n >= sizeof path || !read_run(path, name, ret)) {
		complain(command, "%s: there is no such run in %s (dure undo --list)", name, base);
		return false;
	}
	return true;
}

bool journal_append(const char *command, struct journal_run *run, json_int_t number,
		    const char *state)
{
	char path[JOURNAL_PATH_BYTES + 16];
	json_t *line = json_pack("{s:I, s:s}", "object", number, "state", state);

	snprintf(path, sizeof path, "%s/journal", run->path);
	if (!run->file)
		run->file = fopen(path, "ae");
	bool is_written = run->file && line && write_line(run->file, line);
	json_decref(line);
	if (!is_written)
		complain(command, "%s: %s", path, strerror(errno));
	return is_written;
}

/* -- names of any bytes ------------------------------------------------------------------- */

json_t *journal_text(const char *text)
{
	json_t *value = json_string(text);
	char *hex;

	if (value)
		return value;
	hex = or_exit(malloc(2 * strlen(text) + 1));
	for (size_t i = 0; text[i]; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)text[i]);
	value = or_exit(json_pack("{s:s}", "hex", hex));
	free(hex);
	return value;
}

void journal_text_read(const json_t *value, char *text, size_t text_bytes)
{
	const char *hex = json_string_value(json_object_get(value, "hex"));
	const char *plain = json_string_value(value);
	size_t used = 0;
	unsigned byte;

	snprintf(text, text_bytes, "%s", plain ? plain : "");
	for (; hex && used + 1 < text_bytes && sscanf(hex, "%2x", &byte) == 1 && hex[1]; hex += 2)
		text[used++] = (char)byte;
	if (hex)
		text[used] = '\0';
}
