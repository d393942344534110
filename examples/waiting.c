/* SPDX-License-Identifier: MIT */
/*
 * waiting - jobs that are in one of three lists, whatever happens to those who do them
 *
 * A job is a block of the program's own with a node in it; an intrusive list links it, and splice
 * moves it, in one step. Who works takes the first job that is waiting, into the list of those at
 * work, and when it is done, in a transaction, writes the result and moves it on. One worker is
 * killed in the middle of a job: the job is still in one list, and somebody else does it again.
 */
#include <dure.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 8 };

struct job {
	struct dure_list_node node;
	uint64_t number, square;
};

static dure_segment *seg;
static dure_list *waiting, *at_work, *done;

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "waiting: %s\n", dure_last_error());
	exit(1);
}

static dure_list *open_list(const char *name)
{
	struct dure_list_options o = { .sz = sizeof o, .flags = DURE_LIST_INTRUSIVE,
				       .node_offset = offsetof(struct job, node) };
	dure_list *list;

	must(dure_list_open(seg, name, DURE_TYPE(struct job), DURE_CREATE, &o, &list));
	return list;
}

/* The block appears with its place in the list, or not at all. */
static void add_job(uint64_t number)
{
	struct job *job;
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_alloc(tx, sizeof *job, 0, (void **)&job));
	*job = (struct job){ .number = number };
	must(dure_list_link(waiting, NULL, job));
	must(dure_tx_commit(tx));
}

static void finish(struct job *job)
{
	uint64_t square = job->number * job->number;
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_write(tx, &job->square, &square, sizeof square));
	must(dure_list_splice(done, NULL, at_work, job, job));
	must(dure_tx_commit(tx));
}

/* Until there is none. The victim is killed in the middle of its third. */
static void work(int is_victim)
{
	struct job *job;
	int r;

	for (int n = 1; (r = dure_list_first(waiting, (void **)&job)) != -ENOENT; n++) {
		must(r);
		must(dure_list_splice(at_work, NULL, waiting, job, job));
		if (is_victim && n == 3)
			raise(SIGKILL);
		finish(job);
	}
}

static void run_worker(int is_victim)
{
	pid_t pid = fork();

	if (pid == 0) {
		must(dure_segment_reattach(seg));
		work(is_victim);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static int print_job(void *at, const void *element, void *context)
{
	const struct job *job = element;

	(void)at;
	(void)context;
	printf(" %" PRIu64, job->square ? job->square : job->number);
	return 0;
}

static void print(const char *title, dure_list *list)
{
	printf("%s:", title);
	must(dure_list_visit(list, 0, print_job, NULL));
	putchar('\n');
}

int main(void)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };

	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	waiting = open_list("waiting");
	at_work = open_list("at work");
	done = open_list("done");
	for (uint64_t i = 1; i <= JOBS; i++)
		add_job(i);
	run_worker(1);
	print("left at work by the dead", at_work);
	must(dure_list_splice(waiting, NULL, at_work, NULL, NULL));
	print("waiting", waiting);
	run_worker(0);
	print("done", done);
	must(dure_segment_close(seg));
	return 0;
}
