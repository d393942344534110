/* SPDX-License-Identifier: MIT */
/*
 * matrix.c - every operation killed at every instruction
 *
 *	matrix --victim PROGRAM [--setting NAME] [--json FILE] [--double STRIDE] [SCENARIO...]
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

#include "scenario.h"

enum { IMAGE_BYTES = 1 << 20, FAILURES_SHOWN = 5, STEPS_MAX = 10000000 };

struct image {
	unsigned char *bytes;		/* IMAGE_BYTES of them */
	size_t used;			/* the file's length */
};

struct tally {
	unsigned long instructions, states, possessed, peers, doubles, failures;
};

struct verdicts {
	enum verdict verdict;
	uint64_t live;			/* blocks */
};

struct run {
	const struct scenario *scenario;
	struct tally tally;
	const char *victim;
	unsigned long double_stride;	/* every so many states; 0: none */
	const char *stage;		/* for messages */
	struct verdicts first, last;
	bool has_first, was_after;
};

/* of this run alone: several settings may be tried at the same time */
static char segment_name[sizeof CRASH_SEGMENT + 16];

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static void fail(struct run *run, const char *text)
{
	run->tally.failures++;
	if (run->tally.failures <= FAILURES_SHOWN)
		printf("FAILED %s, instruction %lu, state %lu, %s: %s\n", run->scenario->name,
		       run->tally.instructions, run->tally.states, run->stage, text);
}

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* -- heirs ------------------------------------------------------------------------------- */

static void show_finding(const struct dure_finding *finding, void *context)
{
	struct run *run = context;
	char text[400];

	snprintf(text, sizeof text, "[%s] +%#" PRIx64 " %s", finding->rule, finding->offset,
		 finding->text);
	fail(run, text);
}

static bool is_clean(struct run *run, dure_segment *seg, uint64_t *ret_live)
{
	struct dure_check sums = { .sz = sizeof sums };
	int r = dure_segment_check(seg, &sums, NULL, NULL);

	*ret_live = sums.live_blocks;
	if (r != 0)
		dure_segment_check(seg, NULL, show_finding, run);
	if (r == 0 && sums.reserved_blocks)
		fail(run, "a dead process' reserved block is left");
	return r == 0;
}

static void bad(struct run *run, const char *what)
{
	char text[300];

	snprintf(text, sizeof text, "%s: %s", what, dure_last_error());
	fail(run, text);
}

/* An heir uses the segment: every size of block, an object, a semaphore, a transaction. */
static bool goes_on(struct run *run, struct world *w)
{
	static const size_t sizes[] = { 64, 48, 100, 144, 200, 3000, 20000 };
	void *blocks[sizeof sizes / sizeof *sizes], *object;
	uint64_t value = w->root->words[WORDS - 2];
	size_t n = sizeof sizes / sizeof *sizes;
	dure_tx *tx;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = dure_block_reserve(w->seg, sizes[i], 0, &blocks[i]);
		if (r == 0) {
			memset(blocks[i], 0x99, sizes[i]);
			r = dure_block_keep(w->seg, blocks[i]);
		}
	}
	if (r == 0)
		r = dure_object_construct(w->seg, "heir", DURE_TYPE(uint64_t), 4, NULL, NULL, &object);
	if (r >= 0)
		r = dure_object_destroy(w->seg, "heir", DURE_TYPE(uint64_t), NULL, NULL);
	if (r == 0)		/* a change of its value that a death has left half done */
		r = dure_semaphore_post(w->seg, &w->root->semaphore, 1);
	if (r == 0)
		r = dure_semaphore_take(w->seg, &w->root->semaphore, 1, DURE_TAKE_FOR_GOOD, 0);
	if (r == 0)
		r = dure_tx_begin(w->seg, &tx);
	if (r == 0)
		r = dure_tx_write(tx, &w->root->words[WORDS - 2], &value, sizeof value);
	if (r == 0)
		r = dure_tx_commit(tx);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = dure_block_free(w->seg, blocks[i]);
	if (r < 0)
		bad(run, "going on");
	return r == 0;
}

static bool find_root(struct run *run, struct world *w)
{
	if (dure_object_find(w->seg, "root", DURE_TYPE(struct root), (void **)&w->root, NULL) == 0)
		return true;
	bad(run, "the root object");
	return false;
}

/* What an heir with an open segment finds; it has been recovered. */
static bool look(struct run *run, dure_segment *seg, struct verdicts *ret)
{
	struct world w = { .seg = seg, .name = segment_name };
	uint64_t live_after;

	if (!is_clean(run, seg, &ret->live) || !find_root(run, &w))
		return false;
	ret->verdict = run->scenario->judge(&w);
	if (ret->verdict == WRONG)
		fail(run, "half of the operation has happened");
	return ret->verdict != WRONG && goes_on(run, &w) && is_clean(run, seg, &live_after);
}

static dure_segment *open_buffer(struct run *run, unsigned char *bytes)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = bytes, .size_bytes = IMAGE_BYTES };
	dure_segment *seg = NULL;

	if (dure_segment_open(NULL, DURE_OPEN, &o, &seg) < 0)
		bad(run, "opening the copy");
	return seg;
}

/* Recovers twice: opening takes possession, and deals with everybody. */
static bool possess(struct run *run, const struct image *image, struct verdicts *ret)
{
	static unsigned char *copy;
	dure_segment *seg;
	bool ok;

	if (!copy)
		copy = pages(IMAGE_BYTES);
	memcpy(copy, image->bytes, IMAGE_BYTES);
	run->tally.possessed++;
	seg = open_buffer(run, copy);
	if (!seg)
		return false;
	dure_segment_close(seg);
	seg = open_buffer(run, copy);
	if (!seg)
		return false;
	ok = look(run, seg, ret);
	dure_segment_close(seg);
	return ok;
}

static int memory_file(const struct image *image)
{
	int fd = memfd_create("crash-state", MFD_CLOEXEC);

	if (fd < 0 || write(fd, image->bytes, image->used) != (ssize_t)image->used)
		die("memfd");
	return fd;
}

/* What a peer sees who waits for nobody: all of the operation or nothing. */
static void look_beside(struct run *run, struct world *w, struct verdicts expected)
{
	enum verdict seen = run->scenario->judge(w);

	if (seen == WRONG)
		fail(run, "a peer sees half of the operation");
	if (seen == AFTER && expected.verdict == BEFORE)
		fail(run, "a peer sees what will not have happened");
}

/* The same for one who gets the lock that the dead one held, if it can be had. */
static bool look_under_lock(struct run *run, struct world *w, struct verdicts expected)
{
	dure_mutex *lock = &w->root->locks[0];
	int r = dure_mutex_lock(w->seg, lock, 0);

	if (r < 0)
		return false;
	if (r != 0 && !(run->scenario->flags & TOLD))
		fail(run, "the lock says that its guard was spoilt");
	if (run->scenario->judge(w) != expected.verdict)
		fail(run, "who gets the lock finds something else than later");
	if (dure_mutex_unlock(w->seg, lock) < 0)
		bad(run, "unlocking");
	return true;
}

/*
 * Blocks a peer has while it recovers the dead: enough to have among them what the dead were
 * freeing. Recovery must leave them alone.
 */
enum { KEPT_MAX = 176, KEPT_FILL = 0x66 };

struct kept {
	struct {
		unsigned char *at;
		size_t bytes;
	} blocks[KEPT_MAX];
	unsigned count;
};

static bool keep_blocks(struct run *run, struct world *w, struct kept *kept)
{
	static const size_t sizes[] = { 20000, 48, 64, 80, 112, 128, 176, 208, 256, 320, 512 };
	size_t n = sizeof sizes / sizeof *sizes;
	int r = 0;

	kept->count = 0;
	for (size_t i = 0; r == 0 && i < 1 + 16 * (n - 1); i++) {
		size_t bytes = sizes[(i + 15) / 16];
		void *block;
		r = dure_block_reserve(w->seg, bytes, 0, &block);
		if (r == 0)
			r = dure_block_keep(w->seg, block);
		if (r == 0) {
			memset(block, KEPT_FILL, bytes);
			kept->blocks[kept->count].at = block;
			kept->blocks[kept->count++].bytes = bytes;
		}
	}
	if (r < 0)
		bad(run, "keeping blocks");
	return r == 0;
}

static void check_kept(struct run *run, struct world *w, const struct kept *kept)
{
	for (unsigned i = 0; i < kept->count; i++) {
		unsigned char *block = kept->blocks[i].at;
		size_t bytes = kept->blocks[i].bytes, size;
		if (dure_block_size(w->seg, block, &size) < 0) {
			fail(run, "recovery has freed a block of somebody alive");
			continue;
		}
		for (size_t j = 0; j < bytes; j++)
			if (block[j] != KEPT_FILL) {
				fail(run, "recovery has written into a block of somebody alive");
				break;
			}
		if (dure_block_free(w->seg, block) < 0)
			bad(run, "freeing a kept block");
	}
}

static void show_damage(const struct dure_finding *finding, void *context)
{
	if (finding->grade == DURE_FINDING_DAMAGED)
		show_finding(finding, context);
}

static void be_a_peer(struct run *run, struct world *w, struct verdicts expected)
{
	struct verdicts found;
	struct kept kept;
	int r;

	if (dure_segment_check(w->seg, NULL, NULL, NULL) == 2)	/* mendable, never damaged */
		dure_segment_check(w->seg, NULL, show_damage, run);
	if (!find_root(run, w))
		return;
	if (run->scenario->flags & SEEN_AT_ONCE)
		look_beside(run, w, expected);
	if (!goes_on(run, w) || !keep_blocks(run, w, &kept))
		return;
	if (run->scenario->flags & GUARDED && !look_under_lock(run, w, expected))
		bad(run, "locking what the dead one held");
	r = dure_segment_recover(w->seg);
	if (r < 0)
		bad(run, "recovering");
	check_kept(run, w, &kept);
	if (r >= 0 && look(run, w->seg, &found) &&
	    (found.verdict != expected.verdict || found.live != expected.live))
		fail(run, "a peer finds something else than a possessor");
}

static bool open_file(struct run *run, int fd, struct world *ret)
{
	struct dure_segment_options o = { .sz = sizeof o, .fd = fd, .flags = DURE_SEGMENT_GROW,
					  .backing = DURE_BACKING_MEMORY_FILE };

	*ret = (struct world){ 0 };
	if (dure_segment_open(NULL, DURE_OPEN, &o, &ret->seg) == 0)
		return true;
	bad(run, "opening");
	return false;
}

/* Somebody alive works beside the dead, whose slots are not its own, before it recovers them. */
static void work_beside(struct run *run, const struct image *image, struct verdicts expected,
			const char *stage)
{
	int fd = memory_file(image);
	struct world w;

	run->stage = stage;
	run->tally.peers++;
	if (open_file(run, fd, &w)) {
		be_a_peer(run, &w, expected);
		dure_segment_close(w.seg);
	}
	close(fd);
}

/* Who is alive in one file is alive in its copy: its locks are held there, too. */
static int lock_alike(int fd, int copy)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
	int holder = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK };

	if (holder < 0)
		die(path);
	while (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
		off_t next = lock.l_start + lock.l_len;
		bool is_last = lock.l_len == 0;
		lock.l_pid = 0;
		if (fcntl(holder, F_OFD_SETLK, &lock) < 0)
			die("locking the copy");
		if (is_last)
			break;
		lock = (struct flock){ .l_type = F_WRLCK, .l_start = next };
	}
	return holder;
}

/* The heir is not killed there but stopped: [REC2] holds for who gets a lock meanwhile. */
static void look_beside_heir(struct run *run, int fd, const struct image *image,
			     struct verdicts expected)
{
	int copy = memory_file(image), holder = lock_alike(fd, copy);
	struct world w;

	run->stage = "heir stopped, peer";
	if (open_file(run, copy, &w)) {
		if (find_root(run, &w))
			(void)look_under_lock(run, &w, expected);
		dure_segment_close(w.seg);
	}
	close(holder);
	close(copy);
}

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
		for (long steps = 0; r == 1 && steps < STEPS_MAX; steps++) {
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
		} while (r == 1 && run->tally.instructions < STEPS_MAX);
		if (take_state(&s))
			try_state(run, &now);
		munmap((void *)(uintptr_t)s.shared, IMAGE_BYTES);
		run->stage = "victim";
		if (r != 0)
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
				   .double_stride = choice->double_stride };
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
