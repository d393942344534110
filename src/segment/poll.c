/* SPDX-License-Identifier: MIT */
/*
 * poll.c - telling those who poll a descriptor that a word of a segment has changed
 *
 * Why      A futex has no descriptor. A program that lives in poll or epoll must hear of a word
 *          all the same, without a thread that sleeps for it; and who changes a word must not
 *          pay while nobody polls.
 * How      inotify reports to each descriptor that the segment's file was touched. Who polls
 *          sets, in one word of the segment, a bit that is a hash of the word he waits for, and
 *          shows on the object that somebody waits. Who wakes the sleepers of an object looks
 *          at the bit and touches the file.
 *          The same descriptor reports closes of the file by who could write it: so the death of
 *          any participant makes everybody look, and looking mends. Readers do not wake anybody.
 * Layout   dl_state.polled: bits 32 | serial 32. The serial grows with each arming.
 * Rules    [POLL1] first the descriptor is made quiet, then the bit is set, then the object is
 *                  marked as waited for and looked at. What comes later finds bit and mark
 *          [POLL2] who tells touches first; then he takes the bit away if nobody has armed
 *                  meanwhile (serial): who is stopped before the touch has taken nothing away
 *          [POLL3] a touch too many is harmless: who hears of it looks
 * Death    of one who polls            bits, each of which costs one touch, once
 *          of one who was to touch     its process is gone: a close of the file is reported, of
 *                                      the description that held its slot's lock. A thread of a
 *                                      living process: who mends its lane touches
 * Limits   One who is stopped between its store and its touch tells when it goes on.
 */
#include "segment/poll.h"

#include "segment/backing.h"

enum {
	BITS = 32,
	LOOK_AGAIN_NS = 5000000,	/* a lock goes a moment after the report of the close */
};
#define ALL_BITS UINT64_C(0xffffffff)
#define SERIAL_STEP (UINT64_C(1) << BITS)

static uint64_t bit_of(const dure_segment *seg, const struct cell32 *word)
{
	uint32_t place = (uint32_t)(durei_offset(seg, word) >> 2);

	return UINT64_C(1) << (place * 2654435769u >> 27);	/* the top five bits: 0 ... 31 */
}

int durei_poll_open(dure_segment *seg, struct durei_notify *ret)
{
	struct durei_notify notify;
	int fd, r;

	if (!seg->has_slot)
		return durei_error(EOPNOTSUPP, "segment %s: %s is used by this process alone, and has no "
				   "file to watch: take a segment of another backing", seg->super.name,
				   seg->backing->title);
	fd = durei_backing_fd(seg);
	if (fd < 0)
		return fd;
	r = durei_notify_open(&notify, fd, true);
	if (r == -EMFILE || r == -ENFILE)
		return durei_error(EMFILE, "a descriptor to poll needs three of them and an inotify "
				   "instance: raise RLIMIT_NOFILE or fs.inotify.max_user_instances");
	if (r < 0)
		return durei_error(EOPNOTSUPP, "segment %s cannot be watched: errno %d", seg->super.name,
				   -r);
	durei_notify_again(&notify, 1);
	*ret = notify;
	return 0;
}

void durei_poll_quiet(struct durei_notify *notify)
{
	if (durei_notify_drain(notify))
		durei_notify_again(notify, LOOK_AGAIN_NS);
}

void durei_poll_arm(dure_segment *seg, const struct cell32 *word)
{
	struct cell64 *polled = &seg->state->polled;
	uint64_t seen = cell64_load_rlx(polled), bit = bit_of(seg, word);	/* the cas decides */

	while (!cell64_cas(polled, &seen, (seen | bit) + SERIAL_STEP))
		;
	fence_full();		/* [POLL1] the bit, before the look at the object */
}

/* Memory without a file has one user, and nobody who polls, whatever its bytes say. */
static void touch(dure_segment *seg)
{
	int fd = seg->path ? durei_backing_fd(seg) : -1;

	if (fd >= 0)
		durei_notify_touch(fd);
}

static void tell(dure_segment *seg, uint64_t bits)
{
	struct cell64 *polled = &seg->state->polled;
	uint64_t seen;

	fence_full();		/* the object's word, before the look at the bit [POLL1] */
	seen = cell64_load_acq(polled);
	if (__builtin_expect(!(seen & bits), 1))
		return;
	touch(seg);
	(void)cell64_cas(polled, &seen, seen & ~bits);			/* [POLL2] */
}

void durei_poll_tell(dure_segment *seg, const struct cell32 *word)
{
	tell(seg, bit_of(seg, word));
}

void durei_poll_tell_all(dure_segment *seg)
{
	tell(seg, ALL_BITS);
}
