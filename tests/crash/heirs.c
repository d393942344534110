/* SPDX-License-Identifier: MIT */
/*
 * heirs.c - the heirs of the crash matrix: what they do, and what they must find
 */
#include "heir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAILURES_SHOWN = 5 };

char segment_name[sizeof CRASH_SEGMENT + 16];

void die(const char *what)
{
	perror(what);
	exit(99);
}

void fail(struct run *run, const char *text)
{
	run->tally.failures++;
	if (run->tally.failures <= FAILURES_SHOWN)
		printf("FAILED %s, instruction %lu, state %lu, %s: %s\n", run->scenario->name,
		       run->tally.instructions, run->tally.states, run->stage, text);
}

void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* -- what each looks at --------------------------------------------------------------------- */

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
bool possess(struct run *run, const struct image *image, struct verdicts *ret)
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

int memory_file(const struct image *image)
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
void work_beside(struct run *run, const struct image *image, struct verdicts expected,
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
void look_beside_heir(struct run *run, int fd, const struct image *image,
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
