/* SPDX-License-Identifier: MIT */
/*
 * referee.c - two programs on one segment, killed in turn
 *
 *	referee [--pid-namespaces] [--kills N] HAMMER HAMMER
 *
 * Method   The first program makes the segment; each works in one place. In turn one of them is
 *          killed with SIGKILL (now and then before it has done anything, now and then both at
 *          once) and replaced. After each kill the survivor must complete an operation; how long
 *          that takes is its wait for the dead. The program that takes a dead one's place must
 *          complete operations too, before it may be killed in its turn. At the end all are killed,
 *          and both programs judge.
 *
 *          With --pid-namespaces each worker gets a PID namespace of its own, where it is pid 1:
 *          neither can see the other, and all they know of each other by number is the same.
 *
 * Limits   SURVIVOR_MS is far above the 50 ms that are promised, as a test machine may be busy with
 *          other tests; START_MS holds for a program that starts.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 77 cannot be run here,
 * 99 broken.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hammer.h"

enum {
	KILLS_MAX = 5000,
	START_MS = 20000,
	SURVIVOR_MS = 1000,
	STATUS_SKIP = 77,
	STATUS_BROKEN = 99,
};

struct match {
	const char *programs[PLACES];
	pid_t pids[PLACES];
	uint64_t had[PLACES];		/* operations of that place when its worker was started */
	char segment[32];
	dure_segment *seg;		/* read only */
	const struct ground *ground;
	int namespaces;			/* clone flags */
	unsigned kills, kills_wanted, starts;
	uint64_t waits_ns[KILLS_MAX];
	unsigned wait_count;
};

static uint64_t dice_state = 88172645463325252u;

static uint64_t dice(uint64_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return dice_state % sides;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause_us(uint64_t us)
{
	struct timespec t = { .tv_nsec = (long)us * 1000 };

	nanosleep(&t, NULL);
}

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "referee: %s: %s: %s\n", what, strerror(errno), dure_last_error());
	exit(STATUS_BROKEN);
}

/* -- programs ----------------------------------------------------------------------------- */

static pid_t spawn(int namespaces, const char *program, char *const argv[])
{
	/* like fork; a new PID namespace makes the child its pid 1 */
	pid_t pid = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(program, argv);
	_exit(127);
}

static int run(const struct match *m, const char *program, const char *what)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)what,
			 (char *)(uintptr_t)m->segment, NULL };
	pid_t pid = spawn(0, program, argv);
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		broken("running a program");
	if (status != 0)
		fprintf(stderr, "referee: %s %s: status %#x\n", program, what, (unsigned)status);
	return status == 0 ? 0 : -1;
}

static uint64_t operations(const struct match *m, unsigned place)
{
	return __atomic_load_n(&m->ground->places[place].operations, __ATOMIC_RELAXED);
}

static void start(struct match *m, unsigned place)
{
	char number[8], seed[16], work[] = "work";
	char *argv[] = { (char *)(uintptr_t)m->programs[place], work, m->segment, number,
			 seed, NULL };

	m->had[place] = operations(m, place);
	snprintf(number, sizeof number, "%u", place);
	snprintf(seed, sizeof seed, "%u", ++m->starts);
	m->pids[place] = spawn(m->namespaces, m->programs[place], argv);
	if (m->pids[place] < 0)
		broken("starting a worker");
}

/* It may only have ended because it was killed. */
static int reap(struct match *m, unsigned place)
{
	int status;

	if (waitpid(m->pids[place], &status, 0) != m->pids[place])
		broken("waitpid");
	m->pids[place] = 0;
	m->kills++;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return 0;
	fprintf(stderr, "referee: %s ended by itself (status %#x)\n", m->programs[place],
		(unsigned)status);
	return -1;
}

static void kill_left(struct match *m)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (m->pids[i] > 0) {
			kill(m->pids[i], SIGKILL);
			waitpid(m->pids[i], NULL, 0);
			m->pids[i] = 0;
		}
}

/* Can a namespace be had here? As root, or with a user namespace; otherwise it is a skip. */
static void choose_namespaces(struct match *m)
{
	static const int choices[] = { CLONE_NEWPID, CLONE_NEWPID | CLONE_NEWUSER };
	char name[] = "true", *argv[] = { name, NULL };

	for (unsigned i = 0; i < 2; i++) {
		pid_t pid = spawn(choices[i], "/bin/true", argv);
		int status;
		if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) {
			m->namespaces = choices[i];
			return;
		}
	}
	printf("skipped: no PID namespace can be made here (%s); run it as root\n", strerror(errno));
	exit(STATUS_SKIP);
}

/* -- watching ----------------------------------------------------------------------------- */

static int show_thread(const struct dure_thread_info *i, void *context)
{
	(void)context;
	fprintf(stderr, "  lane %u: thread %u, place %u, %s, state %u, %s, %u locks, waits for +%#"
		PRIx64 "\n", i->lane, i->thread, i->slot, i->is_alive ? "alive" : "dead", i->state,
		i->in_transaction ? "in a transaction" : "idle", i->lock_count, i->waits_for.offset);
	return 0;
}

static bool has_ended(const struct match *m, unsigned place)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)m->pids[place], &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		broken("waitid");
	return info.si_pid != 0;
}

/* Waits until a place has done more than it had; -1, and the threads are shown: it has not. */
static int await_progress(const struct match *m, unsigned place, uint64_t had, unsigned limit_ms)
{
	int64_t end = now_ns() + (int64_t)limit_ms * 1000000;

	while (operations(m, place) <= had) {
		if (has_ended(m, place) && operations(m, place) <= had) {
			fprintf(stderr, "referee: after kill %u, %s ended by itself\n", m->kills,
				m->programs[place]);
			return -1;
		}
		if (now_ns() > end) {
			fprintf(stderr, "referee: after kill %u, %s has done nothing for %u ms:\n",
				m->kills, m->programs[place], limit_ms);
			dure_thread_list(m->seg, show_thread, NULL);
			return -1;
		}
		pause_us(20);
	}
	return 0;
}

static int note_first(const struct dure_participant *p, void *context)
{
	struct dure_participant *seen = context;

	if (p->process == 1 && p->is_alive)
		seen[seen[0].process != 0] = *p;
	return 0;
}

/* Two living workers that are pid 1, in two namespaces? */
static int are_both_first(const struct match *m)
{
	struct dure_participant seen[2] = { { 0 }, { 0 } };

	dure_participant_list(m->seg, note_first, seen);
	if (seen[1].process == 1 && seen[0].pid_namespace != seen[1].pid_namespace)
		return 0;
	fputs("referee: the workers are not both pid 1 in namespaces of their own\n", stderr);
	return -1;
}

/* -- a match ------------------------------------------------------------------------------ */

static int kill_both(struct match *m)
{
	for (unsigned i = 0; i < PLACES; i++)
		kill(m->pids[i], SIGKILL);
	for (unsigned i = 0; i < PLACES; i++)
		if (reap(m, i) < 0)
			return -1;
	for (unsigned i = 0; i < PLACES; i++)
		start(m, i);
	return 0;
}

static int kill_one(struct match *m, unsigned place)
{
	unsigned other = 1 - place;
	int64_t killed;

	kill(m->pids[place], SIGKILL);
	killed = now_ns();
	if (reap(m, place) < 0)
		return -1;
	/* one operation may have been nearly done: it is the second that has met the dead */
	if (await_progress(m, other, operations(m, other) + 1, SURVIVOR_MS) < 0)
		return -1;
	m->waits_ns[m->wait_count++] = (uint64_t)(now_ns() - killed);
	start(m, place);
	return 0;
}

static int play(struct match *m)
{
	for (unsigned i = 0; i < PLACES; i++)
		start(m, i);
	for (unsigned turn = 0; m->kills < m->kills_wanted; turn++) {
		unsigned place = turn % PLACES, other = 1 - place;
		bool at_once = dice(10) == 0;
		/* a survivor must be one that works; the victim may be just starting */
		if (await_progress(m, other, m->had[other], START_MS) < 0)
			return -1;
		if (!at_once && await_progress(m, place, m->had[place], START_MS) < 0)
			return -1;
		if (!at_once && m->namespaces && are_both_first(m) < 0)
			return -1;
		pause_us(dice(3000));
		if ((dice(10) ? kill_one(m, place) : kill_both(m)) < 0)
			return -1;
	}
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(struct match *m, bool good, int64_t took_ns)
{
	const struct place *places = m->ground->places;

	qsort(m->waits_ns, m->wait_count, sizeof *m->waits_ns, by_size);
	printf("%u kills in %.1f s, %" PRIu64 " and %" PRIu64 " operations, %" PRIu64
	       " locks had from the dead; survivors' next operation: median %.2f ms, worst %.2f ms: %s\n",
	       m->kills, (double)took_ns / 1e9, places[0].operations, places[1].operations,
	       places[0].mended + places[1].mended,
	       m->wait_count ? (double)m->waits_ns[m->wait_count / 2] / 1e6 : 0,
	       m->wait_count ? (double)m->waits_ns[m->wait_count - 1] / 1e6 : 0,
	       good ? "no failure" : "FAILED");
}

static void look_at(struct match *m)
{
	if (dure_segment_open(m->segment, DURE_OPEN | DURE_READ_ONLY, NULL, &m->seg) < 0 ||
	    dure_object_find(m->seg, "ground", DURE_TYPE(struct ground), (void **)(uintptr_t)&m->ground,
			     NULL) < 0)
		broken("opening the segment");
}

static void read_arguments(int argc, char **argv, struct match *m)
{
	static const struct option options[] = {
		{ "pid-namespaces", no_argument, NULL, 'p' },
		{ "kills", required_argument, NULL, 'k' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			choose_namespaces(m);
		else if (c == 'k')
			m->kills_wanted = (unsigned)strtoul(optarg, NULL, 10);
		else
			exit(STATUS_BROKEN);
	}
	if (argc - optind != PLACES || m->kills_wanted > KILLS_MAX / 2) {
		fputs("usage: referee [--pid-namespaces] [--kills N] HAMMER HAMMER\n", stderr);
		exit(STATUS_BROKEN);
	}
	m->programs[0] = argv[optind];
	m->programs[1] = argv[optind + 1];
}

int main(int argc, char **argv)
{
	static struct match m = { .kills_wanted = 600 };
	int64_t begin = now_ns();
	bool good;

	read_arguments(argc, argv, &m);
	dice_state += (uint64_t)begin;
	snprintf(m.segment, sizeof m.segment, "interop-%d", (int)getpid());
	if (run(&m, m.programs[0], "make") < 0)
		return STATUS_BROKEN;
	look_at(&m);
	good = play(&m) == 0;
	kill_left(&m);
	for (unsigned i = 0; i < PLACES; i++)
		good = good && run(&m, m.programs[i], "judge") == 0;
	report(&m, good, now_ns() - begin);
	dure_segment_close(m.seg);
	if (!good) {
		printf("the segment is kept: dure check %s\n", m.segment);
		return 1;
	}
	/* nobody is in it any more: then it can be removed without force */
	if (dure_segment_remove(m.segment, 0, NULL) < 0) {
		fprintf(stderr, "referee: removing: %s\n", dure_last_error());
		return 1;
	}
	return 0;
}
