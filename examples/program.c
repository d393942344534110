/* SPDX-License-Identifier: MIT */
/*
 * program - run programs and keep what they say: popen without its traps
 *
 * The arguments reach the program as they are, input and output flow at once, time and output are
 * limited, and a program that cannot run is told apart from one that fails.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS(...) (const char *const[]){ __VA_ARGS__, NULL }

static struct dure_run_result run(const char *const *words, uint32_t flags, const char *input,
				  size_t output_max, int64_t timeout_ns)
{
	struct dure_process_options options = { .sz = sizeof options, .flags = flags };
	struct dure_run_options streams = { .sz = sizeof streams, .output_max = output_max,
					    .input = input, .input_bytes = strlen(input) };
	struct dure_run_result result = { .sz = sizeof result };

	if (dure_process_run(words, &options, &streams, timeout_ns, &result) < 0) {
		fprintf(stderr, "program: %s\n", dure_last_error());
		exit(1);
	}
	return result;
}

int main(void)
{
	struct dure_run_result r;

	r = run(WORDS("sort"), 0, "pear\nfig\napple\n", 0, DURE_S(10));
	for (char *c = r.output; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	printf("sorted: %.*s\n", (int)r.output_bytes - 1, r.output);
	dure_run_free(&r);

	r = run(WORDS("echo \"passed as it is: $1\" | tr a-z A-Z", "it's"), DURE_PROCESS_SHELL, "", 0,
		DURE_S(10));
	printf("a shell was asked for: %s", r.output);
	dure_run_free(&r);

	r = run(WORDS("echo oops >&2; exit 3"), DURE_PROCESS_SHELL, "", 0, DURE_S(10));
	printf("status %d, and errors apart: %s", r.status, r.errors);
	dure_run_free(&r);

	r = (struct dure_run_result){ .sz = sizeof r };
	if (dure_process_run(WORDS("no-such-program"), NULL, NULL, 0, &r) == -ENOENT)
		printf("no such thing: the sentence names %s\n",
		       strstr(dure_last_error(), "PATH") ? "PATH" : "nothing");

	r = run(WORDS("sleep", "1000"), 0, "", 0, DURE_MS(50));
	printf("slow: ended after its time was up%s %d\n",
	       r.ended == DURE_RUN_TIMED_OUT ? ", by signal" : "?", r.status - DURE_PROCESS_SIGNALLED);
	dure_run_free(&r);

	r = run(WORDS("yes"), 0, "", 1000, DURE_S(10));
	printf("endless: ended after %d bytes\n", (int)r.output_bytes);
	dure_run_free(&r);
	return 0;
}
