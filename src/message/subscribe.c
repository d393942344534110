/* SPDX-License-Identifier: MIT */
/*
 * subscribe.c - subscribers: joining, reading at one's own pace, leaving
 *
 * Why      A subscriber shares nothing that changes with other subscribers: it has a row of
 *          its own, and looks at the cell of the publication it wants next. So it takes no lock,
 *          nobody waits for it but a publisher that it asked to, and the line it looks at
 *          is the one in which the publication appears.
 * Rules    layout/topic.h, retire.c, and
 *          [SUBSCRIBE1] a row becomes somebody's by the store of its holder, under the lock: where
 *                       it begins to read, and that it blocks publishers, is true from then on
 *          [SUBSCRIBE2] what is read is pinned first, and `next` goes on with the pin; both before
 *                       the fence of [RETIRE1], which is that of [WAKE1] as well
 *          [SUBSCRIBE3] what is read of a publication's head is checked before use, and read once
 *          [SUBSCRIBE4] who finds `oldest` beyond what he wants goes on there: the difference is
 *                       what he lost
 * Death    subscribing, after step       is left behind                who mends it
 *          1 a row's words               a nobody's row that blocks    retire.c: nobody's rows don't
 *          2 holder                      a row of the dead             retire.c
 *          receiving, after any step: a row of the dead with pins      retire.c
 *          closing, after step
 *          1 pins, next                  a row of the dead             retire.c
 *          2 holder = 0                  orphans without pins          the next one who retires
 */
#include "message/topic.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "message/holder.h"
#include "os/futex.h"
#include "segment/wait.h"

enum {
	SPINS = 300,
	OVERTAKEN_MAX = 100,		/* publishers that are faster than a look: then we breathe */
};

/* What a pin is for. */
struct loan {
	uint64_t sequence;
	const void *data;		/* NULL: no loan */
};

struct dure_subscriber {
	struct durei_topic t;
	struct dl_subscriber *row;
	uint64_t next;			/* as in the row */
	uint64_t lost;			/* not told yet */
	uint64_t taken, lost_all;
	uint64_t holder;		/* what the row says: the lane of the thread that has it */
	uint32_t policy;
	bool is_evicted;
	int kept;			/* pin + 1 of what a buffer was too small for; 0: nothing */
	struct dure_publication kept_publication;
	struct loan loans[DL_PINS];
};

/* 0: this thread has the subscription */
static inline int check_holder(const dure_subscriber *s)
{
	const struct durei_lane *lane = durei_lane_last;
	int r = 0;

	if (__builtin_expect(lane->seg == s->t.seg && lane->lock_word == (uint32_t)s->holder, 1))
		return 0;
	lane = durei_lane_get(s->t.seg, &r);
	if (!lane)
		return r;
	if (lane->lock_word == (uint32_t)s->holder)
		return 0;
	return durei_error(EPERM, "topic %s: the subscriber is another thread's", s->t.name);
}

/* -- joining ----------------------------------------------------------------------------- */

/* Under the lock: a row that is nobody's. -EUSERS */
static int find_row(const struct durei_topic *t, struct durei_lane *lane, uint32_t *ret)
{
	bool gone;
	int r = 0;

	for (int pass = 0; pass < 2; pass++)
		for (uint32_t row = 0; row < t->row_count; row++) {
			r = durei_row_mend(t, lane, row, pass == 1, &gone);
			if (r < 0)
				return r;
			if (!gone)
				continue;
			*ret = row;
			return 0;
		}
	return durei_error(EUSERS, "topic %s has %u subscribers, as many as it can: create it with a "
			   "larger subscribers_max", t->name, t->row_count);
}

/* Steps 1 and 2. */
static void take_row(dure_subscriber *s, const struct durei_lane *lane, uint64_t history)
{
	struct dl_topic *shared = s->t.shared;
	struct dl_subscriber *row = s->row;
	uint64_t head = cell64_load_rlx(&shared->head), oldest = cell64_load_rlx(&shared->oldest);
	bool blocks = s->policy == DURE_TOPIC_BLOCK;

	s->next = head - min_u64(history, head - min_u64(oldest, head));
	if (blocks && s->next < cell64_load_rlx(&shared->gate))		/* [TOPIC6] */
		cell64_store_rel(&shared->gate, s->next);
	row->policy = s->policy;
	row->process = s->t.seg->has_slot ? s->t.seg->slots[s->t.seg->slot].process : 0;
	row->since_ns = durei_clock_wall();
	cell64_store_rel(&row->taken, 0);
	cell64_store_rel(&row->lost, 0);
	cell64_store_rel(&row->next, s->next << 1 | blocks);
	s->holder = durei_holder_me(lane);
	cell64_store_rel(&row->holder, s->holder);			/* [SUBSCRIBE1] */
}

static int join(dure_subscriber *s, uint64_t history)
{
	struct dl_topic *shared = s->t.shared;
	uint32_t row = 0;
	int r;
	struct durei_lane *lane = durei_topic_lock(&s->t, DUREI_NEVER, &r);

	if (!lane)
		return r;
	if (cell32_load_rlx(&shared->state) != DL_TOPIC_OPEN)
		r = durei_error(ESHUTDOWN, "topic %s has been shut", s->t.name);
	if (r == 0)
		r = find_row(&s->t, lane, &row);
	if (r == 0 && cell64_load_rlx(&shared->orphans))
		r = durei_topic_sweep(&s->t, lane);
	if (r == 0) {
		s->row = &s->t.rows[row];
		take_row(s, lane, history);
	}
	durei_topic_unlock(&s->t, lane);
	return r;
}

int dure_topic_subscribe(dure_topic *topic, const struct dure_subscribe_options *options,
			 dure_subscriber **ret)
{
	struct dure_subscribe_options o;
	dure_subscriber *s;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0 && o.policy > DURE_TOPIC_EVICT)
		r = durei_error(EINVAL, "options.policy %u is none of the four", o.policy);
	if (r == 0)
		r = durei_handle_check_write(topic->t.seg);
	if (r < 0)
		return r;
	s = calloc(1, sizeof *s);
	if (!s)
		return durei_error_plain(ENOMEM);
	s->t = topic->t;
	s->t.notice = (struct durei_notice){ 0 };
	s->policy = o.policy;
	r = durei_topic_use(&s->t);
	if (r == 0) {
		r = join(s, o.history);
		if (r < 0)
			durei_topic_unuse(&s->t);
	}
	if (r < 0)
		free(s);
	else
		*ret = s;
	return r;
}

/* -- pins -------------------------------------------------------------------------------- */

static void tell_publishers(const dure_subscriber *s)
{
	if (s->policy == DURE_TOPIC_BLOCK)
		durei_topic_wake(s->t.seg, &s->t.shared->rooms);
}

/* [SUBSCRIBE2] */
static void pin(dure_subscriber *s, unsigned index)
{
	cell64_store_rel(&s->row->pins[index], s->next + 1);
	cell64_store_rel(&s->row->next, (s->next + 1) << 1 | (s->policy == DURE_TOPIC_BLOCK));
	fence_full();			/* pin, before oldest; next, before the flags of rooms */
}

/* [RETIRE2] */
static void unpin(dure_subscriber *s, unsigned index, uint64_t sequence)
{
	s->loans[index].data = NULL;
	cell64_store_rel(&s->row->pins[index], 0);
	fence_full();			/* the pin's end, before oldest */
	if (__builtin_expect(cell64_load_acq(&s->t.shared->oldest) <= sequence, 1))
		return;
	cell32_store_rel(&s->t.shared->sweep, 1);
	fence_full();			/* sweep, before the lock's word */
	durei_topic_sweep_soon(&s->t);
}

static int free_pin(const dure_subscriber *s)
{
	for (unsigned i = 0; i < DL_PINS; i++)
		if (!s->loans[i].data)
			return (int)i;
	return durei_error(EBUSY, "topic %s: the subscriber has %d publications on loan: give one back",
			   s->t.name, DL_PINS);
}

/* -- looking ----------------------------------------------------------------------------- */

/* What was wanted is kept no more, or passed over. */
static int pass_over(dure_subscriber *s, uint64_t to)
{
	if (to > cell64_load_acq(&s->t.shared->head) || s->policy == DURE_TOPIC_BLOCK)
		return durei_topic_damaged(&s->t);
	if (s->policy == DURE_TOPIC_EVICT) {
		s->is_evicted = true;
		return durei_error(ECONNRESET, "topic %s: the subscriber was too slow: subscribe anew",
				   s->t.name);
	}
	s->lost += to - s->next;
	s->lost_all += to - s->next;
	s->next = to;
	cell64_store_rel(&s->row->lost, s->lost_all);
	cell64_store_rel(&s->row->next, to << 1);
	return 0;
}

/* The cell of what is wanted next has it, or something later. */
static bool is_ready(const dure_subscriber *s)
{
	uint64_t cell = cell64_load_acq(durei_topic_cell(&s->t, s->next));

	return dl_topic_cell_is_of(cell, durei_topic_lap(&s->t, s->next)) ||
	       cell64_load_acq(&s->t.shared->oldest) > s->next;
}

static int skip_to_latest(dure_subscriber *s)
{
	uint64_t head = cell64_load_acq(&s->t.shared->head);

	return s->policy == DURE_TOPIC_LATEST && head > s->next + 1 ? pass_over(s, head - 1) : 0;
}

/* [SUBSCRIBE3]: the publication, pinned, is what its cell said. */
static int check_found(dure_subscriber *s, unsigned index, const struct dl_publication *m,
		       struct dure_publication *ret)
{
	uint64_t bytes = m ? m->bytes : 0;

	if (!m || m->sequence != s->next ||
	    !durei_bytes_are_backed(s->t.seg, durei_offset(s->t.seg, m + 1), bytes)) {
		unpin(s, index, s->next);
		return durei_topic_damaged(&s->t);
	}
	*ret = (struct dure_publication){ .sz = sizeof *ret, .sequence = s->next, .bytes = bytes,
					  .lost = s->lost, .publisher = m->publisher };
	s->loans[index] = (struct loan){ s->next, m + 1 };
	return 1;
}

/* 1: what is wanted next is pinned, and described; 0: it is not there yet; or an error */
static int find(dure_subscriber *s, unsigned index, struct dure_publication *ret)
{
	const struct dl_topic *shared = s->t.shared;

	for (int tries = 0; tries < OVERTAKEN_MAX; tries++) {
		int r = skip_to_latest(s);
		uint64_t cell = cell64_load_acq(durei_topic_cell(&s->t, s->next)), oldest;
		bool is_there = dl_topic_cell_is_of(cell, durei_topic_lap(&s->t, s->next));
		if (r < 0)
			return r;
		if (is_there)
			pin(s, index);
		oldest = cell64_load_acq(&shared->oldest);
		/* for one who blocks it was kept until his `next`, and so with the pin, was seen */
		if (oldest <= s->next || (is_there && s->policy == DURE_TOPIC_BLOCK))
			return is_there ? check_found(s, index,
						      durei_publication_at(&s->t, dl_topic_cell_offset(cell)),
						      ret) : 0;
		if (is_there)
			unpin(s, index, s->next);
		r = pass_over(s, oldest);				/* [SUBSCRIBE4] */
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- waiting ----------------------------------------------------------------------------- */

static bool spin(const dure_subscriber *s)
{
	for (int i = 0; i < SPINS; i++) {
		cell_relax();
		if (is_ready(s))
			return true;
	}
	return false;
}

/*
 * One sleep. Whoever has the lock may have died with a publication that is made already: he is
 * watched. 0: look again; -ETIMEDOUT
 */
static int sleep_once(dure_subscriber *s, int64_t deadline_ns)
{
	struct dl_topic *shared = s->t.shared;
	struct durei_lane *lane = durei_lane_last;
	uint32_t seen = durei_topic_expect(&shared->arrivals);
	uint32_t owner = cell32_load_acq(&shared->lock.word);
	int r;

	if (is_ready(s) || cell32_load_acq(&shared->state) != DL_TOPIC_OPEN)
		return 0;
	if (dl_lock_lane(owner) == lane->id)
		owner = 0;
	(void)cell64_add(&shared->waits_to_receive, 1);
	r = durei_wait(lane, &shared->arrivals, seen, dl_lock_lane(owner),
		       dl_lock_generation(owner), deadline_ns);
	if (r == DUREI_OWNER_GONE)
		r = durei_wait(lane, &shared->arrivals, seen, 0, 0, deadline_ns);
	return r < 0 ? r : 0;
}

/* Nothing is there: 0: look again; or what to answer. */
static int wait_for_more(dure_subscriber *s, int64_t timeout_ns, int64_t deadline_ns)
{
	if (cell32_load_acq(&s->t.shared->state) != DL_TOPIC_OPEN)
		return is_ready(s) ? 0 : -ESHUTDOWN;
	if (timeout_ns == 0) {
		durei_topic_arm(&s->t, &s->t.shared->arrivals);
		return is_ready(s) || cell32_load_acq(&s->t.shared->state) != DL_TOPIC_OPEN ? 0 : -EAGAIN;
	}
	if (spin(s))
		return 0;
	return sleep_once(s, deadline_ns) == -ETIMEDOUT && !is_ready(s) ? -ETIMEDOUT : 0;
}

static __attribute__((noinline)) int wait_and_find(dure_subscriber *s, unsigned index,
						   struct dure_publication *ret, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r;

	do {
		r = wait_for_more(s, timeout_ns, deadline);
		if (r == 0)
			r = find(s, index, ret);
	} while (r == 0);
	if (r == -ESHUTDOWN)
		return durei_error(ESHUTDOWN, "topic %s has been shut, and has nothing more", s->t.name);
	return r == -EAGAIN || r == -ETIMEDOUT ? durei_error_plain(-r) : r;
}

/* The next publication, pinned. Returns the pin's index. */
static inline int take(dure_subscriber *s, struct dure_publication *ret, int64_t timeout_ns)
{
	int index = check_holder(s), r;

	if (__builtin_expect(s->kept && index == 0, 0)) {
		*ret = s->kept_publication;
		return s->kept - 1;
	}
	if (__builtin_expect(index == 0, 1))
		index = free_pin(s);
	if (__builtin_expect(index < 0, 0))
		return index;
	if (__builtin_expect(s->is_evicted, 0))
		return durei_error_plain(ECONNRESET);
	r = find(s, (unsigned)index, ret);
	if (r == 0)
		r = wait_and_find(s, (unsigned)index, ret, timeout_ns);
	return r < 0 ? r : index;
}

/* It has been received. */
static void count(dure_subscriber *s)
{
	s->next++;
	s->lost = 0;
	s->kept = 0;
	cell64_store_rel(&s->row->taken, ++s->taken);
	tell_publishers(s);
}

/* -- receiving --------------------------------------------------------------------------- */

static int check_publication(const struct dure_publication *ret)
{
	if (!ret || ret->sz >= sizeof *ret)
		return 0;
	return durei_error(EINVAL, "publication.sz is %zu: set it to sizeof(struct dure_publication)",
			   ret->sz);
}

int dure_subscriber_take(dure_subscriber *subscriber, const void **ret,
			 struct dure_publication *ret_publication, int64_t timeout_ns)
{
	struct dure_publication found;
	int index = check_publication(ret_publication);

	if (index == 0)
		index = take(subscriber, &found, timeout_ns);
	if (index < 0)
		return index;
	count(subscriber);
	*ret = subscriber->loans[index].data;
	if (ret_publication)
		(void)durei_options_write(ret_publication, &found, sizeof found, sizeof found);
	return 0;
}

int dure_subscriber_give_back(dure_subscriber *subscriber, const void *data)
{
	int r = check_holder(subscriber);

	if (r < 0)
		return r;
	for (unsigned i = 0; data && i < DL_PINS; i++)
		if (subscriber->loans[i].data == data) {
			unpin(subscriber, i, subscriber->loans[i].sequence);
			return 0;
		}
	return durei_error(EINVAL, "topic %s: %p is not on loan to this subscriber",
			   subscriber->t.name, data);
}

int dure_subscriber_receive(dure_subscriber *subscriber, void *buffer, size_t buffer_bytes,
			    struct dure_publication *ret_publication, int64_t timeout_ns)
{
	struct dure_publication found;
	int index = check_publication(ret_publication);

	if (index == 0 && !buffer && buffer_bytes)
		index = durei_error(EINVAL, "dure_subscriber_receive: buffer is NULL");
	if (index == 0)
		index = take(subscriber, &found, timeout_ns);
	if (index < 0)
		return index;
	if (found.bytes > buffer_bytes) {
		subscriber->kept = index + 1;	/* pinned: for whoever asks with a larger one */
		subscriber->kept_publication = found;
		return durei_error(EMSGSIZE, "topic %s: the publication has %llu bytes, the buffer %zu",
				   subscriber->t.name, (unsigned long long)found.bytes, buffer_bytes);
	}
	if (found.bytes)
		memcpy(buffer, subscriber->loans[index].data, found.bytes);
	count(subscriber);
	unpin(subscriber, (unsigned)index, found.sequence);
	if (ret_publication)
		(void)durei_options_write(ret_publication, &found, sizeof found, sizeof found);
	return 0;
}

/* -- the descriptor ---------------------------------------------------------------------- */

int dure_subscriber_fd(dure_subscriber *subscriber)
{
	int r = check_holder(subscriber);

	return r < 0 ? r : durei_notice_fd(&subscriber->t.notice, subscriber->t.seg);
}

/* -- leaving ----------------------------------------------------------------------------- */

/* By another thread: only if the one that subscribed still has the row. */
static void give_row_back(dure_subscriber *s)
{
	struct dl_subscriber *row = s->row;

	for (unsigned i = 0; i < DL_PINS; i++)
		cell64_store_rel(&row->pins[i], 0);
	cell64_store_rel(&row->next, 0);
	cell64_store_rel(&row->holder, 0);
	cell32_store_rel(&s->t.shared->sweep, 1);
	fence_full();			/* the row's end, before the flags, and the lock's word */
	tell_publishers(s);
	durei_topic_sweep_soon(&s->t);
}

void dure_subscriber_close(dure_subscriber *subscriber)
{
	if (!subscriber)
		return;
	if (durei_handle_check_write(subscriber->t.seg) == 0 &&
	    cell64_load_acq(&subscriber->row->holder) == subscriber->holder)
		give_row_back(subscriber);
	durei_topic_unuse(&subscriber->t);
	free(subscriber);
}
