/* SPDX-License-Identifier: MIT */
/*
 * collect - forked children put their results into one vector, and say so in one string
 *
 * Each child looks for primes in a part of the numbers. A result and the line about it belong
 * together, so both are one transaction: a child that is killed leaves both or neither. The parent
 * sorts where the elements lie: they are in one row, and nobody else is left to see it.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, END = 100 };

struct prime {
	int number, child;
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "collect: %s\n", dure_last_error());
	exit(1);
}

static int is_prime(int n)
{
	for (int i = 2; i * i <= n; i++)
		if (n % i == 0)
			return 0;
	return n > 1;
}

static int look_for_primes(dure_segment *seg, dure_vector *primes, dure_string *journal, int child)
{
	dure_tx *tx;

	must(dure_segment_reattach(seg));
	for (int n = child; n < END; n += CHILDREN) {
		struct prime prime = { n, child };
		if (!is_prime(n))
			continue;
		must(dure_tx_begin(seg, &tx));
		must(dure_vector_push(primes, &prime, NULL));
		must(dure_string_append_format(journal, "%d found %d\n", child, n));
		must(dure_tx_commit(tx));
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct prime *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int count_lines(dure_string *journal)
{
	char text[4096];
	int lines = 0;

	must(dure_string_get(journal, text, sizeof text, NULL));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_vector_options row = { .sz = sizeof row, .first_count = END };
	uint64_t count;
	dure_string *journal;
	dure_vector *primes;
	dure_segment *seg;
	int status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_vector_open(seg, "primes", DURE_TYPE(struct prime), DURE_CREATE, &row, &primes));
	must(dure_string_open(seg, "journal", DURE_CREATE, &journal));
	for (int child = 0; child < CHILDREN; child++)
		if (fork() == 0)
			return look_for_primes(seg, primes, journal, child);
	while (wait(&status) > 0)
		if (status != 0)
			return 1;
	struct prime *all = dure_vector_at(primes, 0, &count);
	qsort(all, count, sizeof *all, by_number);
	printf("%d primes, %d lines\n", (int)count, count_lines(journal));
	for (uint64_t i = 0; i < count; i++)
		printf("%d%c", all[i].number, i + 1 < count ? ' ' : '\n');
	dure_vector_close(primes);
	dure_string_close(journal);
	must(dure_segment_close(seg));
	return 0;
}
