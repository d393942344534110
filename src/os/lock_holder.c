/* SPDX-License-Identifier: MIT */
/*
 * lock_holder.c - which processes have an open file description with a lock
 *
 * Why      A lock of a description has no owner that the kernel could name: F_OFD_GETLK and
 *          /proc/locks say -1. But each process' fdinfo lists the locks of its descriptors.
 * How      /proc/PID/fdinfo/FD has a line for each lock of that description:
 *          "lock:\t1: OFDLCK  ADVISORY  WRITE -1 fe:00:1234 0 EOF"
 *          Kind and range are compared first, which asks no file system anything; then device
 *          and inode of /proc/PID/fd/FD, because two file systems may show one device here.
 * Limits   Processes of others are not to be seen without the right to trace them, nor those
 *          of other PID namespaces. A description that is only mapped has no fdinfo. The first
 *          TEXT_BYTES of an fdinfo are read: some hundred locks.
 * Death    nothing is kept here. Who dies meanwhile is not found.
 */
#include "os/lock_holder.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_BYTES = 8192 };

struct search {
	const struct durei_file_facts *file;
	struct durei_range range;
	const char *process;		/* the directory that is looked at */
	struct durei_lock_holder *found;
};

/* Is it a line about our range, held as ours is? */
static bool is_our_lock(const char *line, struct durei_range range)
{
	char owner[16], kind[16], end[24];
	uint64_t first;

	if (sscanf(line, "lock: %*[^:]: %15s %*s %15s %*d %*s %" SCNu64 " %23s", owner, kind,
		   &first, end) != 4)
		return false;
	uint64_t last = strcmp(end, "EOF") == 0 ? INT64_MAX : strtoull(end, NULL, 10);
	return strcmp(owner, "OFDLCK") == 0 && first == range.first && last == range.last &&
	       (strcmp(kind, "WRITE") == 0) == range.exclusive;
}

static bool has_our_lock(char *text, struct durei_range range)
{
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (is_our_lock(line, range))
			return true;
	return false;
}

static int look_at_descriptor(const char *name, void *context)
{
	const struct search *search = context;
	char path[64], text[TEXT_BYTES];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%.16s/fdinfo/%.16s", search->process, name);
	if (durei_file_read_text(path, text, sizeof text) < 0 ||
	    !has_our_lock(text, search->range))
		return 0;
	snprintf(path, sizeof path, "/proc/%.16s/fd/%.16s", search->process, name);
	return stat(path, &st) == 0 && (uint64_t)st.st_dev == search->file->device &&
	       (uint64_t)st.st_ino == search->file->inode;
}

static int look_at_process(const char *name, void *context)
{
	struct search *search = context;
	char path[40];

	if (!isdigit((unsigned char)*name))
		return 0;
	search->process = name;
	snprintf(path, sizeof path, "/proc/%.16s/fdinfo", name);
	if (durei_directory_visit(path, look_at_descriptor, search) != 1)
		return 0;
	uint32_t process = (uint32_t)strtoul(name, NULL, 10);
	search->found->processes++;
	if (!search->found->process || process < search->found->process)
		search->found->process = process;
	return 0;
}

static void read_name(struct durei_lock_holder *holder)
{
	char path[40], text[32];

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/comm", holder->process);
	if (durei_file_read_text(path, text, sizeof text) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(holder->name, sizeof holder->name, "%.15s", text);
}

void durei_lock_holder_of_range(const struct durei_file_facts *file, struct durei_range range,
				struct durei_lock_holder *ret)
{
	struct search search = { .file = file, .range = range, .found = ret };

	*ret = (struct durei_lock_holder){ 0 };
	(void)durei_directory_visit("/proc", look_at_process, &search);
	if (ret->process)
		read_name(ret);
}

void durei_lock_holder_of_process(uint32_t process, struct durei_lock_holder *ret)
{
	*ret = (struct durei_lock_holder){ .process = process, .processes = process != 0 };
	if (process)
		read_name(ret);
}
