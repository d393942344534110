/* SPDX-License-Identifier: MIT */
/*
 * checkpoint - a segment in a file, kept through power loss, and gone back to
 *
 * A file segment lives as long as its file. Processes may die as they like: it stays consistent.
 * Only a machine that stops can tear it, since the kernel writes its pages in any order; so
 * dure_segment_checkpoint writes a whole image beside the file, NAME.checkpoint. After a reboot an
 * unclean segment is opened from it by itself, with DURE_RESTORED.
 *
 * The image is a segment of its own. To go back by hand, put a copy of it in the file's place.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "checkpoint: %s\n", dure_last_error());
	exit(1);
}

static const struct dure_segment_options in_a_file = { .sz = sizeof in_a_file,
						       .size_bytes = 1 << 20,
						       .backing = DURE_BACKING_FILE };

static dure_segment *open_notes(const char *path, int64_t **ret_value)
{
	dure_segment *seg;

	must(dure_segment_open(path, DURE_CREATE | DURE_OPEN, &in_a_file, &seg));
	must(dure_object_find_or_create(seg, "value", DURE_TYPE(int64_t), 1, NULL, NULL,
					(void **)ret_value));
	return seg;
}

/* Writes a value and is killed: it neither closes the segment nor makes a checkpoint. */
static void write_and_die(const char *path, int64_t new_value)
{
	int64_t *value;

	if (fork() == 0) {
		open_notes(path, &value);
		*value = new_value;
		kill(getpid(), SIGKILL);
	}
	wait(NULL);
}

int main(void)
{
	char directory[] = "/tmp/dure-checkpoint-XXXXXX", path[64], image[80];
	dure_segment *seg;
	int64_t *value;

	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof path, "%s/notes", directory);
	snprintf(image, sizeof image, "%s.checkpoint", path);

	seg = open_notes(path, &value);
	*value = 1;
	must(dure_segment_checkpoint(seg, DURE_FOREVER));
	puts("checkpoint made with value 1");
	must(dure_segment_close(seg));

	write_and_die(path, 2);
	seg = open_notes(path, &value);
	printf("after the death of the writer: %d\n", (int)*value);
	must(dure_segment_close(seg));

	if (rename(image, path) < 0)
		return 1;
	seg = open_notes(path, &value);
	printf("after going back: %d\n", (int)*value);
	must(dure_segment_close(seg));

	must(dure_segment_remove(path, 0, &in_a_file));
	unlink(image);
	return rmdir(directory) < 0;
}
