/* SPDX-License-Identifier: MIT */
/*
 * share.c - what several lanes can have of one lock at once
 *
 * Why      A count of readers, or of a semaphore's units, does not say whose they are: after a
 *          death nobody could tell how many to take off. So what a thread has of such a lock
 *          stands in its own lane, in a place that does not move while it is there.
 * How      Sharing one of something (reading) is one store into the share, and one back.
 *          Taking units changes two words, the share and the semaphore's. The share says
 *          CHANGING, with the units before and after; then one cas changes the semaphore's
 *          value and puts the share's name and serial there; then the share says CHANGED.
 *          Whether a change cut off by a death has happened is read from the semaphore's
 *          word: it has if the share's name is in it.
 * Rules    [SHARE1] who replaces a name in a semaphore's word first sees to it that the share
 *                   it names says CHANGED: so a share that says CHANGING and is not named has
 *                   not happened
 *          [SHARE2] a name is never put into a word that has it already: the serial is skipped
 *          [SHARE3] units of the dead are given back like those of the living, by the same
 *                   steps on the dead one's share
 *          [SHARE4] while it changes a word a lane shows itself busy, so that a checkpoint has
 *                   both or neither
 *          [SHARE5] what a share of a set says is its process' affair: the lane is kept with it
 *                   while the process may live
 * Death    after step                 is left behind              who mends it
 *          1 units after              units before: HELD          they are given back
 *          2 CHANGING                 not named                   the same
 *          3 the semaphore's word     named: it has happened      gives back those after
 *          4 CHANGED                  units                       gives them back
 *          a reader: HELD             a share                     it goes
 * Limits   A stopped helper (SHARE1) who goes on when the same share is at the same serial
 *          again, 32768 changes later, and CHANGING the same semaphore, would be deceived.
 */
#include "lock/share.h"

#include "lock/held.h"
#include "lock/semset.h"
#include "segment/wait.h"

/* -- a lane's own ------------------------------------------------------------------------ */

struct dl_share *durei_share_refuse(void)
{
	durei_error(ENOLCK, "a thread can have shares in %d locks of a segment at once",
		    DL_SHARES_MAX);
	return NULL;
}

/* -- everybody's ------------------------------------------------------------------------- */

static unsigned share_end(const struct dl_lane *lane)
{
	uint32_t end = cell32_load_acq(&lane->share_end);

	return end < DL_SHARES_MAX ? end : DL_SHARES_MAX;
}

static struct dl_share *find_in(struct dl_lane *lane, uint64_t key, unsigned states, unsigned from)
{
	for (unsigned i = from; i < share_end(lane); i++) {
		uint64_t what = cell64_load_acq(&lane->shares[i].what);
		if (dl_share_key(what) == key && states >> dl_share_state(what) & 1)
			return &lane->shares[i];
	}
	return NULL;
}

static bool is_in_use(const dure_segment *seg, unsigned id)
{
	return durei_status_state(cell64_load_acq(&seg->lane_status[id])) != DL_LANE_FREE;
}

void durei_share_find_all(struct durei_lane *lane, uint64_t offset, enum dl_share_kind kind,
			  unsigned states, struct durei_sharers *ret)
{
	uint64_t key = dl_share(offset, kind, DL_SHARE_NONE, 0);
	dure_segment *seg = lane->seg;

	ret->count = 0;
	for (unsigned id = 1; id < durei_lane_end(seg) && ret->count < DUREI_SHARERS_MAX; id++)
		if (id != lane->id && is_in_use(seg, id) &&
		    find_in(durei_lane_at(seg, id), key, states, 0))
			ret->lanes[ret->count++] = (uint16_t)id;
}

void durei_share_each(dure_segment *seg, uint64_t offset, enum dl_share_kind kind, unsigned states,
		      void (*step)(struct dl_share *share, uint64_t what, void *context),
		      void *context)
{
	uint64_t key = dl_share(offset, kind, DL_SHARE_NONE, 0);

	for (unsigned id = 1; id < durei_lane_end(seg); id++) {
		struct dl_lane *lane = durei_lane_at(seg, id);
		struct dl_share *share = is_in_use(seg, id) ? find_in(lane, key, states, 0) : NULL;
		while (share) {
			step(share, cell64_load_acq(&share->what), context);
			share = find_in(lane, key, states, (unsigned)(share - lane->shares) + 1);
		}
	}
}

bool durei_share_recover(struct durei_lane *lane, const struct durei_sharers *sharers)
{
	bool any = false;

	for (unsigned i = 0; i < sharers->count; i++)
		any |= durei_recover_lane(lane->seg, lane, sharers->lanes[i]) == 1;
	return any;
}

void durei_share_tell(dure_segment *seg, struct dl_rwlock *lock)
{
	cell32_add(&lock->drain, DL_DRAIN_STEP);
	durei_wake(seg, &lock->drain, UINT32_MAX >> 1);
}

/* -- units ------------------------------------------------------------------------------- */

/* The name of a share's change, in a semaphore's word. */
static uint64_t name_of(uint16_t lane, unsigned index, uint64_t serial)
{
	return (uint64_t)lane << DL_SEMAPHORE_LANE_SHIFT |
	       (uint64_t)index << DL_SEMAPHORE_SHARE_SHIFT |
	       (serial & DL_SEMAPHORE_SERIAL_MASK) << DL_SEMAPHORE_SERIAL_SHIFT;
}

static uint64_t name_in(uint64_t word)
{
	return word & ~UINT64_C(0xffffffff);
}

/* [SHARE1] */
void durei_share_settle_named(dure_segment *seg, const struct cell64 *word,
			      enum dl_share_kind kind, uint64_t seen)
{
	unsigned lane = (unsigned)(seen >> DL_SEMAPHORE_LANE_SHIFT);
	unsigned index = (unsigned)(seen >> DL_SEMAPHORE_SHARE_SHIFT) & (DL_SHARES_MAX - 1);
	uint64_t key = dl_share(durei_offset(seg, word), kind, DL_SHARE_CHANGING, 0);
	struct dl_share *share;
	uint64_t what, serial;

	if (lane == 0 || lane >= durei_lane_end(seg))
		return;
	share = &durei_lane_at(seg, lane)->shares[index];
	what = cell64_load_acq(&share->what);
	serial = dl_share_serial(what);
	if (what != (key | serial << DL_SHARE_SERIAL_SHIFT) ||
	    name_of((uint16_t)lane, index, serial) != name_in(seen) ||
	    cell64_load_acq(word) != seen)
		return;
	cell64_cas(&share->what, &what,
		   dl_share(durei_offset(seg, word), kind, DL_SHARE_CHANGED, serial));
}

/* Until `what` says otherwise, the share has the units it had. */
void durei_share_set_units(struct dl_share *share, uint64_t offset, uint32_t units)
{
	uint64_t serial = dl_share_serial(cell64_load_rlx(&share->what));
	uint32_t before = durei_share_units(share);

	cell64_store_rel(&share->units, before | (uint64_t)before << 32);
	cell64_store_rel(&share->what, dl_share(offset, DL_SHARE_UNITS, DL_SHARE_HELD, serial));
	cell64_store_rel(&share->units, before | (uint64_t)units << 32);
	cell64_store_rel(&share->what, dl_share(offset, DL_SHARE_UNITS, DL_SHARE_CHANGED, serial));
}

bool durei_share_change(dure_segment *seg, uint16_t lane, struct dl_share *share,
			enum dl_share_kind kind, struct cell64 *word, int64_t change,
			uint32_t after, uint64_t keep_flags, uint64_t *ret_before)
{
	unsigned index = (unsigned)(share - durei_lane_at(seg, lane)->shares);
	uint64_t offset = durei_offset(seg, word), seen = cell64_load_acq(word), next;
	uint64_t serial = dl_share_serial(cell64_load_rlx(&share->what)) + 1;
	uint32_t before = durei_share_units(share);

	if (name_of(lane, index, serial) == name_in(seen))		/* [SHARE2] */
		serial++;
	serial &= DL_SHARE_SERIAL_MASK;
	cell64_store_rel(&share->units, before | (uint64_t)before << 32);
	cell64_store_rel(&share->what, dl_share(offset, kind, DL_SHARE_HELD, serial));
	cell64_store_rel(&share->units, before | (uint64_t)after << 32);		/* step 1 */
	cell64_store_rel(&share->what,
			 dl_share(offset, kind, DL_SHARE_CHANGING, serial)); /* step 2 */
	do {
		int64_t value = (int64_t)(seen & DL_SEMAPHORE_MAX) + change;
		if (value < 0 || value > (int64_t)DL_SEMAPHORE_MAX) {
			cell64_store_rel(&share->what, dl_share(offset, kind, DL_SHARE_HELD,
								serial));
			return false;
		}
		durei_share_settle(seg, word, kind, seen);
		next = (uint64_t)value | (seen & keep_flags) | name_of(lane, index, serial);
	} while (!cell64_cas(word, &seen, next));				/* step 3 */
	cell64_store_rel(&share->what,
			 dl_share(offset, kind, DL_SHARE_CHANGED, serial)); /* step 4 */
	*ret_before = seen;
	return true;
}

/* -- recovery ---------------------------------------------------------------------------- */

/* Has the dead one's change happened? Then it says so from now on; else it has not. */
static void decide(uint16_t lane, unsigned index, struct dl_share *share,
		   const struct cell64 *word)
{
	uint64_t what = cell64_load_acq(&share->what), offset = dl_share_offset(what);

	while (dl_share_state(what) == DL_SHARE_CHANGING) {
		uint64_t serial = dl_share_serial(what);
		bool is_named = name_in(cell64_load_acq(word)) == name_of(lane, index, serial);
		enum dl_share_state state = is_named ? DL_SHARE_CHANGED : DL_SHARE_HELD;
		/* fails when somebody has settled it meanwhile */
		if (cell64_cas(&share->what, &what, dl_share(offset, DL_SHARE_UNITS, state, serial)))
			return;
	}
}

/* [SHARE3] */
static void give_back(dure_segment *seg, uint16_t lane, unsigned index, struct dl_share *share,
		      uint64_t offset)
{
	struct cell64 *word = durei_at(seg, offset);
	uint64_t before;
	uint32_t units;

	decide(lane, index, share, word);
	units = durei_share_units(share);
	if (units)
		(void)durei_share_change(seg, lane, share, DL_SHARE_UNITS, word, (int64_t)units, 0,
					 0, &before);
	durei_wake(seg, durei_semaphore_half(word), UINT32_MAX >> 1);
}

static void mend_in_lock(struct durei_mending *m, unsigned index, uint64_t what, uint64_t offset)
{
	struct dl_share *share = &m->lane->shares[index];

	switch (dl_share_kind(what)) {
	case DL_SHARE_UNITS:
		give_back(m->seg, m->id, index, share, offset);
		break;
	case DL_SHARE_READ:
		durei_share_clear(share);
		durei_share_left(m->seg, durei_at(m->seg, offset));
		break;
	case DL_SHARE_MEMBER:		/* it is missed: that is how the others know */
		durei_share_clear(share);
		durei_wake(m->seg, &((struct dl_barrier *)durei_at(m->seg, offset))->phase,
			   UINT32_MAX >> 1);
		break;
	case DL_SHARE_SET:
		if (dl_share_state(what) == DL_SHARE_WAITING)
			durei_semset_mend_waiter(m, offset, cell64_load_acq(&share->units));
		else
			durei_semset_mend_row(m, offset, cell64_load_acq(&share->units));
		break;
	}
}

/* [SHARE5] */
static bool is_of_process(uint64_t what)
{
	return dl_share_kind(what) == DL_SHARE_SET && dl_share_state(what) == DL_SHARE_HELD;
}

static void mend_share(struct durei_mending *m, unsigned index)
{
	struct dl_share *share = &m->lane->shares[index];
	uint64_t what = cell64_load_acq(&share->what), offset = dl_share_offset(what);

	if (dl_share_state(what) == DL_SHARE_NONE)
		return;
	if (is_of_process(what) && !m->process_is_dead &&
	    !durei_semset_owner_is_gone(m->seg, cell64_load_acq(&share->units))) {
		m->keeps_lane = true;
		return;
	}
	if (offset >= m->seg->super.data_offset &&
	    durei_bytes_are_backed(m->seg, offset, sizeof(struct dl_barrier)))
		mend_in_lock(m, index, what, offset);
	durei_share_clear(share);
}

void durei_share_mend(struct durei_mending *m)
{
	for (unsigned i = 0; i < share_end(m->lane); i++)
		mend_share(m, i);
	if (!m->keeps_lane)
		cell32_store_rel(&m->lane->share_end, 0);
}

void durei_share_end(struct durei_lane *lane)
{
	struct durei_mending m = { .seg = lane->seg, .lane = lane->shared, .id = lane->id,
				   .generation = lane->generation };

	durei_share_mend(&m);
	lane->shares_used = lane->shares_kept;
}

bool durei_share_leave(struct durei_lane *lane)
{
	for (uint32_t left = lane->shares_kept; left; left &= left - 1) {
		struct dl_share *share = &lane->shared->shares[__builtin_ctz(left)];
		if (durei_semset_is_idle(lane->seg, dl_share_offset(cell64_load_acq(&share->what)),
					 cell64_load_acq(&share->units)))
			durei_share_release(lane, share);
	}
	if (!lane->shares_used)
		cell32_store_rel(&lane->shared->share_end, 0);
	return !lane->shares_kept;
}
