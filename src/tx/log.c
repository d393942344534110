/* SPDX-License-Identifier: MIT */
/*
 * log.c - the one way to change several words at once
 *
 * Why      A killed thread leaves a prefix of its stores. Whatever takes more than one store
 *          is therefore written down first, at a place any survivor can find, and becomes
 *          true by one store of log_state. Single operations (publish a block, unlink an
 *          entry) and users' transactions use the same log in the same way; there is one
 *          recovery.
 * How      Two kinds of entries. Undo entries remember bytes that are then changed in place:
 *          an open log is rolled back. The others say what to do at commit: a committed log
 *          is carried out, by its thread or by its heirs. All they store is absolute, so it
 *          may be stored again.
 * States   IDLE        the log means nothing
 *          ACTIVE      undo entries hold: roll back
 *          COMMITTED   undo entries are void; carry the others out, blocks taken first
 *          VISIBLE     all blocks are taken; entries marked by this log count from now on
 *          SHOWN, LINK the short log of a single link: link.c
 * Rules    [TX1] leaving ACTIVE is the commit, and the only one: to COMMITTED, or without blocks
 *                to take at once to VISIBLE
 *          [TX2] stores into words that others may change are guarded by a lock which the lane
 *                holds until the log is IDLE, or go to memory nobody else can reach
 *          [TX3] sets are finished (log_cursor > 0) before the first free: after it, a freed
 *                block may belong to others, and nothing is stored there again
 *          [TX5] blocks are taken before anybody can see what leads to them, and never again
 *                after: once visible, others may free them
 *          [TX6] after a roll back, the versions grow when all is undone, and blocks are taken
 *                back when the log is IDLE: nothing is undone in memory that may be others'
 *          [TX4] `freeing` names a block's state from before it is freed until the cursor has
 *                counted it; who collects freed blocks leaves that one alone. So an heir who
 *                finds `freeing` set knows that the block is nobody's yet, and repeats
 *          [TX7] a log found in a segment is foreign bytes: walk.c
 * Death    after step           is left behind                      who mends it
 *          1 used = 0, ACTIVE   an open log without entries         roll back: nothing to do
 *          2 entry              an entry beyond used                nobody reads it
 *          3 used               an undo entry, bytes unchanged      roll back: same bytes
 *          4 bytes in place     half-changed bytes                  roll back
 *          5 COMMITTED          all, some or no blocks taken        take them, from the start
 *          6 VISIBLE            all, some or no sets done           sets, from the start
 *          7 cursor = 1         all sets done                       frees, from the cursor
 *          8 freeing            a block named, freed or not         free it, count it
 *          9 IDLE               nothing                             -
 *          and after step 4, when it is aborted
 *          5 undone             old bytes, old or new versions      roll back: the same again
 *          6 IDLE               blocks that are reserved            they vanish with the lane
 * Limits   An entry's offset has 48 bits. The log grows by reserved blocks; a full segment
 *          fails the operation, which is then aborted whole.
 */
#include "tx/log.h"

#include <inttypes.h>
#include <string.h>

#include "layout/page.h"
#include "tx/link.h"
#include "tx/walk.h"

enum {
	CHUNK_FIRST_BYTES = 4096,	/* then twice as much each time */
	CHUNK_MAX_BYTES = 1 << 20,
};

/* -- writing ----------------------------------------------------------------------------- */

static void start_in_lane(struct durei_lane *lane)
{
	struct dure_tx *tx = &lane->tx;

	tx->chunk = lane->shared->log;
	tx->chunk_used = 0;
	tx->chunk_bytes = DL_LOG_INLINE_BYTES;
	tx->chunk_used_cell = &lane->shared->log_used;
	tx->chunk_offset = 0;
	tx->last_words = 0;
	tx->free_count = 0;
	tx->block_count = 0;
}

void durei_log_show_later(struct durei_lane *lane, unsigned state)
{
	do {
		durei_log_set_state(lane->shared, DL_LOG_IDLE, lane->serial);	/* [GATE2] */
		durei_gate_wait(lane);
		durei_log_set_state(lane->shared, state, lane->serial);
	} while (durei_gate_is_shut(lane));
}

int durei_log_begin(struct durei_lane *lane, bool is_single)
{
	struct dl_lane *shared = lane->shared;

	if (lane->tx.depth)
		return durei_error(EDEADLK, "segment %s: this thread is inside another operation: "
				   "called from a signal handler, or left by longjmp?",
				   lane->seg->super.name);
	start_in_lane(lane);
	cell64_store_rel(&shared->log_used, 0);
	if (cell64_load_rlx(&shared->log_more))		/* only this thread writes it */
		cell64_store_rel(&shared->log_more, 0);
	if (cell64_load_rlx(&shared->log_cursor))
		cell64_store_rel(&shared->log_cursor, 0);
	lane->serial++;
	durei_log_show(lane, DL_LOG_ACTIVE);
	lane->tx.is_single = is_single;
	fence_crash();		/* no entry is written over the last log before it is closed */
	return 0;
}

/* A further chunk; linked before anything in it counts. */
static int add_chunk(struct durei_lane *lane, uint64_t need_bytes)
{
	struct dure_tx *tx = &lane->tx;
	uint64_t bytes = clamp_u64(tx->chunk_bytes * 2, CHUNK_FIRST_BYTES, CHUNK_MAX_BYTES);
	uint64_t offset;

	bytes = max_u64(bytes, need_bytes + sizeof(struct dl_log_chunk));
	int r = durei_log_chunk_reserve(lane, bytes, &offset);
	if (r < 0)
		return r;
	struct dl_log_chunk *chunk = durei_at(lane->seg, offset);
	chunk->before = tx->chunk_offset;
	chunk->bytes = bytes - sizeof *chunk;
	cell64_store_rel(&chunk->used, 0);
	cell64_store_rel(&chunk->next, 0);
	struct cell64 *link = tx->chunk_offset
				      ? &((struct dl_log_chunk *)durei_at(lane->seg,
									  tx->chunk_offset))->next
				      : &lane->shared->log_more;
	/* what the full chunk holds counts before the next one is there */
	cell64_store_rel(tx->chunk_used_cell,
			 tx->chunk_used << DL_LOG_USED_SHIFT | tx->last_words);
	cell64_store_rel(link, offset);
	tx->chunk = (unsigned char *)(chunk + 1);
	tx->chunk_used = 0;
	tx->chunk_bytes = chunk->bytes;
	tx->chunk_used_cell = &chunk->used;
	tx->chunk_offset = offset;
	tx->last_words = 0;
	return 0;
}

/* Room for an entry; its two words are written by the caller's store of head and second. */
static int reserve_entry(struct durei_lane *lane, uint64_t words, uint64_t **ret)
{
	struct dure_tx *tx = &lane->tx;

	if (__builtin_expect(tx->chunk_used + words * 8 > tx->chunk_bytes, 0)) {
		int r = add_chunk(lane, words * 8);
		if (r < 0)
			return r;
	}
	*ret = (uint64_t *)(void *)(tx->chunk + tx->chunk_used);
	return 0;
}

static void count_entry(struct dure_tx *tx, uint64_t words)
{
	tx->chunk_used += words * 8;
	tx->last_words = words;
}

/* [LOG1] */
static void publish_entries(struct dure_tx *tx)
{
	cell64_store_rel(tx->chunk_used_cell, tx->chunk_used << DL_LOG_USED_SHIFT | tx->last_words);
}

int durei_log_add(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
		  uint64_t second)
{
	uint64_t *entry;
	int r = reserve_entry(lane, 2, &entry);

	if (r < 0)
		return r;
	entry[0] = dl_log_head(kind, lane->tx.last_words, offset);
	entry[1] = second;
	count_entry(&lane->tx, 2);
	lane->tx.free_count += kind >= DL_LOG_FREE;
	lane->tx.block_count += kind >= DL_LOG_TAKE;
	return 0;
}

int durei_log_undo_range(struct durei_lane *lane, uint64_t offset, uint64_t bytes)
{
	while (bytes) {
		uint64_t part = min_u64(bytes, DL_LOG_RANGE_MAX), words = 2 + (part + 7) / 8;
		uint64_t *entry;
		int r = reserve_entry(lane, words, &entry);
		if (r < 0)
			return r;
		entry[0] = dl_log_head(DL_LOG_UNDO_RANGE, lane->tx.last_words, offset);
		entry[1] = part;
		memmove(entry + 2, durei_at(lane->seg, offset), part);
		count_entry(&lane->tx, words);
		offset += part;
		bytes -= part;
	}
	publish_entries(&lane->tx);
	fence_crash();		/* the caller's plain stores come after `used` */
	return 0;
}

int durei_log_write_word(struct durei_lane *lane, struct cell64 *cell, uint64_t value)
{
	int r = durei_log_add(lane, DL_LOG_UNDO_WORD, durei_offset(lane->seg, cell),
			      cell64_load_rlx(cell));

	if (r < 0)
		return r;
	publish_entries(&lane->tx);
	cell64_store_rel(cell, value);
	return 0;
}

int durei_log_write_byte(struct durei_lane *lane, struct cell8 *cell, uint8_t value)
{
	int r = durei_log_add(lane, DL_LOG_UNDO_BYTE, durei_offset(lane->seg, cell),
			      cell8_load_rlx(cell));

	if (r < 0)
		return r;
	publish_entries(&lane->tx);
	cell8_store_rel(cell, value);
	return 0;
}

/* -- carrying out ------------------------------------------------------------------------ */

/* [TX5]: before VISIBLE, and may be repeated until then */
static void carry_out_take(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e)
{
	(void)lane;
	if (e->kind == DL_LOG_TAKE)
		cell8_store_rel(durei_at(seg, e->offset), DL_BLOCK_LIVE);
	else if (e->kind == DL_LOG_TAKE_RUN)
		cell64_store_rel(durei_at(seg, e->offset), e->second);
}

/* Sets and bumps: may be repeated, in order. */
static void carry_out_set(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e)
{
	struct cell64 *cell = durei_at(seg, e->offset);

	(void)lane;
	if (e->kind == DL_LOG_SET)
		cell64_store_rel(cell, e->second);
	else if (e->kind == DL_LOG_BUMP)
		cell64_store_rel(cell, cell64_load_rlx(cell) + 1);
}

/* Step 8 for one free; `done` frees are behind us. [TX4] */
static void carry_out_free(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e,
			   uint64_t done)
{
	cell64_store_rel(&lane->freeing, e->offset);
	if (e->kind == DL_LOG_FREE)
		cell8_store_rel(durei_at(seg, e->offset), DL_BLOCK_UNLINKED);
	else
		cell64_store_rel(durei_at(seg, e->offset), e->second);
	cell64_store_rel(&lane->log_cursor, done + 2);
	cell64_store_rel(&lane->freeing, 0);
}

/* For an heir: the frees not yet counted. */
static void carry_out_rest(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e)
{
	uint64_t done = cell64_load_acq(&lane->log_cursor) - 1;

	if (durei_log_is_free(e) && e->frees_before >= done)
		carry_out_free(seg, lane, e, e->frees_before);
}

static void carry_out_taken(dure_segment *seg, struct dl_lane *lane)
{
	if (cell64_load_acq(&lane->log_cursor) == 0) {
		durei_log_walk_forwards(seg, lane, carry_out_set);
		cell64_store_rel(&lane->log_cursor, 1);		/* [TX3] */
	}
	durei_log_walk_forwards(seg, lane, carry_out_rest);
	cell64_store_rel(&lane->freeing, 0);	/* one that is counted already */
}

static void carry_out(dure_segment *seg, struct dl_lane *lane, uint64_t serial)
{
	durei_log_walk_forwards(seg, lane, carry_out_take);
	durei_log_set_state(lane, DL_LOG_VISIBLE, serial);
	carry_out_taken(seg, lane);
}

/* A page word is only unmarked. */
static void undo_word(dure_segment *seg, struct cell64 *to, const struct durei_log_entry *e)
{
	if (e->offset < seg->super.data_offset &&
	    (cell64_load_rlx(to) | DL_PAGE_RUN_DOOMED) != (e->second | DL_PAGE_RUN_DOOMED))
		return;
	cell64_store_rel(to, e->second);
}

static void undo(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e)
{
	void *to = durei_at(seg, e->offset);

	(void)lane;
	switch (e->kind) {
	case DL_LOG_UNDO_WORD:
		undo_word(seg, to, e);
		break;
	case DL_LOG_UNDO_BYTE:
		cell8_store_rel(to, (uint8_t)e->second);
		break;
	case DL_LOG_UNDO_RANGE:
		memmove(to, e->data, e->second);
		break;
	default:
		break;
	}
}

static void bump(dure_segment *seg, struct dl_lane *lane, const struct durei_log_entry *e)
{
	if (e->kind == DL_LOG_BUMP)
		carry_out_set(seg, lane, e);
}

static void roll_back(dure_segment *seg, struct dl_lane *lane)
{
	durei_log_walk_backwards(seg, lane, undo);
	durei_log_walk_forwards(seg, lane, bump);			/* [TX6] */
	fence_crash();
}

/* -- closing ----------------------------------------------------------------------------- */

static void close_log(struct durei_lane *lane)
{
	uint64_t left = lane->mapped_bytes;
	struct durei_log_part chunk = { .next = cell64_load_rlx(&lane->shared->log_more) };

	durei_log_set_state(lane->shared, DL_LOG_IDLE, lane->serial);	/* step 9 */
	lane->tx.depth = 0;
	while (chunk.next && durei_log_view_next(lane->seg, &chunk, &left))
		durei_log_chunk_cancel(lane, chunk.offset);
}

typedef void (*own_step)(struct durei_lane *lane, const struct durei_log_entry *entry);

/* Further chunks are blocks: in a damaged segment they may be somebody else's as well. */
static __attribute__((noinline)) void walk_own_chunks(struct durei_lane *lane, uint64_t next,
						      own_step step)
{
	uint64_t left = lane->mapped_bytes;
	struct durei_log_part chunk = { .next = next };
	struct durei_log_entry entry;

	while (durei_log_view_next(lane->seg, &chunk, &left))
		for (uint64_t at = 0; durei_log_view_entry(lane->seg, &chunk, at, &entry);
		     at += entry.words * 8)
			step(lane, &entry);
}

/*
 * This thread has just written its log into its lane: there is nothing to check. This is the
 * path of every single operation.
 */
static inline void walk_own(struct durei_lane *lane, own_step step)
{
	const uint64_t *entry = (const uint64_t *)(const void *)lane->shared->log;
	uint64_t used = cell64_load_rlx(&lane->shared->log_used) >> DL_LOG_USED_SHIFT;
	uint64_t more = cell64_load_rlx(&lane->shared->log_more);
	const uint64_t *end = entry + used / 8;

	for (; entry < end; entry += dl_log_words(entry[0], entry[1])) {
		struct durei_log_entry view = { .kind = dl_log_kind(entry[0]),
					   .offset = dl_log_offset(entry[0]),
					   .second = entry[1] };
		step(lane, &view);
	}
	if (__builtin_expect(more != 0, 0))
		walk_own_chunks(lane, more, step);
}

static inline void own_take(struct durei_lane *lane, const struct durei_log_entry *e)
{
	carry_out_take(lane->seg, lane->shared, e);
}

static inline void own_set(struct durei_lane *lane, const struct durei_log_entry *e)
{
	carry_out_set(lane->seg, lane->shared, e);
}

static inline void own_free(struct durei_lane *lane, const struct durei_log_entry *e)
{
	uint64_t done = cell64_load_rlx(&lane->shared->log_cursor) - 1;

	if (!durei_log_is_free(e))
		return;
	carry_out_free(lane->seg, lane->shared, e, done);
	durei_log_freed(lane, e->kind, e->offset, e->second);
}

static inline void own_take_back(struct durei_lane *lane, const struct durei_log_entry *e)
{
	if (e->kind == DL_LOG_TAKE || e->kind == DL_LOG_TAKE_RUN)
		durei_log_not_taken(lane, e->kind, e->offset, e->second);
}

void durei_log_commit(struct durei_lane *lane)
{
	publish_entries(&lane->tx);
	if (lane->tx.block_count > lane->tx.free_count) {
		durei_log_set_state(lane->shared, DL_LOG_COMMITTED, lane->serial);	/* step 5 */
		walk_own(lane, own_take);
	}
	durei_log_set_state(lane->shared, DL_LOG_VISIBLE, lane->serial);		/* step 6 */
	walk_own(lane, own_set);
	if (lane->tx.free_count) {
		cell64_store_rel(&lane->shared->log_cursor, 1);		/* step 7 */
		walk_own(lane, own_free);
	}
	close_log(lane);
}

void durei_log_abort(struct durei_lane *lane)
{
	publish_entries(&lane->tx);
	roll_back(lane->seg, lane->shared);
	durei_log_set_state(lane->shared, DL_LOG_IDLE, lane->serial);		/* [TX6] */
	if (lane->tx.block_count)
		walk_own(lane, own_take_back);
	close_log(lane);
}

void durei_log_hazards(dure_segment *seg, struct durei_hazards *ret)
{
	ret->count = 0;
	for (unsigned id = 1; id < durei_lane_end(seg); id++) {
		uint64_t freeing = cell64_load_acq(&durei_lane_at(seg, id)->freeing);
		if (!freeing)
			continue;
		if (ret->count < DUREI_HAZARDS_MAX)
			ret->states[ret->count] = freeing;
		ret->count++;
	}
}

bool durei_hazards_have(const struct durei_hazards *hazards, uint64_t state_offset)
{
	if (hazards->count > DUREI_HAZARDS_MAX)
		return true;		/* not all are listed: leave it for another time */
	for (unsigned i = 0; i < hazards->count; i++)
		if (hazards->states[i] == state_offset)
			return true;
	return false;
}

/* -- recovery ---------------------------------------------------------------------------- */

void durei_log_mend(struct durei_mending *mending)
{
	struct dl_lane *lane = mending->lane;
	uint64_t word = cell64_load_acq(&lane->log_state);
	uint64_t serial = word >> DL_LOG_SERIAL_SHIFT;

	switch (word & DL_LOG_STATE_MASK) {
	case DL_LOG_ACTIVE:
		roll_back(mending->seg, lane);
		break;
	case DL_LOG_COMMITTED:
		carry_out(mending->seg, lane, serial);
		break;
	case DL_LOG_VISIBLE:
		carry_out_taken(mending->seg, lane);
		break;
	case DL_LOG_LINK:
		durei_link_mend(mending->seg, lane);
		break;
	default:
		break;
	}
	durei_log_set_state(lane, DL_LOG_IDLE, serial);
}

void durei_log_end(struct durei_lane *lane)
{
	if (!lane->tx.depth)
		return;
	durei_log_abort(lane);
	lane->tx.has_locks = 0;		/* freed with the others: durei_held_end */
}
