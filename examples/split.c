/* SPDX-License-Identifier: MIT */
/*
 * split - one stream, two programs: what one writes is read by two, as tee does it
 *
 * seq counts; one program adds the numbers up, another counts the lines. Neither knows of the
 * other, and no byte of the stream passes through this process' memory.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "split: %s\n", dure_last_error());
	exit(1);
}

static dure_process *start(const char *const *words, uint32_t input)
{
	struct dure_process_options options = { .sz = sizeof options, .input = input,
						.output = DURE_STREAM_PIPE };
	dure_process *process;

	must(dure_process_start(words, &options, &process));
	return process;
}

/* What it says when its input is at its end. */
static void report(const char *what, dure_process *process)
{
	char text[64];
	int r;

	must(dure_process_close_stream(process, DURE_STDIN));
	r = dure_process_read(process, DURE_STDOUT, text, sizeof text, DURE_S(10));
	must(r);
	printf("%s: %.*s", what, r, text);
	must(dure_process_close(process));
}

int main(void)
{
	dure_process *source = start(WORDS("seq", "100000"), DURE_STREAM_NULL);
	dure_process *sum = start(WORDS("awk", "{ n += $1 } END { printf \"%.0f\\n\", n }"), DURE_STREAM_PIPE);
	dure_process *count = start(WORDS("wc", "-l"), DURE_STREAM_PIPE);
	const int to[] = { dure_process_stream(sum, DURE_STDIN),
			   dure_process_stream(count, DURE_STDIN) };
	dure_split *split;
	int r;

	must(dure_split_open(dure_process_stream(source, DURE_STDOUT), to, 2, &split));
	while ((r = dure_split_run(split, DURE_S(10))) > 0)
		;
	must(r);
	dure_split_close(split);
	report("sum", sum);
	report("lines", count);
	must(dure_process_close(source));
	return 0;
}
