/* SPDX-License-Identifier: MIT */
/*
 * matrix.c - every operation killed at every instruction
 *
 *	matrix --victim PROGRAM [--setting NAME] [--json FILE] [--double STRIDE] [--until-failure]
 *		[SCENARIO...]
 *
 * Method. A process killed between two instructions leaves its shared memory as it is then. So
 * instead of killing, the victim (the release library) is stepped, instruction by instruction,
 * and after each the segment is looked at. Where it differs from before, that is a new crash
 * state, and three heirs in turn get a copy of it:
 *
 *	possessor	recovers everything, twice
 *	peer		is attached, works beside the unrecovered dead, then recovers it
 *	doubles		recovers, stepped and killed at every instruction in turn; after each
 *			the possessor recovers what two deaths have left; and stopped at every
 *			instruction: a peer that gets a lock then finds what it guards whole
 *
 * Each must find a segment without a fault (inspect/, which shares no code with what made it),
 * the operation done entirely or not at all, and no block lost; and each must be able to go on.
 * Instructions that do not change the segment leave the state before them, which is tried.
 *
 * With --until-failure a scenario's first failure is its last: one is enough to know.
 *
 * Exit status: 0 no failure, 1 failures, 99 the test itself broke.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heir.h"

enum { STEPS_MAX = 10000000 };

/* -- stepping ---------------------------------------------------------------------------- */

struct stepper {
	pid_t pid;
	int fd;				/* of the stepped segment's file */
	const unsigned char *shared;
	struct image *now;		/* the state after the last instruction */
};

static pid_t start_victim(const char *program, const char *segment, const char *scenario)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		setenv("LD_BIND_NOW", "1", 1);	/* no symbol look-ups between the instructions */
		execl(program, program, segment, scenario, (char *)NULL);
		_exit(98);
	}
	return pid;
}

/* Runs the victim to its next marker; false: it ended. */
static bool run_to_marker(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, 0) < 0)
			die("waitpid");
		if (!WIFSTOPPED(status))
			return false;
		if (WSTOPSIG(status) == SIGSTOP)	/* nobody is left behind when we are killed */
			return ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL) == 0;
		int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal) < 0)
			die("ptrace cont");
	}
}

/* One instruction. 1: done; 0: the second marker; -1: it died. */
static int step(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	if (!WIFSTOPPED(status))
		return -1;
	if (WSTOPSIG(status) == SIGTRAP)
		return 1;
	return WSTOPSIG(status) == SIGSTOP ? 0 : -1;
}

static void end_victim(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
}

/* Takes the segment's present bytes; whether they differ from the last time. */
static bool take_state(struct stepper *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		die("fstat");
	size_t used = (size_t)st.st_size < IMAGE_BYTES ? (size_t)st.st_size : IMAGE_BYTES;
	if (used == s->now->used && memcmp(s->now->bytes, s->shared, used) == 0)
		return false;
	memcpy(s->now->bytes, s->shared, used);
	memset(s->now->bytes + used, 0, IMAGE_BYTES - used);
	s->now->used = used;
	return true;
}

static void watch(struct stepper *s, pid_t pid, int fd, struct image *now)
{
	s->pid = pid;
	s->fd = fd;
	s->now = now;
	s->shared = mmap(NULL, IMAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (s->shared == MAP_FAILED)
		die("mmap");
	now->used = 0;
}

static bool has_failed_enough(const struct run *run)
{
	return run->until_failure && run->tally.failures;
}

/* The recovery of this state is itself killed at every instruction. */
static void kill_the_heir(struct run *run, const struct image *image, struct verdicts expected)
{
	static struct image now;
	struct stepper s;
	struct verdicts found;
	char number[16];
	int fd = memory_file(image), r = 1;

	if (!now.bytes)
		now.bytes = pages(IMAGE_BYTES);
	int inherited = dup(fd);	/* without close-on-exec */
	snprintf(number, sizeof number, "%d", inherited);
	run->stage = "heir killed";
	pid_t pid = start_victim(run->victim, number, "--recover");
	close(inherited);
	if (!run_to_marker(pid)) {
		fail(run, "the heir ended before it began");
	} else {
		watch(&s, pid, fd, &now);
		for (long steps = 0; r == 1 && steps < STEPS_MAX && !has_failed_enough(run); steps++) {
			r = step(pid);
			if (!take_state(&s))
				continue;
			run->tally.doubles++;
			if (possess(run, &now, &found) && (found.verdict != expected.verdict ||
							   found.live != expected.live))
				fail(run, "the second heir finds something else than the first");
			if (!(run->scenario->flags & NO_PEER))
				work_beside(run, &now, expected, "heir killed, peer");
			if (run->scenario->flags & GUARDED)
				look_beside_heir(run, fd, &now, expected);
			run->stage = "heir killed";
		}
		munmap((void *)(uintptr_t)s.shared, IMAGE_BYTES);
		if (r < 0)
			fail(run, "the heir died of something else");
	}
	end_victim(pid);
	close(fd);
}

/* -- one scenario ------------------------------------------------------------------------ */

static bool is_expected(const struct run *run, const struct verdicts *found)
{
	if (run->scenario->flags & UNCOUNTED || !run->has_first)
		return true;
	return found->verdict == AFTER || found->live == run->first.live ||
	       found->verdict == EITHER;
}

static void try_state(struct run *run, const struct image *image)
{
	struct verdicts found = { EITHER, 0 };

	run->tally.states++;
	run->stage = "possessor";
	if (!possess(run, image, &found))
		return;
	if (!run->has_first)
		run->first = found;
	if (!is_expected(run, &found))
		fail(run, "before the operation there are other live blocks than at first");
	if (run->was_after && found.verdict == BEFORE)
		fail(run, "what had happened has not happened any more");
	run->was_after |= found.verdict == AFTER;
	run->has_first = true;
	run->last = found;
	if (!(run->scenario->flags & NO_PEER))
		work_beside(run, image, found, "peer");
	if (run->double_stride && run->tally.states % run->double_stride == 0)
		kill_the_heir(run, image, found);
}

static int segment_fd(void)
{
	struct dure_segment_options o = small_segment();
	dure_segment *seg;
	void *root;

	dure_segment_remove(segment_name, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(segment_name, DURE_CREATE, &o, &seg), "creating the segment");
	must(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, &root), "root");
	/* the directory's tables are made with their first names: now, so that counts stay */
	for (int i = 0; i < 40; i++) {
		char name[8];
		snprintf(name, sizeof name, "%d", i);
		must(dure_object_construct(seg, name, DURE_TYPE(uint64_t), 4, NULL, NULL, &root), name);
		must(dure_object_destroy(seg, name, DURE_TYPE(uint64_t), NULL, NULL), name);
	}
	int fd = dup(dure_segment_fd(seg));
	must(dure_segment_close(seg), "close");
	return fd;
}

/*
 * In the "recover" scenario the victim mends somebody: a process that was killed with a lock,
 * a transaction and reserved blocks in hand.
 */
static void leave_a_dead_one(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct dure_segment_options o = small_segment();
		struct root *root;
		uint64_t value = 1;
		dure_segment *seg;
		dure_tx *tx;
		void *block;

		/* slot 0 is taken first, so that the victim does not recover it by attaching there */
		must(dure_segment_open(segment_name, DURE_OPEN, &o, &seg), "open");
		must(dure_segment_open(segment_name, DURE_OPEN, &o, &seg), "open");
		must(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL), "root");
		must(dure_block_reserve(seg, 100, 0, &block), "reserve");
		must(dure_block_reserve(seg, 20000, 0, &block), "reserve");
		must(dure_mutex_lock(seg, &root->locks[2], 0), "lock");
		must(dure_tx_begin(seg, &tx), "begin");
		must(dure_tx_lock(tx, &root->locks[3], 0), "lock");
		must(dure_tx_write(tx, &root->words[3], &value, sizeof value), "write");
		must(dure_tx_alloc(tx, 64, 0, &block), "alloc");
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void run_one(struct run *run)
{
	static struct image now;
	struct stepper s;
	int fd = segment_fd(), r = 1;

	if (!now.bytes)
		now.bytes = pages(IMAGE_BYTES);
	if (strcmp(run->scenario->name, "recover") == 0)
		leave_a_dead_one();
	run->stage = "victim";
	pid_t pid = start_victim(run->victim, segment_name, run->scenario->name);
	if (!run_to_marker(pid)) {
		fail(run, "the victim ended in its preparation");
	} else {
		watch(&s, pid, fd, &now);
		do {
			if (take_state(&s))
				try_state(run, &now);
			r = step(pid);
			run->tally.instructions++;
		} while (r == 1 && run->tally.instructions < STEPS_MAX && !has_failed_enough(run));
		if (!has_failed_enough(run) && take_state(&s))
			try_state(run, &now);
		munmap((void *)(uintptr_t)s.shared, IMAGE_BYTES);
		run->stage = "victim";
		if (has_failed_enough(run))
			;		/* and that is that */
		else if (r != 0)
			fail(run, "the victim died, or never came to its end");
		else if (run->last.verdict == BEFORE)
			fail(run, "the call has returned, and nothing has happened");
	}
	end_victim(pid);
	close(fd);
	dure_segment_remove(segment_name, DURE_REMOVE_FORCE, NULL);
}

/* -- the program ------------------------------------------------------------------------- */

struct choice {
	const char *victim, *setting, *json;
	unsigned long double_stride;
	bool until_failure;
};

static void write_json_line(FILE *file, const struct run *run, bool is_first)
{
	const struct tally *t = &run->tally;

	fprintf(file, "%s    {\"operation\": \"%s\", \"functions\": \"%s\", \"instructions\": %lu, "
		"\"states\": %lu, \"kill_points\": %lu, \"peers\": %lu, \"double_kills\": %lu, "
		"\"failures\": %lu}", is_first ? "" : ",\n", run->scenario->name,
		run->scenario->functions, t->instructions, t->states, t->instructions + 1, t->peers,
		t->doubles, t->failures);
}

/* A name that nothing goes by would pass as a scenario without a failure. */
static void check_names(char **names)
{
	for (; *names; names++)
		if (!scenario_named(*names)) {
			fprintf(stderr, "matrix: there is no scenario %s\n", *names);
			exit(99);
		}
}

static bool is_chosen(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static unsigned long run_all(const struct choice *choice, char **names, FILE *json)
{
	struct tally sum = { 0 };
	const struct scenario *scenario;
	bool is_first = true;

	for (unsigned i = 0; (scenario = scenario_at(i)); i++) {
		struct run run = { .scenario = scenario, .victim = choice->victim,
				   .double_stride = choice->double_stride,
				   .until_failure = choice->until_failure };
		if (!is_chosen(scenario->name, names))
			continue;
		run_one(&run);
		if (json)
			write_json_line(json, &run, is_first);
		is_first = false;
		printf("%-24s %7lu instructions %5lu states %6lu double kills %3lu failures\n",
		       scenario->name, run.tally.instructions, run.tally.states,
		       run.tally.doubles, run.tally.failures);
		fflush(stdout);
		sum.instructions += run.tally.instructions;
		sum.states += run.tally.states;
		sum.doubles += run.tally.doubles;
		sum.failures += run.tally.failures;
	}
	printf("%s: %lu instructions, %lu states, %lu double kills, %lu failures\n", choice->setting,
	       sum.instructions, sum.states, sum.doubles, sum.failures);
	return sum.failures;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "victim", required_argument, NULL, 'v' },
		{ "setting", required_argument, NULL, 's' },
		{ "json", required_argument, NULL, 'j' },
		{ "double", required_argument, NULL, 'd' },
		{ "until-failure", no_argument, NULL, 'u' },
		{ 0 },
	};
	struct choice choice = { .setting = "default" };
	FILE *json = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'v':
			choice.victim = optarg;
			break;
		case 's':
			choice.setting = optarg;
			break;
		case 'j':
			choice.json = optarg;
			break;
		case 'd':
			choice.double_stride = strtoul(optarg, NULL, 10);
			break;
		case 'u':
			choice.until_failure = true;
			break;
		default:
			return 99;
		}
	if (!choice.victim) {
		fprintf(stderr, "matrix: --victim PROGRAM is needed\n");
		return 99;
	}
	check_names(argv + optind);
	snprintf(segment_name, sizeof segment_name, CRASH_SEGMENT "-%d", (int)getpid());
	if (choice.json) {
		json = fopen(choice.json, "w");
		if (!json)
			die(choice.json);
		fprintf(json, "{\n  \"setting\": \"%s\",\n  \"operations\": [\n", choice.setting);
	}
	unsigned long failures = run_all(&choice, argv + optind, json);
	if (json) {
		fprintf(json, "\n  ]\n}\n");
		fclose(json);
	}
	return failures ? 1 : 0;
}
