/* SPDX-License-Identifier: MIT */
/*
 * semset_log.c - changing several semaphores and adjustments of a set in one step
 *
 * Why      A set must change as a whole, with what its process would have to undo, and that must
 *          be undone once when the process is dead. A lock's heir may not wait, so he does none
 *          of it: he says what is to be done, and whoever has the guard next does it.
 * How      Under `guard` values are changed in place; the log in the set has what was before, an
 *          entry for each semaphore touched. Storing IDLE into the log's word makes all of it
 *          true. Whoever gets the guard and finds the log OPEN undoes it. Where all is overwritten
 *          (SETVAL, SETALL) the log has what is to be instead: SETTING, and the next one does it.
 *          The mender of a dead process marks its row DEAD and counts an orphan; the next one
 *          under guard applies the row like an operation, and frees it. So nobody who has the
 *          guard ever sees a value without what the dead had to undo.
 * Rules    [SETLOG1] an entry, and the log's count with it, is stored before what it remembers
 *                    changes
 *          [SETLOG2] a semaphore has one entry: `entry` says which, if that entry says so, too.
 *                    So what is undone is what was before the operation
 *          [SETLOG3] a row is DEAD before an orphan is counted, and the count goes only if it is
 *                    what it was before rows were looked at
 *          [SETLOG4] a row is free after its adjustments are 0, in one step with the values
 *          [SETLOG5] a signal's step grows before its sleepers are woken, and before whoever
 *                    waits can have looked at the new value
 *          [SETLOG6] another generation in the owner's place of processes: the owner is dead. His
 *                   lane's mender may take him for his successor, who has the place's lock
 * Death    after step                  is left behind               who mends it
 *          operating
 *          1 entry                     an entry beyond count        nobody reads it
 *          2 count, OPEN               an entry of what is          undone: the same again
 *          3 value, adjustment         some of what is to be        undone, last entry first
 *          4 IDLE                      all of it; nobody woken      sleepers look again [WAIT2]
 *          setting
 *          1 entries                   nothing                      -
 *          2 SETTING, count            what is to be                done, from the start
 *          3 adjustments 0, values     some of it                   the same again
 *          4 IDLE                      all of it                    -
 *          heirs
 *          1 DEAD                      a row to be applied          the next heir counts it
 *          2 orphans                   sleepers who look again      the next heir wakes them
 *          applying
 *          1..4 as operating           the row is DEAD              applied; if it was: zeros
 *          5 owner 0                   a free row                   -
 *          6 orphans 0                 nothing                      -
 * Limits   Who looks between a dead process' place being locked by the next one and that one's
 *          saying so, some microseconds, may see what the dead did not undone yet.
 *          An heir who is stopped between his looking at a row and counting it, for as long as it
 *          takes to remove the set and free its memory, counts in foreign bytes.
 */
#include "lock/semset.h"

#include "layout/lock.h"
#include "segment/participant.h"
#include "segment/wait.h"

bool durei_semset_view(dure_segment *seg, uint64_t offset, struct durei_semset *ret)
{
	struct dl_semset *s = durei_at(seg, offset);
	uint32_t count, rows;

	if (__builtin_expect(offset % 8 || offset < seg->super.data_offset ||
				     !durei_bytes_are_backed(seg, offset, sizeof *s) ||
				     cell32_load_acq(&s->kind) != DL_LOCK_IS_SEMSET, 0))
		return false;
	count = s->counters;
	rows = s->rows;
	if (__builtin_expect(count == 0 || count > DL_SEMSET_COUNTERS_MAX ||
				     rows > DL_SEMSET_ROWS_MAX ||
				     !durei_bytes_are_backed(seg, offset, dl_semset_bytes(count, rows)),
			     0))
		return false;
	ret->seg = seg;
	ret->shared = s;
	ret->counters = dl_semset_counters(s);
	ret->entries = (struct dl_semset_entry *)(void *)(ret->counters + count);
	ret->rows = (unsigned char *)(ret->entries + count);
	ret->count = count;
	ret->row_count = rows;
	ret->value_max = s->value_max;
	return true;
}

/* -- the log ----------------------------------------------------------------------------- */

static void set_log(const struct durei_semset *s, uint64_t state)
{
	cell64_store_rel(&s->shared->log,
			 s->logged | (uint64_t)s->row_number << DL_SEMSET_ROW_SHIFT |
				 state << DL_SEMSET_STATE_SHIFT);
}

static void end_log(struct durei_semset *s)
{
	cell64_store_rel(&s->shared->log, DL_SEMSET_IDLE);
	durei_semset_begin(s, DL_SEMSET_NO_ROW);
}

void durei_semset_begin(struct durei_semset *s, uint32_t row_number)
{
	s->logged = 0;
	s->row_number = row_number;
	s->row = row_number < s->row_count ? durei_semset_row(s, row_number) : NULL;
}

/* Nobody has told those who wait for zero: he died. They have it now, whatever is about to be done. */
static void count_zero(struct dl_semset_counter *c)
{
	if (dl_semset_value(cell64_load_rlx(&c->word)) == 0 &&
	    cell32_load_acq(&c->signal) & DL_SEMSET_FOR_ZERO)
		cell32_add(&c->zeros, 1);
}

/* [SETLOG1] [SETLOG2] */
static void note(struct durei_semset *s, uint32_t index)
{
	struct dl_semset_counter *c = &s->counters[index];
	uint32_t at = cell32_load_rlx(&c->entry);	/* relaxed, all of them: under guard */

	if (at < s->logged && cell32_load_rlx(&s->entries[at].index) == index)
		return;
	count_zero(c);
	struct dl_semset_entry *entry = &s->entries[s->logged];
	cell64_store_rel(&entry->word, cell64_load_rlx(&c->word));
	cell32_store_rel(&entry->index, index);
	cell32_store_rel(&entry->adjustment,
			 s->row ? cell32_load_rlx(&s->row->adjustments[index]) : 0);	/* step 1 */
	cell32_store_rel(&c->entry, s->logged++);
	set_log(s, DL_SEMSET_OPEN);							/* step 2 */
}

void durei_semset_change(struct durei_semset *s, uint32_t index, uint64_t word, int32_t adjustment)
{
	note(s, index);
	cell64_store_rel(&s->counters[index].word, word);				/* step 3 */
	if (s->row)
		cell32_store_rel(&s->row->adjustments[index], (uint32_t)adjustment);
}

void durei_semset_roll_back(struct durei_semset *s)
{
	for (uint32_t i = s->logged; i-- > 0;) {
		const struct dl_semset_entry *entry = &s->entries[i];
		uint32_t index = cell32_load_acq(&entry->index);
		if (index >= s->count)		/* damaged */
			continue;
		cell64_store_rel(&s->counters[index].word, cell64_load_acq(&entry->word));
		if (s->row)
			cell32_store_rel(&s->row->adjustments[index],
					 cell32_load_acq(&entry->adjustment));
	}
	end_log(s);
}

void durei_semset_commit(struct durei_semset *s)
{
	uint32_t logged = s->logged;

	end_log(s);									/* step 4 */
	for (uint32_t i = 0; i < logged; i++) {
		uint32_t index = cell32_load_rlx(&s->entries[i].index);	/* relaxed: our own */
		durei_semset_tell(s, index, dl_semset_value(cell64_load_rlx(&s->entries[i].word)),
				  dl_semset_value(cell64_load_rlx(&s->counters[index].word)));
	}
}

/* SETTING: what the entries say is to be. May be repeated. */
static void carry_out(struct durei_semset *s)
{
	for (uint32_t i = 0; i < s->logged; i++) {
		const struct dl_semset_entry *entry = &s->entries[i];
		uint32_t index = cell32_load_acq(&entry->index);
		uint64_t word = cell64_load_acq(&entry->word);
		if (index >= s->count)		/* damaged */
			continue;
		for (uint32_t row = 0; row < s->row_count; row++)
			cell32_store_rel(&durei_semset_row(s, row)->adjustments[index], 0);
		uint32_t before = dl_semset_value(cell64_load_acq(&s->counters[index].word));
		count_zero(&s->counters[index]);
		cell64_store_rel(&s->counters[index].word, word);
		durei_semset_tell(s, index, before, dl_semset_value(word));
	}
	end_log(s);
}

void durei_semset_store(struct durei_semset *s, uint32_t first, uint32_t count,
			const uint32_t *values, uint32_t process)
{
	for (uint32_t i = 0; i < count; i++) {
		cell32_store_rel(&s->entries[i].index, first + i);
		cell64_store_rel(&s->entries[i].word, values[i] | (uint64_t)process << 32);
	}
	durei_semset_begin(s, DL_SEMSET_NO_ROW);
	s->logged = count;
	set_log(s, DL_SEMSET_SETTING);
	carry_out(s);
}

/* -- rows -------------------------------------------------------------------------------- */

static bool row_is_empty(const struct durei_semset *s, const struct dl_semset_row *row)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (cell32_load_acq(&row->adjustments[i]))
			return false;
	return true;
}

/* Whose it was he does not need it: what he has to undo is nothing, and his share is stale then. */
static uint32_t free_row(const struct durei_semset *s)
{
	uint32_t empty = DL_SEMSET_NO_ROW;

	for (uint32_t i = 0; i < s->row_count; i++) {
		const struct dl_semset_row *row = durei_semset_row(s, i);
		uint64_t owner = cell64_load_acq(&row->owner);
		if (!owner)
			return i;
		if (empty == DL_SEMSET_NO_ROW && !(owner & DL_SEMSET_DEAD) && row_is_empty(s, row))
			empty = i;
	}
	return empty;
}

uint32_t durei_semset_row_of(struct durei_semset *s, uint64_t owner, uint32_t process)
{
	uint32_t number;

	for (uint32_t i = 0; i < s->row_count; i++)
		if (cell64_load_acq(&durei_semset_row(s, i)->owner) == owner)
			return i;
	number = free_row(s);
	if (number != DL_SEMSET_NO_ROW) {
		durei_semset_row(s, number)->process = process;
		cell64_store_rel(&durei_semset_row(s, number)->owner, owner);
	}
	return number;
}

static uint32_t within(int64_t value, uint32_t value_max)
{
	return value < 0 ? 0 : value > value_max ? value_max : (uint32_t)value;
}

/* As the kernel does at a process' end: each value is kept within its bounds. */
static void apply(struct durei_semset *s, uint32_t row_number)
{
	struct dl_semset_row *row = durei_semset_row(s, row_number);

	durei_semset_begin(s, row_number);
	for (uint32_t i = 0; i < s->count; i++) {
		int32_t adjustment = (int32_t)cell32_load_acq(&row->adjustments[i]);
		int64_t value = dl_semset_value(cell64_load_rlx(&s->counters[i].word));
		if (adjustment)
			durei_semset_change(s, i, within(value + adjustment, s->value_max) |
							  (uint64_t)row->process << 32, 0);
	}
	durei_semset_commit(s);
	cell64_store_rel(&row->owner, 0);				/* [SETLOG4] */
}

static void apply_orphans(struct durei_semset *s)
{
	uint32_t seen = cell32_load_acq(&s->shared->orphans);

	while (seen) {
		for (uint32_t i = 0; i < s->row_count; i++)
			if (cell64_load_acq(&durei_semset_row(s, i)->owner) & DL_SEMSET_DEAD)
				apply(s, i);
		if (cell32_cas(&s->shared->orphans, &seen, 0))		/* [SETLOG3] */
			break;
	}
}

static void finish(struct durei_semset *s, uint64_t log)
{
	uint32_t logged = log & 0xffff;

	durei_semset_begin(s, log >> DL_SEMSET_ROW_SHIFT & 0xffff);
	s->logged = logged < s->count ? logged : s->count;
	if (log >> DL_SEMSET_STATE_SHIFT == DL_SEMSET_SETTING)
		carry_out(s);
	else
		durei_semset_roll_back(s);
}

void durei_semset_settle_slowly(struct durei_semset *s)
{
	uint64_t log = cell64_load_acq(&s->shared->log);

	if (log)
		finish(s, log);
	apply_orphans(s);
}

/* -- waking ------------------------------------------------------------------------------ */

/*
 * Under guard, so that who is about to sleep is either asleep or finds the step grown [SETLOG5].
 * If fewer were woken than could go on, nobody sleeps any more.
 */
static void wake_some(dure_segment *seg, struct cell32 *signal, uint32_t count)
{
	cell32_add(signal, DL_SEMSET_STEP);
	if ((uint32_t)durei_wake(seg, signal, count) < count)
		cell32_and(signal, ~(uint32_t)DL_SEMSET_FOR_MORE);
}

static void wake_all(dure_segment *seg, struct cell32 *signal, uint32_t seen)
{
	while (!cell32_cas(signal, &seen, (seen & ~(uint32_t)DL_SEMSET_WAITS) + DL_SEMSET_STEP))
		;
	durei_wake(seg, signal, UINT32_MAX >> 1);
}

void durei_semset_tell(struct durei_semset *s, uint32_t index, uint32_t before, uint32_t after)
{
	struct cell32 *signal = &s->counters[index].signal;
	uint32_t seen = cell32_load_acq(signal);
	bool for_more = after > before && seen & DL_SEMSET_FOR_MORE;
	bool for_zero = after == 0 && before != 0 && seen & DL_SEMSET_FOR_ZERO;

	if (__builtin_expect(!for_more && !for_zero, 1))
		return;
	if (for_zero)
		cell32_add(&s->counters[index].zeros, 1);
	if (seen & (DL_SEMSET_FOR_ZERO | DL_SEMSET_MANY))
		wake_all(s->seg, signal, seen);
	else
		wake_some(s->seg, signal, after - before);
}

/* -- recovery ---------------------------------------------------------------------------- */

/* Without the guard: flags stay, for who sleeps again does not set them before he has it. */
static void disturb(dure_segment *seg, struct cell32 *signal)
{
	if (!(cell32_load_acq(signal) & DL_SEMSET_WAITS))
		return;
	cell32_add(signal, DL_SEMSET_STEP);
	durei_wake(seg, signal, UINT32_MAX >> 1);
}

void durei_semset_mend_waiter(struct durei_mending *m, uint64_t offset, uint64_t asks)
{
	uint64_t index = asks >> DL_SEMSET_ASKS_SHIFT;
	struct durei_semset s = { 0 };

	if (durei_semset_view(m->seg, offset, &s) && index < s.count)
		disturb(m->seg, &s.counters[index].signal);
}

/* The row that a share names. NULL: it is another's by now, or the set is. */
static struct dl_semset_row *named_row(dure_segment *seg, uint64_t offset, uint64_t units,
				       struct durei_semset *ret)
{
	uint64_t number = units >> DL_SEMSET_SHARE_ROW_SHIFT & 0xffff, owner;
	struct dl_semset_row *row;

	if (!durei_semset_view(seg, offset, ret) || number >= ret->row_count)
		return NULL;
	row = durei_semset_row(ret, (uint32_t)number);
	owner = units & ~((uint64_t)0xffff << DL_SEMSET_SHARE_ROW_SHIFT);
	return (cell64_load_acq(&row->owner) & ~(uint64_t)DL_SEMSET_DEAD) == owner ? row : NULL;
}

static void orphan(const struct durei_semset *s, struct dl_semset_row *row, uint64_t owner)
{
	if (!cell64_cas(&row->owner, &owner, owner | DL_SEMSET_DEAD) &&
	    !(owner & DL_SEMSET_DEAD))
		return;			/* applied meanwhile */
	cell32_add(&s->shared->orphans, 1);				/* [SETLOG3] */
	for (uint32_t i = 0; i < s->count; i++)
		disturb(s->seg, &s->counters[i].signal);
}

void durei_semset_mend_row(struct durei_mending *m, uint64_t offset, uint64_t units)
{
	uint64_t owner = units & ~((uint64_t)0xffff << DL_SEMSET_SHARE_ROW_SHIFT);
	struct durei_semset s = { 0 };
	struct dl_semset_row *row = named_row(m->seg, offset, units, &s);

	if (row)
		orphan(&s, row, owner);
}

bool durei_semset_owner_is_gone(const dure_segment *seg, uint64_t owner)
{
	uint64_t slot = owner & DL_SEMSET_SLOT_MASK;

	return seg->has_slot && slot < durei_slot_end(seg) &&
	       (uint32_t)(cell64_load_acq(&seg->slots[slot].state) >> DL_SLOT_GENERATION_SHIFT) !=
		       (uint32_t)(owner >> DL_SEMSET_GENERATION_SHIFT);
}

void durei_semset_orphan_rows(const struct durei_semset *s)
{
	for (uint32_t i = 0; i < s->row_count; i++) {
		struct dl_semset_row *row = durei_semset_row(s, i);
		uint64_t owner = cell64_load_acq(&row->owner);
		if (owner && !(owner & DL_SEMSET_DEAD) && durei_semset_owner_is_gone(s->seg, owner))
			orphan(s, row, owner);
	}
}

bool durei_semset_is_idle(dure_segment *seg, uint64_t offset, uint64_t units)
{
	struct durei_semset s = { 0 };
	const struct dl_semset_row *row = named_row(seg, offset, units, &s);

	/* an open log may bring adjustments back */
	return !row || (cell64_load_acq(&s.shared->log) == DL_SEMSET_IDLE && row_is_empty(&s, row));
}
