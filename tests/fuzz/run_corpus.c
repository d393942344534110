/* SPDX-License-Identifier: MIT */
/*
 * run_corpus.c - the fuzz target as an ordinary test, without a fuzzer
 *
 *	run_corpus DIRECTORY
 *	run_corpus FILE...
 *
 * Why      What a fuzzer has found once must never come back, also where there is no fuzzer; and
 *          the simplest damages should not depend on its luck.
 * Method   The inputs (every file of DIRECTORY, then cases.c; or only the files named) run in a
 *          child, each under an alarm. A child that dies or hangs is one failure: its input is
 *          shown, and the next child goes on behind it. Whether it would be noticed is tried
 *          first, with inputs of this test's own that crash and hang; and whether the images
 *          can be opened at all, for otherwise nothing would be tested.
 */
#include <dirent.h>
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "fuzz.h"
#include "image.h"

enum { PATIENCE_S = 10, FAILURES_MAX = 10, INPUT_BYTES_MAX = 1 << 21 };

/* Shared with the child: where it is. */
struct progress {
	unsigned long number;		/* of inputs begun, the skipped ones too */
	char name[512];
	unsigned long bytes;
	uint8_t input[CASE_BYTES_MAX];	/* of a generated one */
	int is_generated;
};

struct runner {
	struct progress *progress;
	unsigned long number, skips;
	void (*test)(const uint8_t *data, size_t size);
	char **files;			/* sorted */
	unsigned file_count;
	int has_cases;
};

static void patience(long milliseconds)
{
	struct itimerval t = { .it_value = { .tv_sec = milliseconds / 1000,
					     .tv_usec = milliseconds % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* -- in the child ------------------------------------------------------------------------ */

static void run_one(struct runner *r, const char *name, const uint8_t *data, size_t bytes,
		    int is_generated)
{
	struct progress *p = r->progress;

	if (r->number++ < r->skips)
		return;
	p->number = r->number;
	p->bytes = bytes;
	p->is_generated = is_generated;
	if (is_generated)
		memcpy(p->input, data, bytes);
	snprintf(p->name, sizeof p->name, "%s", name);
	patience(PATIENCE_S * 1000);
	r->test(data, bytes);
}

static void run_file(struct runner *r, const char *path)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	FILE *file = fopen(path, "rb");

	if (!file) {
		fprintf(stderr, "run_corpus: %s cannot be read\n", path);
		_exit(2);
	}
	size_t count = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	run_one(r, path, bytes, count, 0);
}

static void run_case(const struct fuzz_case *c, void *context)
{
	run_one(context, c->name, c->bytes, c->count, 1);
}

static void run_all(struct runner *r)
{
	for (unsigned i = 0; i < r->file_count; i++)
		run_file(r, r->files[i]);
	if (r->has_cases)
		cases_each(run_case, r);
}

static void run_target(const uint8_t *data, size_t size)
{
	(void)LLVMFuzzerTestOneInput(data, size);
}

/* -- in the parent ----------------------------------------------------------------------- */

/* Returns the child's status; 0: it came to the end. */
static int run_child(struct runner *r)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		run_all(r);
		patience(60 * 1000);
		exit(0);		/* a leak checker speaks now, if there is one */
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("run_corpus: fork");
		exit(2);
	}
	return status;
}

static void show_failure(const struct progress *p, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		printf("FAILED %s: still running after %d s\n", p->name, PATIENCE_S);
	else if (WIFSIGNALED(status))
		printf("FAILED %s: %s\n", p->name, strsignal(WTERMSIG(status)));
	else
		printf("FAILED %s: exit status %d\n", p->name, WEXITSTATUS(status));
	if (!p->is_generated)
		return;
	printf("  to repeat it: printf '");
	for (unsigned long i = 0; i < p->bytes; i++)
		printf("%02x", p->input[i]);
	printf("' | xxd -r -p >input; run_corpus input\n");
}

static struct progress *new_progress(void)
{
	void *memory = mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("run_corpus: mmap");
		exit(2);
	}
	return memory;
}

/* Returns how many inputs failed. */
static int run_to_the_end(struct runner *r)
{
	int failures = 0, status;

	while ((status = run_child(r)) != 0) {
		show_failure(r->progress, status);
		r->skips = r->progress->number;
		if (++failures == FAILURES_MAX) {
			printf("run_corpus: more failures are not looked for\n");
			break;
		}
	}
	return failures;
}

/* -- is this test able to fail ----------------------------------------------------------- */

static void fail_somehow(const uint8_t *data, size_t size)
{
	volatile int *nowhere = NULL;

	(void)size;
	if (data[0] == 0)
		*nowhere = 1;
	if (data[0] == 1)
		abort();
	patience(50);
	for (;;)
		pause();
}

static int notices(uint8_t what, int signal)
{
	struct runner r = { .progress = new_progress(), .test = fail_somehow };
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		run_one(&r, "a failure", &what, 1, 1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	int ok = status != 0 && r.progress->number == 1 && r.progress->input[0] == what;
	munmap(r.progress, sizeof *r.progress);
	/* a sanitizer makes an exit of a crash */
	return ok && (!WIFSIGNALED(status) || WTERMSIG(status) == signal);
}

static int count_object(const struct dure_object_info *info, void *context)
{
	unsigned *count = context;

	(*count) += info->count > 0;
	return 0;
}

static void show_finding(const struct dure_finding *finding, void *context)
{
	(void)context;
	printf("[%s] +%#llx %s\n", finding->rule, (unsigned long long)finding->offset, finding->text);
}

/* Undamaged, an image is a segment. */
static int image_is_good(unsigned number)
{
	const struct image *image = image_at(number);
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .size_bytes = image->max_bytes };
	dure_segment *segment;
	unsigned objects = 0;
	int r;

	if (posix_memalign(&o.buffer, 64, image->max_bytes))
		return 0;
	memcpy(o.buffer, image->bytes, image->max_bytes);
	r = dure_segment_open(NULL, DURE_OPEN, &o, &segment);
	if (r >= 0) {
		r = dure_segment_check(segment, NULL, show_finding, NULL) ? -1 : 0;
		if (r == 0)
			r = dure_object_list(segment, count_object, &objects);
		dure_segment_close(segment);
	}
	free(o.buffer);
	if (r == 0 && (objects > 0 || number == 0))
		return 1;
	printf("FAILED image %u is no good segment (%s): make the images anew: make_images "
	       "tests/fuzz/images.bin\n", number, r < 0 ? dure_last_error() : "it has no objects");
	return 0;
}

static int test_is_sound(void)
{
	int ok = 1;

	if (!notices(0, SIGSEGV) || !notices(1, SIGABRT) || !notices(2, SIGALRM)) {
		printf("FAILED a crash or a hang is not noticed\n");
		ok = 0;
	}
	for (unsigned i = images_load(); i-- > 0;)
		ok &= image_is_good(i);
	return ok;
}

/* -- what to run ------------------------------------------------------------------------- */

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_directory(struct runner *r, const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, not_hidden, alphasort);

	if (count <= 0) {
		fprintf(stderr, "run_corpus: there are no inputs in %s\n", directory);
		exit(2);
	}
	r->files = calloc((size_t)count, sizeof *r->files);
	for (int i = 0; r->files && i < count; i++) {
		if (asprintf(&r->files[i], "%s/%s", directory, entries[i]->d_name) < 0)
			exit(2);
		free(entries[i]);
	}
	free(entries);
	r->file_count = (unsigned)count;
	r->has_cases = 1;
}

static void free_files(struct runner *r)
{
	for (unsigned i = 0; i < r->file_count; i++)
		free(r->files[i]);
	free(r->files);
}

static int is_directory(const char *path)
{
	DIR *directory = opendir(path);

	if (directory)
		closedir(directory);
	return directory != NULL;
}

int main(int argc, char **argv)
{
	struct runner r = { .progress = new_progress(), .test = run_target };
	struct timespec from, to;

	if (argc < 2) {
		fprintf(stderr, "usage: run_corpus DIRECTORY | FILE...\n");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	(void)LLVMFuzzerInitialize(&argc, &argv);
	if (!test_is_sound())
		return 1;
	if (argc == 2 && is_directory(argv[1])) {
		read_directory(&r, argv[1]);
	} else {
		r.files = argv + 1;
		r.file_count = (unsigned)argc - 1;
	}
	int failures = run_to_the_end(&r);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%lu inputs, %u of them files, in %ld s: %d failed\n", r.progress->number,
	       r.file_count, (long)(to.tv_sec - from.tv_sec), failures);
	if (r.has_cases)
		free_files(&r);
	return failures ? 1 : 0;
}
