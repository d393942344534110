/* SPDX-License-Identifier: MIT */
/*
 * retire.c - publications that are kept no more, and subscribers that are gone
 *
 * Why      A publication's block is freed when the topic keeps it no more and nobody reads it.
 *          Who reads it must not count himself in it (he may die, and then nobody counts him
 *          out), nor take a lock. So he says in his own row what he reads, and whoever frees
 *          looks at all rows; for many publications at once, so that it costs each of them next
 *          to nothing.
 * Rules    layout/topic.h, and
 *          [RETIRE1] `oldest` is raised, then a full fence, then the pins are read. A subscriber
 *                    pins, then a full fence, then reads `oldest`. So if he has seen his
 *                    publication kept, the pin is seen here; if not, he does not use it
 *          [RETIRE2] who takes a pin away looks whether its publication is kept still; if not, it
 *                    may have become an orphan because of him, and he says so in `sweep`. Who
 *                    unlocks the topic reads that word
 *          [RETIRE3] pins of one who is gone (holder.c) are none
 * Death    retiring, after step          is left behind                   who mends it
 *          1 oldest                      publications to be freed         the next one who retires
 *          2 pins read                   the same                         the same
 *          3 one log                     freed, or orphans; none or all   tx/log.c
 *          sweeping, after step
 *          1 sweep = 0                   orphans without pins             the next one who retires
 *          2 one log each                freed, or still an orphan        tx/log.c
 *          a row is mended by one log
 */
#include "message/topic.h"

#include <string.h>

#include "heap/heap.h"
#include "lock/mutex.h"
#include "lock/word.h"
#include "message/holder.h"
#include "tx/log.h"

enum {
	BATCH = 64,			/* publications retired by one log, in its inline room */
	READ_MAX = 1024,		/* and for which the rows are looked at once */
};

static int set(struct durei_lane *lane, struct cell64 *cell, uint64_t value)
{
	return durei_log_add(lane, DL_LOG_SET, durei_offset(lane->seg, cell), value);
}

static int end(struct durei_lane *lane, int r)
{
	if (r < 0)
		durei_log_abort(lane);
	else
		durei_log_commit(lane);
	return r;
}

/* -- rows -------------------------------------------------------------------------------- */

static int clear_row(const struct durei_topic *t, struct durei_lane *lane,
		     struct dl_subscriber *row)
{
	struct cell64 *died = &t->shared->died;
	int r = durei_log_begin(lane, true);

	if (r < 0)
		return r;
	r = set(lane, &row->next, 0);
	for (unsigned i = 0; r == 0 && i < DL_PINS; i++)
		r = set(lane, &row->pins[i], 0);
	if (r == 0 && cell64_load_rlx(&row->holder))
		r = set(lane, died, cell64_load_rlx(died) + 1);
	if (r == 0)
		r = set(lane, &row->holder, 0);
	return end(lane, r);
}

int durei_row_mend(const struct durei_topic *t, struct durei_lane *lane, uint32_t row,
		   bool asks_kernel, bool *ret_gone)
{
	struct dl_subscriber *subscriber = &t->rows[row];
	uint64_t holder = cell64_load_acq(&subscriber->holder);

	*ret_gone = !holder || (asks_kernel ? durei_holder_is_gone(t->seg, holder)
					    : durei_holder_looks_gone(t->seg, holder));
	if (!*ret_gone || (!holder && !cell64_load_rlx(&subscriber->next)))
		return 0;
	return clear_row(t, lane, subscriber);
}

int durei_gate_look(const struct durei_topic *t, struct durei_lane *lane, bool asks_kernel,
		    uint64_t *ret_gate, uint32_t *ret_row)
{
	uint64_t least = DUREI_NO_GATE, next;
	bool gone;
	int r = 0;

	for (uint32_t row = 0; row < t->row_count; row++) {
		next = cell64_load_acq(&t->rows[row].next);
		if (!(next & 1) || next >> 1 >= least)
			continue;
		r = durei_row_mend(t, lane, row, asks_kernel, &gone);
		if (r < 0)
			return r;
		if (gone)
			continue;
		least = next >> 1;
		*ret_row = row;
	}
	*ret_gate = least;
	return 0;
}

/* -- pins -------------------------------------------------------------------------------- */

/* Who reads which of many publications: a row + 1, 0 for nobody. */
struct readers {
	uint32_t rows[READ_MAX];
};

/* Step 2. [RETIRE3] */
static int find_readers(const struct durei_topic *t, struct durei_lane *lane, uint64_t first,
			uint64_t count, struct readers *ret)
{
	bool gone = false;
	int r = 0;

	memset(ret->rows, 0, count * sizeof *ret->rows);
	for (uint32_t row = 0; row < t->row_count; row++) {
		for (unsigned i = 0; i < DL_PINS; i++) {
			uint64_t at = cell64_load_acq(&t->rows[row].pins[i]) - 1 - first;
			if (at >= count)
				continue;
			r = durei_row_mend(t, lane, row, false, &gone);
			if (r < 0 || gone)
				break;
			ret->rows[at] = row + 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_pin(const struct dl_subscriber *row, uint64_t sequence)
{
	for (unsigned i = 0; i < DL_PINS; i++)
		if (cell64_load_acq(&row->pins[i]) == sequence + 1)
			return true;
	return false;
}

/* Has the row a pin on it, and somebody the row? 1, 0, or an error */
static int is_read_by(const struct durei_topic *t, struct durei_lane *lane, uint32_t row,
		      uint64_t sequence)
{
	bool gone;
	int r;

	if (row >= t->row_count || !has_pin(&t->rows[row], sequence))
		return 0;
	r = durei_row_mend(t, lane, row, false, &gone);
	return r < 0 ? r : !gone;
}

/* Is the orphan read by anybody? */
static int is_read(const struct durei_topic *t, struct durei_lane *lane,
		   struct dl_publication *orphan)
{
	uint32_t row = cell32_load_rlx(&orphan->pinned_by);
	int r = is_read_by(t, lane, row, orphan->sequence);

	for (row = 0; r == 0 && row < t->row_count; row++) {
		r = is_read_by(t, lane, row, orphan->sequence);
		if (r > 0)
			cell32_store_rel(&orphan->pinned_by, row);
	}
	return r;
}

/* -- retiring ---------------------------------------------------------------------------- */

/* What a batch changes, gathered before it is logged. */
struct sums {
	uint64_t bytes;			/* of all of it */
	uint64_t orphans;		/* offset of the first */
	uint64_t orphan_count, orphan_bytes;
};

/* [TOPIC2] for one, which is not kept any more. NULL: damaged */
static struct dl_publication *kept_at(const struct durei_topic *t, uint64_t sequence)
{
	uint64_t cell = cell64_load_acq(durei_topic_cell(t, sequence));
	struct dl_publication *m = durei_publication_at(t, dl_topic_cell_offset(cell));

	return m && m->sequence == sequence && dl_topic_cell_is_of(cell, durei_topic_lap(t, sequence))
		       ? m : NULL;
}

/* In the open log. */
static int retire_one(const struct durei_topic *t, struct durei_lane *lane, uint64_t sequence,
		      uint32_t reader, struct sums *sums)
{
	struct dl_publication *m = kept_at(t, sequence);

	if (!m)
		return durei_topic_damaged(t);
	sums->bytes += m->bytes;
	if (!reader)
		return durei_log_free(lane, durei_offset(t->seg, m));
	cell32_store_rel(&m->pinned_by, reader - 1);	/* nobody reads these yet */
	cell64_store_rel(&m->next, sums->orphans);
	sums->orphans = durei_offset(t->seg, m);
	sums->orphan_count++;
	sums->orphan_bytes += m->bytes;
	return 0;
}

static int set_sums(const struct durei_topic *t, struct durei_lane *lane, uint64_t reclaimed,
		    const struct sums *sums)
{
	struct dl_topic *shared = t->shared;
	int r = set(lane, &shared->reclaimed, reclaimed);

	if (r == 0)
		r = set(lane, &shared->bytes, cell64_load_rlx(&shared->bytes) - sums->bytes);
	if (r < 0 || !sums->orphan_count)
		return r;
	r = set(lane, &shared->orphans, sums->orphans);
	if (r == 0)
		r = set(lane, &shared->orphan_count,
			cell64_load_rlx(&shared->orphan_count) + sums->orphan_count);
	return r < 0 ? r
		     : set(lane, &shared->orphan_bytes,
			   cell64_load_rlx(&shared->orphan_bytes) + sums->orphan_bytes);
}

/* Step 3 for a batch. */
static int retire_batch(const struct durei_topic *t, struct durei_lane *lane, uint64_t first,
			uint64_t count, const uint32_t *readers)
{
	struct sums sums = { .orphans = cell64_load_rlx(&t->shared->orphans) };
	int r = durei_log_begin(lane, true);

	if (r < 0)
		return r;
	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = retire_one(t, lane, first + i, readers[i], &sums);
	if (r == 0)
		r = set_sums(t, lane, first + count, &sums);
	return end(lane, r);
}

/* Steps 2 and 3. */
static int retire_some(const struct durei_topic *t, struct durei_lane *lane, uint64_t first,
		       uint64_t count)
{
	struct readers readers;
	int r = find_readers(t, lane, first, count, &readers);

	for (uint64_t i = 0; r == 0 && i < count; i += BATCH)
		r = retire_batch(t, lane, first + i, min_u64(count - i, BATCH), readers.rows + i);
	return r;
}

int durei_topic_retire(const struct durei_topic *t, struct durei_lane *lane, uint64_t to)
{
	struct dl_topic *shared = t->shared;
	uint64_t head = cell64_load_rlx(&shared->head), first = cell64_load_rlx(&shared->reclaimed);
	int r = 0;

	if (to > head || first > to || head - first > t->cell_count)
		return durei_topic_damaged(t);
	if (to > cell64_load_rlx(&shared->oldest))
		cell64_store_rel(&shared->oldest, to);			/* step 1 */
	fence_full();			/* [RETIRE1] oldest, before the pins */
	if (cell64_load_rlx(&shared->orphans))
		r = durei_topic_sweep(t, lane);
	while (r == 0 && first < to) {
		uint64_t count = min_u64(to - first, READ_MAX);
		r = retire_some(t, lane, first, count);
		first += count;
	}
	return r;
}

/* -- orphans ----------------------------------------------------------------------------- */

/* The orphan that link leads to is freed. */
static int free_orphan(const struct durei_topic *t, struct durei_lane *lane, struct cell64 *link,
		       const struct dl_publication *m)
{
	struct dl_topic *shared = t->shared;
	int r = durei_log_begin(lane, true);

	if (r < 0)
		return r;
	r = set(lane, link, cell64_load_rlx(&m->next));
	if (r == 0)
		r = set(lane, &shared->orphan_count, cell64_load_rlx(&shared->orphan_count) - 1);
	if (r == 0)
		r = set(lane, &shared->orphan_bytes,
			cell64_load_rlx(&shared->orphan_bytes) - m->bytes);
	if (r == 0)
		r = durei_log_free(lane, durei_offset(t->seg, m));
	return end(lane, r);
}

int durei_topic_sweep(const struct durei_topic *t, struct durei_lane *lane)
{
	struct cell64 *link = &t->shared->orphans;
	uint64_t most = t->seg->mapped_bytes / sizeof(struct dl_publication), offset;
	int r = 0;

	cell32_store_rel(&t->shared->sweep, 0);				/* step 1 */
	fence_full();			/* sweep, before the pins */
	while (r == 0 && (offset = cell64_load_rlx(link))) {
		struct dl_publication *m = durei_publication_at(t, offset);
		if (!m || !most--)
			return durei_topic_damaged(t);
		r = is_read(t, lane, m);
		if (r == 0) {
			r = free_orphan(t, lane, link, m);
		} else if (r > 0) {
			link = &m->next;
			r = 0;
		}
	}
	return r;
}

void durei_topic_sweep_soon(const struct durei_topic *t)
{
	struct cell32 *word = &t->shared->lock.word;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(t->seg, &r);

	while (lane && !durei_log_is_open(lane) && cell32_load_acq(&t->shared->sweep)) {
		if (durei_mutex_take(lane, &t->shared->lock, DL_HELD_CLEAN, 0) < 0)
			return;		/* [RETIRE2] */
		(void)durei_topic_sweep(t, lane);
		durei_word_free(lane, word, durei_held_find(lane, durei_offset(t->seg, word)));
	}
}
