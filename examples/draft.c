/* SPDX-License-Identifier: MIT */
/*
 * draft - a private mapping: a file is changed in place, and nobody sees it until it is accepted
 *
 * The pages are the file's until they are written to; then this process has copies of its own. A
 * child writes a draft and is killed: the file has not changed. What is accepted goes into a
 * shared mapping, and from there to the disk.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "the cat sat on the mat";

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "draft: %s\n", dure_last_error());
	exit(1);
}

static dure_mapping *map(FILE *file, uint32_t flags)
{
	struct dure_mapping_options options = { .sz = sizeof options, .flags = flags };
	dure_mapping *mapping;

	must(dure_mapping_open(fileno(file), 0, 0, &options, &mapping));
	return mapping;
}

static void show(const char *what, FILE *file)
{
	char now[sizeof text] = "";

	if (pread(fileno(file), now, sizeof text - 1, 0) != (ssize_t)sizeof text - 1)
		exit(1);
	printf("%-24s %s\n", what, now);
}

int main(void)
{
	FILE *file = tmpfile();

	if (!file || fputs(text, file) < 0 || fflush(file) != 0)
		return 1;
	dure_mapping *draft = map(file, DURE_MAPPING_PRIVATE);
	char *words = dure_mapping_address(draft);
	memcpy(words + 4, "dog", 3);
	printf("%-24s %.*s\n", "the draft", (int)dure_mapping_size(draft), words);
	show("the file", file);

	pid_t pid = fork();
	if (pid == 0) {
		memcpy(words + 4, "rat", 3);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	printf("%-24s %.*s\n", "after a child's death", (int)dure_mapping_size(draft), words);

	dure_mapping *shared = map(file, 0);
	memcpy(dure_mapping_address(shared), words, sizeof text - 1);
	must(dure_mapping_sync(shared, 0, 0, 0));
	show("the file, accepted", file);
	dure_mapping_close(shared);
	dure_mapping_close(draft);
	fclose(file);
	return 0;
}
