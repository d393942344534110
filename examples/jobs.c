/* SPDX-License-Identifier: MIT */
/*
 * jobs - a work queue whose workers are killed all the time
 *
 * A worker takes a job, books the job's number in the ledger and acknowledges the job, both in
 * one transaction. One that is killed, wherever it is, has done all of that or nothing; then the
 * job is back at its place, and the next worker gets it. A thousand are killed; in the end each job
 * is booked once.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS = 10000, WORKERS = 3, KILLS = 1000 };

struct ledger {
	dure_mutex lock;
	uint64_t booked[JOBS];
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "jobs: %s\n", dure_last_error());
	exit(1);
}

static void sleep_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static void book(dure_segment *seg, struct ledger *ledger, dure_queue *queue,
		 const struct dure_message *job, uint64_t number)
{
	uint64_t count;
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_lock(tx, &ledger->lock, DURE_FOREVER));
	count = ledger->booked[number] + 1;
	must(dure_tx_write(tx, &ledger->booked[number], &count, sizeof count));
	must(dure_queue_acknowledge(queue, job));
	must(dure_tx_commit(tx));
}

/* Until it is killed, or the queue is shut and has nothing more. */
static void work(const char *name)
{
	struct dure_message job = { .sz = sizeof job };
	struct ledger *ledger;
	dure_segment *seg;
	dure_queue *queue;
	uint64_t number;

	must(dure_segment_open(name, DURE_OPEN, NULL, &seg));
	must(dure_object_find(seg, "ledger", DURE_TYPE(struct ledger), (void **)&ledger, NULL));
	must(dure_queue_open(seg, "jobs", DURE_OPEN, NULL, &queue));
	while (dure_queue_take(queue, NULL, &number, sizeof number, &job, DURE_FOREVER) == 0) {
		sleep_us(200);		/* the work itself */
		book(seg, ledger, queue, &job, number);
	}
	exit(0);
}

static pid_t start_worker(const char *name)
{
	pid_t pid = fork();

	if (pid == 0)
		work(name);
	return pid;
}

int main(void)
{
	struct dure_queue_info info = { .sz = sizeof info };
	unsigned once = 0, more = 0;
	struct ledger *ledger;
	dure_segment *seg;
	dure_queue *queue;
	pid_t pids[WORKERS];
	char name[32];

	snprintf(name, sizeof name, "jobs-%d", (int)getpid());
	must(dure_segment_open(name, DURE_CREATE, NULL, &seg));
	must(dure_object_construct(seg, "ledger", DURE_TYPE(struct ledger), 1, NULL, NULL,
				   (void **)&ledger));
	must(dure_queue_open(seg, "jobs", DURE_CREATE, NULL, &queue));
	for (int i = 0; i < WORKERS; i++)
		pids[i] = start_worker(name);
	for (uint64_t i = 0; i < JOBS; i++) {
		must(dure_queue_send(queue, &i, sizeof i, NULL, DURE_FOREVER));
		if (i % (JOBS / KILLS))
			continue;
		sleep_us((long)(i * 7919 % 2000));
		kill(pids[i % WORKERS], SIGKILL);
		waitpid(pids[i % WORKERS], NULL, 0);
		pids[i % WORKERS] = start_worker(name);
	}
	must(dure_queue_shut(queue));
	for (int i = 0; i < WORKERS; i++)
		waitpid(pids[i], NULL, 0);
	for (int i = 0; i < JOBS; i++) {
		once += ledger->booked[i] == 1;
		more += ledger->booked[i] > 1;
	}
	printf("%d jobs, %d workers killed: %u booked once, %u more than once, %u lost\n", JOBS, KILLS,
	       once, more, JOBS - once - more);
	must(dure_queue_info(queue, &info));
	printf("jobs came back from the dead: %s\n", info.returned ? "yes" : "no");
	dure_queue_close(queue);
	must(dure_segment_close(seg));
	return dure_segment_remove(name, 0, NULL) < 0 || once != JOBS;
}
