/* SPDX-License-Identifier: MIT */
/*
 * replace.c - writing a file that others read
 */
#include "replace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int fail(struct replacement *r, int code)
{
	complain(r->command, "%s: it cannot be written: %s", r->path, strerror(code));
	if (r->temporary)
		unlink(r->temporary);
	free(r->temporary);
	r->temporary = NULL;
	return EXIT_TROUBLE;
}

/* with the permissions that a new file has, not those of a temporary one */
static FILE *open_temporary(struct replacement *r)
{
	mode_t mask = umask(0);
	FILE *file = NULL;
	int fd;

	umask(mask);
	fd = mkstemp(r->temporary);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		file = fdopen(fd, "w");
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

FILE *replace_begin(struct replacement *r, const char *command, const char *path)
{
	*r = (struct replacement){ .command = command, .path = path };
	if (is_special(path)) {
		r->file = fopen(path, "we");
	} else {
		size_t bytes = strlen(path) + 8;
		r->temporary = or_exit(malloc(bytes));
		snprintf(r->temporary, bytes, "%s.XXXXXX", path);
		r->file = open_temporary(r);
	}
	if (!r->file)
		fail(r, errno);
	return r->file;
}

int replace_end(struct replacement *r)
{
	bool is_written = fflush(r->file) == 0 && !ferror(r->file);
	int code = errno;

	if (fclose(r->file) != 0 && is_written) {
		is_written = false;
		code = errno;
	}
	if (is_written && r->temporary && rename(r->temporary, r->path) < 0) {
		is_written = false;
		code = errno;
	}
	if (!is_written)
		return fail(r, code);
	free(r->temporary);
	return EXIT_FINE;
}
