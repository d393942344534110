/* SPDX-License-Identifier: MIT */
/*
 * publish.c - loans, publications, and room for them
 *
 * Why      The bytes are written where they will be read, before anybody is locked out. Under
 *          the lock there are a few words, whatever the size and however many subscribers:
 *          their rows are looked at only when room is made, which is done for many publications
 *          at once.
 * How      A topic keeps messages_max publications. It has cells for more: those beyond are
 *          retired together, when they are many (SPARE_BYTES, or no cell is left). Who blocks
 *          publishers is asked after only when `gate` says that he may be messages_max behind.
 * Rules    layout/topic.h
 *          [PUBLISH1] what can fail comes before the commit
 *          [PUBLISH2] a publication's head is written while its block is still the publisher's,
 *                     and nobody else's: that is proved before
 *          [PUBLISH3] a cell is set before `head` counts it: both in one log, in this order
 *          [PUBLISH4] what is kept no more is reclaimed before anything is published: so there is
 *                     a cell for it, whatever the bytes' limit and a death have left
 * Death    borrowing: RESERVED is a byte that dies with its owner
 *          publishing, after step         is left behind              who mends it
 *          1 room made                    retire.c                    retire.c
 *          2 head of it written           a block of the dead         it is free
 *          3 one log                      it is published, or not     tx/log.c
 *          4 unlocked                     sleepers nobody woke        they look again after a slice
 */
#include "message/topic.h"

#include <string.h>

#include "heap/heap.h"
#include "message/holder.h"
#include "os/futex.h"
#include "segment/wait.h"
#include "tx/log.h"

enum {
	SPARE_BYTES = 65536,		/* kept beyond the limit, so as to free many at once */
	SPARE_SHARE = 4,		/* or this part of what is kept, if that is more */
	SPINS = 300,
};
#define NOT_PUBLISHED UINT64_MAX

/* -- loans ------------------------------------------------------------------------------- */

static int check_bytes(const struct durei_topic *t, uint64_t bytes)
{
	const struct dl_topic *shared = t->shared;

	if ((!shared->message_bytes_max || bytes <= shared->message_bytes_max) &&
	    (!shared->bytes_max || bytes <= shared->bytes_max) && bytes <= t->seg->mapped_bytes)
		return 0;
	return durei_error(EMSGSIZE, "topic %s: a publication of %llu bytes never fits: its limits "
			   "are %llu bytes for one, %llu for all", t->name, (unsigned long long)bytes,
			   (unsigned long long)shared->message_bytes_max,
			   (unsigned long long)shared->bytes_max);
}

/* The segment is full: perhaps of what is kept beyond the limit, or of what the dead had. */
static int retire_spare(const struct durei_topic *t)
{
	const struct cell64 *head = &t->shared->head;
	int r;
	struct durei_lane *lane = durei_topic_lock(t, 0, &r);

	if (!lane)
		return r;
	r = durei_topic_retire(t, lane, max_u64(cell64_load_rlx(&t->shared->oldest),
						cell64_load_rlx(head) -
							min_u64(cell64_load_rlx(head), t->messages_max)));
	durei_topic_unlock(t, lane);
	return r;
}

static int borrow(const struct durei_topic *t, struct durei_lane *lane, uint64_t bytes,
		  struct dl_publication **ret)
{
	struct dl_publication *m;
	uint64_t offset;
	int r = check_bytes(t, bytes);

	if (r < 0)
		return r;
	r = durei_block_reserve(lane, sizeof *m + bytes, 0, &offset);
	if (r == -ENOSPC && !durei_log_is_open(lane) && retire_spare(t) == 0)
		r = durei_block_reserve(lane, sizeof *m + bytes, 0, &offset);
	if (r < 0)
		return r;
	m = durei_at(t->seg, offset);
	*m = (struct dl_publication){ .topic = t->offset, .sequence = NOT_PUBLISHED, .bytes = bytes };
	*ret = m;
	return 0;
}

int dure_topic_loan(dure_topic *topic, size_t bytes, void **ret)
{
	struct dl_publication *m;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(topic->t.seg, &r);

	if (lane)
		r = borrow(&topic->t, lane, bytes, &m);
	if (!lane || r < 0)
		return r;
	*ret = m + 1;
	return 0;
}

/* [PUBLISH2] NULL: it is no loan; the sentence is said, *ret_error set. */
static struct dl_publication *find_loan(const struct durei_topic *t, struct durei_lane *lane,
					const void *loan, int *ret_error)
{
	uint64_t offset = durei_offset(t->seg, loan) - sizeof(struct dl_publication);
	struct dl_publication *m = offset < t->seg->mapped_bytes ? durei_publication_at(t, offset)
								 : NULL;
	struct durei_block block;

	if (m && m->sequence == NOT_PUBLISHED && durei_block_at(t->seg, offset, &block) &&
	    block.is_reserved && durei_block_is_ours(lane, &block))
		return m;
	*ret_error = durei_error(EINVAL, "topic %s: %p is no loan of it, or is published or cancelled",
				 t->name, loan);
	return NULL;
}

int dure_topic_cancel(dure_topic *topic, void *loan)
{
	const struct durei_topic *t = &topic->t;
	struct dl_publication *m;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(t->seg, &r);

	if (!lane)
		return r;
	m = find_loan(t, lane, loan, &r);
	return m ? durei_block_free(lane, durei_offset(t->seg, m)) : r;
}

/* -- room -------------------------------------------------------------------------------- */

/* A publishing call: what it wants room for. */
struct wish {
	struct durei_topic *t;
	struct durei_lane *lane;
	uint64_t bytes;
	int64_t timeout_ns, deadline_ns;
	bool has_lock;
};

/* Publications from `oldest` on whose bytes must go, for there to be room for so many more. */
static int make_bytes(const struct wish *w, uint64_t *to)
{
	const struct dl_topic *shared = w->t->shared;
	uint64_t head = cell64_load_rlx(&shared->head), sum = cell64_load_rlx(&shared->bytes);
	uint64_t at = cell64_load_rlx(&shared->reclaimed);

	for (; at < head && sum + w->bytes > shared->bytes_max; at++) {
		uint64_t cell = cell64_load_acq(durei_topic_cell(w->t, at));
		const struct dl_publication *m = durei_publication_at(w->t,
								      dl_topic_cell_offset(cell));
		if (!m || m->sequence != at || m->bytes > sum)
			return durei_topic_damaged(w->t);
		sum -= m->bytes;
	}
	*to = max_u64(*to, at);
	return 0;
}

/* Those from here on are kept, once one more is published. */
static uint64_t limit_of(const struct durei_topic *t, uint64_t head)
{
	return head + 1 - min_u64(head + 1, t->messages_max);
}

/* Are there so many beyond the limit that it is time to retire them? */
static bool is_time(const struct durei_topic *t, uint64_t head, uint64_t beyond)
{
	uint64_t first = cell64_load_rlx(&t->shared->reclaimed), count = head - first;
	uint64_t bytes = cell64_load_rlx(&t->shared->bytes);

	if (count >= t->cell_count)
		return true;
	/* the share of all bytes that those beyond have, were they all alike */
	return beyond * (bytes / max_u64(count, 1)) >= max_u64(SPARE_BYTES, bytes / SPARE_SHARE);
}

/*
 * Up to where to retire, for this publication to have room. *ret_row: if that is more than the
 * one who blocks allows, he. 0: *ret_to; 1: blocked; or an error
 */
static int plan(const struct wish *w, bool asks_kernel, uint64_t *ret_to, uint32_t *ret_row)
{
	struct dl_topic *shared = w->t->shared;
	uint64_t head = cell64_load_rlx(&shared->head), gate = cell64_load_rlx(&shared->gate);
	int r = 0;

	*ret_to = limit_of(w->t, head);
	if (shared->bytes_max && cell64_load_rlx(&shared->bytes) + w->bytes > shared->bytes_max)
		r = make_bytes(w, ret_to);
	if (r < 0 || gate >= *ret_to)
		return r;
	r = durei_gate_look(w->t, w->lane, asks_kernel, &gate, ret_row);
	if (r < 0)
		return r;
	cell64_store_rel(&shared->gate, gate);				/* [TOPIC6] */
	return gate < *ret_to;
}

static void lock_again(struct wish *w, int *r)
{
	int locked;

	w->has_lock = durei_topic_lock(w->t, DUREI_NEVER, &locked);
	if (!w->has_lock)
		*r = locked;
}

/* Looks, unlocked, whether the one who blocks goes on soon: then nobody has to wake anybody. */
static int spin_for(struct wish *w, uint32_t row)
{
	const struct cell64 *next = &w->t->rows[row].next;
	uint64_t seen = cell64_load_acq(next);
	int r = 0;

	durei_topic_unlock(w->t, w->lane);
	for (int i = 0; i < SPINS && cell64_load_acq(next) == seen; i++)
		cell_relax();
	lock_again(w, &r);
	return r;
}

/* Sleeps, unlocked, until the one who blocks may have gone on. */
static int sleep_for(struct wish *w, uint32_t row, uint32_t seen)
{
	struct dl_topic *shared = w->t->shared;
	uint32_t holder = (uint32_t)cell64_load_acq(&w->t->rows[row].holder);
	int r;

	if (dl_lock_lane(holder) == w->lane->id)
		return durei_error(EDEADLK, "topic %s: this thread's own subscriber blocks it: nothing "
				   "will be received while it waits", w->t->name);
	(void)cell64_add(&shared->waits_to_publish, 1);
	durei_topic_unlock(w->t, w->lane);
	r = durei_wait(w->lane, &shared->rooms, seen, dl_lock_lane(holder),
		       dl_lock_generation(holder), w->deadline_ns);
	r = r < 0 ? r : 0;
	lock_again(w, &r);
	return r;
}

/* Until nobody blocks. 0, and *ret_to; or an error */
static int wait_for_room(struct wish *w, uint64_t *ret_to)
{
	enum { SPIN, FLAG, SLEEP } next = w->timeout_ns ? SPIN : FLAG;
	uint32_t row = 0, seen = 0;
	int r;

	while ((r = plan(w, next == SLEEP, ret_to, &row)) > 0) {
		if (cell32_load_rlx(&w->t->shared->state) != DL_TOPIC_OPEN)
			return 0;
		r = 0;
		if (next == SPIN)
			r = spin_for(w, row);
		else if (next == SLEEP)
			r = w->timeout_ns ? sleep_for(w, row, seen) : -EAGAIN;
		else if (w->timeout_ns)		/* [WAKE1]: and look again */
			seen = durei_topic_expect(&w->t->shared->rooms);
		else
			durei_topic_arm(w->t, &w->t->shared->rooms);
		if (r < 0)
			break;
		next = next == SPIN ? FLAG : next == FLAG ? SLEEP : SPIN;
	}
	return r;
}

/* Step 1, under the lock. */
static int make_room(struct wish *w)
{
	struct dl_topic *shared = w->t->shared;
	uint64_t to, oldest, head, limit;
	int r = wait_for_room(w, &to);

	if (r < 0)
		return r;
	if (cell32_load_rlx(&shared->state) != DL_TOPIC_OPEN)
		return durei_error(ESHUTDOWN, "topic %s has been shut", w->t->name);
	oldest = cell64_load_rlx(&shared->oldest);
	head = cell64_load_rlx(&shared->head);
	limit = limit_of(w->t, head);
	if (cell64_load_rlx(&shared->reclaimed) < oldest ||	/* somebody died at it: [PUBLISH4] */
	    (to > oldest && (to > limit || is_time(w->t, head, to - oldest))))
		r = durei_topic_retire(w->t, w->lane, max_u64(to, oldest));
	return r;
}

/* -- publishing -------------------------------------------------------------------------- */

/* Step 3. */
static int add(const struct durei_topic *t, struct durei_lane *lane, struct dl_publication *m)
{
	struct dl_topic *shared = t->shared;
	uint64_t sequence = cell64_load_rlx(&shared->head), offset = durei_offset(t->seg, m);
	uint64_t sum = cell64_load_rlx(&shared->bytes) + m->bytes;
	int r = durei_log_begin(lane, true);

	if (r < 0)
		return r;
	m->sequence = sequence;						/* [PUBLISH2] */
	m->publisher = t->seg->has_slot ? t->seg->slots[t->seg->slot].process : 0;
	r = durei_log_take(lane, offset);
	if (r == 0)							/* [PUBLISH3] */
		r = durei_log_add(lane, DL_LOG_SET,
				  durei_offset(t->seg, durei_topic_cell(t, sequence)),
				  dl_topic_cell(offset, durei_topic_lap(t, sequence)));
	if (r == 0)
		r = durei_log_add(lane, DL_LOG_SET, durei_offset(t->seg, &shared->head), sequence + 1);
	if (r == 0)
		r = durei_log_add(lane, DL_LOG_SET, durei_offset(t->seg, &shared->bytes), sum);
	if (r < 0) {
		m->sequence = NOT_PUBLISHED;
		lane->tx.block_count = 0;	/* the loan stays the caller's */
		durei_log_abort(lane);
		return r;
	}
	durei_log_commit(lane);
	cell64_raise(&shared->bytes_high, sum);
	cell32_store_rel(&shared->last_publisher, m->publisher);
	return 0;
}

static int publish(struct durei_topic *t, struct durei_lane *lane, struct dl_publication *m,
		   int64_t timeout_ns)
{
	struct wish w = { .t = t, .lane = lane, .bytes = m->bytes, .timeout_ns = timeout_ns,
			  .deadline_ns = durei_deadline(timeout_ns) };
	int r;

	w.has_lock = durei_topic_lock(t, w.deadline_ns, &r);
	if (!w.has_lock)
		return r;
	r = make_room(&w);
	if (r == 0)
		r = add(t, lane, m);
	if (w.has_lock)
		durei_topic_unlock(t, lane);
	if (r < 0)
		return r == -EAGAIN || r == -ETIMEDOUT ? durei_error_plain(-r) : r;
	fence_full();			/* [WAKE1] the cell, before the flags */
	durei_topic_wake(t->seg, &t->shared->arrivals);
	return 0;
}

int dure_topic_publish(dure_topic *topic, void *loan, size_t bytes, int64_t timeout_ns)
{
	struct durei_topic *t = &topic->t;
	struct dl_publication *m;
	uint64_t borrowed;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(t->seg, &r);

	if (!lane)
		return r;
	m = find_loan(t, lane, loan, &r);
	if (!m)
		return r;
	borrowed = m->bytes;
	if (bytes > borrowed)
		return durei_error(EMSGSIZE, "topic %s: %zu bytes are more than the loan's %llu", t->name,
				   bytes, (unsigned long long)borrowed);
	m->bytes = bytes;
	r = publish(t, lane, m, timeout_ns);
	if (r < 0)
		m->bytes = borrowed;
	return r;
}

int dure_topic_send(dure_topic *topic, const void *data, size_t bytes, int64_t timeout_ns)
{
	struct durei_topic *t = &topic->t;
	struct dl_publication *m = NULL;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(t->seg, &r);

	if (!lane)
		return r;
	r = borrow(t, lane, bytes, &m);
	if (r < 0)
		return r;
	if (bytes)
		memcpy(m + 1, data, bytes);
	r = publish(t, lane, m, timeout_ns);
	if (r < 0)
		(void)durei_block_free(lane, durei_offset(t->seg, m));
	return r;
}
