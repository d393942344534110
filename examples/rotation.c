/* SPDX-License-Identifier: MIT */
/*
 * rotation - a reader of a mapped log goes on when the log is cut short under it
 *
 * Log rotation copies a file and then truncates it. Who has it mapped and reads on is killed by
 * SIGBUS; dure_mapping_read says how much is still there, and the reader maps the new log.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINES = 1000 };

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "rotation: %s\n", dure_last_error());
	exit(1);
}

static void write_lines(int log, int first, int count)
{
	char line[32];

	for (int i = first; i < first + count; i++) {
		int length = snprintf(line, sizeof line, "line %6d\n", i);
		if (write(log, line, (size_t)length) != length)
			exit(1);
	}
}

static dure_mapping *map_log(int log)
{
	struct dure_mapping_options options = { .sz = sizeof options,
						.flags = DURE_MAPPING_READ_ONLY };
	dure_mapping *mapping;

	must(dure_mapping_open(log, 0, 0, &options, &mapping));
	must(dure_mapping_advise(mapping, 0, 0, DURE_ADVISE_SEQUENTIAL));
	return mapping;
}

/* Reads lines from offset on, at most count; returns how many there were. */
static int read_lines(dure_mapping *mapping, uint64_t offset, int count, char last[12])
{
	int i;

	for (i = 0; i < count; i++) {
		uint64_t at = offset + (uint64_t)i * 12;
		if (at + 12 > dure_mapping_size(mapping) ||
		    dure_mapping_read(mapping, at, last, 12) != 12)
			break;
	}
	return i;
}

int main(void)
{
	int log = memfd_create("log", MFD_CLOEXEC);
	char last[12];

	write_lines(log, 0, LINES);
	dure_mapping *mapping = map_log(log);
	int n = read_lines(mapping, 0, 400, last);
	printf("read %d lines, the last is %.11s\n", n, last);

	/* rotated: what we have not read yet is gone */
	if (ftruncate(log, 0) < 0 || lseek(log, 0, SEEK_SET) < 0)
		return 1;
	n = read_lines(mapping, 400 * 12, LINES, last);
	printf("read %d lines: %s\n", n, dure_strerror(-ESTALE));
	printf("the cause: %s\n", strstr(dure_last_error(), "cut short"));

	write_lines(log, LINES, 5);
	dure_mapping_close(mapping);
	mapping = map_log(log);
	n = read_lines(mapping, 0, LINES, last);
	printf("read %d lines, the last is %.11s\n", n, last);
	dure_mapping_close(mapping);
	close(log);
	return 0;
}
