/* SPDX-License-Identifier: MIT */
/*
 * token.c - a process' place in a segment, and the truth about who is alive
 *
 * Why      Who is alive must be the kernel's word: pids are used again and mean nothing
 *          across PID namespaces, and heartbeats call a stopped process dead. The word here
 *          is a lock on one byte of the backing file, held through an open file description
 *          of its own. Its descriptor is closed at once; a one-page mapping that no child
 *          inherits keeps the description. So the lock survives close, closefrom and fork,
 *          and ends with exec and with death, however it comes.
 * How      Trying bytes until one can be locked also hands out the places: the kernel
 *          arbitrates, and a death in the middle of attaching leaks nothing.
 * Rules    [TOKEN1] slot i belongs to whoever holds byte DL_LOCK_SLOTS + i
 *          [TOKEN2] the slot's words are written by its holder; the generation grows with
 *                   each holder, so slot and generation name one process for ever
 *          [TOKEN3] the page that pins the description is never touched
 * Death    after step       is left behind                      who mends it
 *          1 lock           nothing: the kernel unlocks         -
 *          2 slot state     ATTACHED without a lock: a dead     the next taker of the slot,
 *                           process, as after any death         or who needs what it held
 * Window   A fork in another thread between open and madvise below gives the child the
 *          description too; then only the child's exit or exec tells of our death here. The
 *          life words (os/robust.c) tell at once all the same, so nobody waits for that.
 */
#include "segment/token.h"

#include <string.h>

#include "os/file.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"
#include "segment/participant.h"

static uint64_t slot_generation(uint64_t state)
{
	return state >> DL_SLOT_GENERATION_SHIFT;
}

/* Backs the slot's memory; slots are reserved a page at a time. */
static int back_slot(dure_segment *seg, unsigned slot)
{
	unsigned per_page = (unsigned)(durei_page_bytes() / sizeof(struct dl_slot));
	unsigned first = slot / per_page * per_page, end = first + per_page;

	if (slot < cell32_load_acq(&seg->state->slot_high))
		return 0;
	end = end < seg->super.slot_count ? end : seg->super.slot_count;
	uint64_t bytes = (uint64_t)(end - first) * sizeof(struct dl_slot);
	int r = seg->backing->reserve(seg, seg->super.slots_offset +
				      (uint64_t)first * sizeof(struct dl_slot), bytes);
	if (r < 0)
		return durei_no_space(seg, -r, bytes);
	cell32_raise(&seg->state->slot_high, end);
	return 0;
}

static bool looks_free(dure_segment *seg, unsigned slot)
{
	return slot >= cell32_load_acq(&seg->state->slot_high) ||
	       (cell64_load_rlx(&seg->slots[slot].state) & DL_SLOT_STATE_MASK) == DL_SLOT_FREE;
}

/* First among the slots that look free; a wrong look costs one system call. */
static int lock_a_slot(dure_segment *seg, int fd)
{
	for (int pass = 0; pass < 2; pass++)
		for (unsigned slot = 0; slot < seg->super.slot_count; slot++) {
			if (looks_free(seg, slot) != (pass == 0))
				continue;
			int r = durei_byte_lock(fd, DL_LOCK_SLOTS + slot, true);
			if (r == 0)
				return (int)slot;
			if (r != -EAGAIN)
				return durei_error(EOPNOTSUPP, "segment %s: the file system cannot "
						   "lock: %s", seg->path, strerror(-r));
		}
	return durei_error(EUSERS, "segment %s: all %u places for processes are taken: create it "
			   "with a larger processes_max", seg->path, seg->super.slot_count);
}

/* Some network and overlay file systems accept locks and keep them to themselves. */
static int check_that_locks_work(dure_segment *seg, int slot)
{
	int r = durei_byte_is_locked(seg->fd, DL_LOCK_SLOTS + (unsigned)slot);

	if (r == 1)
		return 0;
	return durei_error(EOPNOTSUPP, "segment %s: locks on this file system are not seen by "
			   "others: use tmpfs or a local file system", seg->path);
}

/* A mapping is at least one page, on hugetlbfs a huge one. */
static uint64_t pin_bytes(int fd)
{
	struct durei_file_facts facts;
	int r = durei_file_stat(fd, &facts);

	return max_u64(r == 0 ? facts.block_bytes : 0, durei_page_bytes());
}

/* Keeps fd's description alive without a descriptor, for this process alone. */
static int pin(dure_segment *seg, int fd)
{
	uint64_t bytes = pin_bytes(fd);
	void *page;
	int r = durei_map_create(fd, 0, bytes, DUREI_MAP_SHARED_READ, &page);

	if (r < 0)
		return durei_error(ENOMEM, "segment %s: mmap: %s", seg->path, strerror(-r));
	seg->slot_pin_bytes = bytes;
	r = durei_map_leave_out_of_fork(page, bytes);
	if (r < 0) {
		durei_map_remove(page, bytes);
		return durei_error(EOPNOTSUPP, "segment %s: MADV_DONTFORK: %s", seg->path,
				   strerror(-r));
	}
	seg->slot_pin = page;
	return 0;
}

static int take_slot(dure_segment *seg, int fd)
{
	int slot = lock_a_slot(seg, fd);
	int r = slot;

	if (r >= 0)
		r = check_that_locks_work(seg, slot);
	if (r >= 0)
		r = back_slot(seg, (unsigned)slot);
	if (r >= 0)
		r = pin(seg, fd);
	if (r < 0)
		return r;
	struct cell64 *state = &seg->slots[slot].state;
	uint64_t generation = slot_generation(cell64_load_acq(state)) + 1;
	cell64_store_rel(state, generation << DL_SLOT_GENERATION_SHIFT | DL_SLOT_ATTACHED);
	seg->slot = (uint16_t)slot;
	seg->has_slot = true;
	return 0;
}

static int refuse_frozen(dure_segment *seg, int fd)
{
	if (durei_byte_is_locked(fd, DL_LOCK_FROZEN) == 1)
		return durei_error(EBUSY, "segment %s: a copy-on-write view is open, it keeps "
				   "writers out: close it first", seg->path);
	return 0;
}

int durei_token_take(dure_segment *seg)
{
	if (!seg->backing->has_locks) {
		seg->slot = 0;		/* alone: nobody asks */
		return 0;
	}
	int fd = seg->backing->open_lock_file(seg, true);
	if (fd < 0)
		return durei_error(fd == -EMFILE ? EMFILE : fd == -EACCES ? EACCES : EOPNOTSUPP,
				   "segment %s: its file cannot be opened anew through "
				   "/proc/self/fd: %s", seg->path, strerror(-fd));
	int r = take_slot(seg, fd);
	if (r == 0)
		r = refuse_frozen(seg, fd);
	durei_file_close(fd);
	if (r < 0)
		durei_token_drop(seg);
	return r;
}

int durei_token_take_shared(dure_segment *seg)
{
	bool is_view = seg->access == DUREI_ACCESS_VIEW;
	uint64_t byte = is_view ? DL_LOCK_FROZEN : DL_LOCK_READERS, writer;

	if (!seg->backing->has_locks)
		return 0;
	int fd = seg->backing->open_lock_file(seg, false);
	if (fd < 0)
		return durei_error(EACCES, "segment %s: its file cannot be opened anew: %s",
				   seg->path, strerror(-fd));
	int r = durei_byte_lock(fd, byte, false);
	if (r < 0)
		r = durei_error(EOPNOTSUPP, "segment %s: the file system cannot lock: %s", seg->path,
				strerror(-r));
	else if (is_view &&
		 durei_byte_first_locked(fd, DL_LOCK_SLOTS, seg->super.slot_count, &writer) == 1)
		r = durei_error(EBUSY, "segment %s: it is open for writing (place %llu): a "
				"copy-on-write view needs it at rest; dure_segment_clone copies a "
				"live one", seg->path,
				(unsigned long long)(writer - DL_LOCK_SLOTS));
	else
		r = pin(seg, fd);
	durei_file_close(fd);
	return r;
}

void durei_token_describe(dure_segment *seg)
{
	struct dl_slot *slot = &seg->slots[seg->slot];

	if (!seg->has_slot)
		return;
	slot->process = durei_process_id();
	slot->user = durei_user_id();
	slot->pid_namespace = durei_pid_namespace();
	slot->attached_ns = durei_clock_wall();
	durei_process_name((char *)slot->name, sizeof slot->name);
}

void durei_token_drop(dure_segment *seg)
{
	if (seg->has_slot) {
		struct cell64 *state = &seg->slots[seg->slot].state;
		cell64_store_rel(state, cell64_load_rlx(state) & ~(uint64_t)DL_SLOT_STATE_MASK);
		seg->has_slot = false;
	}
	if (seg->slot_pin)
		durei_map_remove(seg->slot_pin, seg->slot_pin_bytes);
	seg->slot_pin = NULL;
}

uint64_t durei_token_generation(const dure_segment *seg, uint16_t slot)
{
	return slot < durei_slot_end(seg) ? slot_generation(cell64_load_acq(&seg->slots[slot].state))
					  : 0;
}

bool durei_token_is_alive(dure_segment *seg, uint16_t slot)
{
	int fd, r;

	if (!seg->backing->has_locks || seg->access == DUREI_ACCESS_VIEW)
		return true;
	fd = durei_backing_fd(seg);
	r = fd < 0 ? fd : durei_byte_is_locked(fd, DL_LOCK_SLOTS + slot);
	return r != 0;			/* an error is no proof of death */
}
