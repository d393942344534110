/* SPDX-License-Identifier: MIT */
/*
 * fault_files.c - files that are locked, with each system call refused
 *
 * Rules    as in fault_scenarios.c
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define KERNEL EIO, ENOMEM, EMFILE, EOPNOTSUPP

static const int file_open_codes[] = { EEXIST, EACCES, EROFS, EINVAL, ENOSPC, EBUSY, KERNEL, 0 };
static const int file_lock_codes[] = { EAGAIN, ESTALE, EOPNOTSUPP, ENOMEM, EIO, 0 };
static const int file_unlock_codes[] = { ENOMEM, EIO, 0 };
static const int file_holder_codes[] = { EOPNOTSUPP, EIO, 0 };

static int open_file(struct world *w, uint32_t flags)
{
	dure_file *file = UNTOUCHED;
	int r;

	snprintf(w->path, sizeof w->path, "%.100s/lock", w->directory);
	r = dure_file_open(w->path, flags, NULL, &file);
	w->out = file;
	return r;
}

static int make_file(struct world *w)
{
	return open_file(w, DURE_CREATE);
}

static int make_or_open_file(struct world *w)
{
	return open_file(w, DURE_CREATE | DURE_OPEN);
}

/* a file that holds some ranges, so that its list has to grow and to be cut */
static void prepare_ranges(struct world *w)
{
	MUST(make_file(w) == DURE_CREATED);
	w->file = w->out;
	w->out = UNTOUCHED;
	MUST(dure_file_lock(w->file, 0, 10, DURE_SHARED, 0) == 0);
	MUST(dure_file_lock(w->file, 20, 10, DURE_EXCLUSIVE, 0) == 0);
	MUST(dure_file_lock(w->file, 40, 10, DURE_EXCLUSIVE, 0) == 0);
}

static int open_by_descriptor(struct world *w)
{
	dure_file *file = UNTOUCHED;
	int r = dure_file_open_fd(dure_file_fd(w->file), 0, &file);

	w->out = file;
	return r;
}

/* nobody shares byte `shut`, and everybody may have byte `open` */
static void is_locked(struct world *w, uint64_t shut, uint64_t open_byte)
{
	dure_file *judge;

	MUST(dure_file_open(w->path, DURE_OPEN, NULL, &judge) == 0);
	MUST(dure_file_lock(judge, shut, 1, DURE_SHARED, 0) == -EAGAIN);
	MUST(dure_file_lock(judge, open_byte, 1, DURE_EXCLUSIVE, 0) == 0);
	MUST(dure_file_close(judge) == 0);
}

static void out_locks(struct world *w)
{
	MUST(dure_file_lock(w->out, 100, 1, DURE_EXCLUSIVE, 0) == 0);
	is_locked(w, 100, 99);
}

static void close_out_file(struct world *w)
{
	MUST(dure_file_close(w->out) == 0);
	w->out = UNTOUCHED;
}

/* after a refusal the locks are as prepare_ranges made them */
static int locks_unchanged_if_refused(struct world *w, int r)
{
	if (r >= 0)
		return r;
	fault_pause();
	snprintf(w->said, sizeof w->said, "%s", dure_last_error());
	is_locked(w, 20, 19);
	is_locked(w, 29, 10);
	return r;
}

static int lock_across(struct world *w)
{
	return locks_unchanged_if_refused(w, dure_file_lock(w->file, 5, 20, DURE_EXCLUSIVE, 0));
}

static void is_locked_across(struct world *w)
{
	is_locked(w, 5, 30);
	is_locked(w, 24, 39);
}

static int unlock_the_middle(struct world *w)
{
	return locks_unchanged_if_refused(w, dure_file_unlock(w->file, 22, 3));
}

static void is_unlocked_in_the_middle(struct world *w)
{
	is_locked(w, 21, 22);
	is_locked(w, 25, 24);
}

/* another process holds byte 60, and gives it back soon after it was asked to */
static void prepare_contended(struct world *w)
{
	int ready[2], gate[2];
	char c;

	prepare_ranges(w);
	MUST(pipe2(ready, O_CLOEXEC) == 0 && pipe2(gate, O_CLOEXEC) == 0);
	w->helper = fault_fork();
	if (w->helper == 0) {
		close(gate[1]);
		close(ready[0]);
		MUST(dure_file_close(w->file) == 0);
		MUST(dure_file_open(w->path, DURE_OPEN, NULL, &w->file) == 0);
		MUST(dure_file_lock(w->file, 60, 1, DURE_EXCLUSIVE, 0) == 0);
		MUST(write(ready[1], "x", 1) == 1);
		if (read(gate[0], &c, 1) == 1) {
			usleep(5000);
			MUST(dure_file_unlock(w->file, 60, 1) == 0);
			(void)!read(gate[0], &c, 1);
		}
		_exit(0);
	}
	close(gate[0]);
	close(ready[1]);
	MUST(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	w->helper_gate = gate[1];
}

static int wait_for_byte(struct world *w, int64_t timeout_ns)
{
	MUST(write(w->helper_gate, "x", 1) == 1);
	return locks_unchanged_if_refused(w, dure_file_lock(w->file, 60, 1, DURE_EXCLUSIVE,
							    timeout_ns));
}

static int wait_in_kernel(struct world *w)
{
	return wait_for_byte(w, DURE_FOREVER);
}

static int wait_with_limit(struct world *w)
{
	return wait_for_byte(w, DURE_S(10));
}

static void byte_is_ours(struct world *w)
{
	is_locked(w, 60, 61);
}

/* nobody does: a search through /proc would have as many calls as the machine has descriptors */
static int ask_who_holds(struct world *w)
{
	struct dure_file_holder who = { .sz = sizeof who };

	return dure_file_lock_holder(w->file, 60, 1, DURE_EXCLUSIVE, &who);
}

const struct scenario scenarios[] = {
	{ "file: make", .act = make_file, .verify = out_locks, .finish = close_out_file,
	  .codes = file_open_codes },
	{ "file: make without O_TMPFILE", .act = make_file, .verify = out_locks,
	  .finish = close_out_file, .codes = file_open_codes, .posture = "open" },
	{ "file: make or open", .act = make_or_open_file, .verify = out_locks,
	  .finish = close_out_file, .codes = file_open_codes },
	{ "file: open by descriptor", .prepare = prepare_ranges, .act = open_by_descriptor,
	  .verify = out_locks, .finish = close_out_file, .codes = file_open_codes },
	{ "file: lock a range", .prepare = prepare_ranges, .act = lock_across,
	  .verify = is_locked_across, .codes = file_lock_codes },
	{ "file: unlock a part", .prepare = prepare_ranges, .act = unlock_the_middle,
	  .verify = is_unlocked_in_the_middle, .codes = file_unlock_codes },
	{ "file: wait in the kernel", .prepare = prepare_contended, .act = wait_in_kernel,
	  .verify = byte_is_ours, .codes = file_lock_codes },
	{ "file: wait with a limit", .prepare = prepare_contended, .act = wait_with_limit,
	  .verify = byte_is_ours, .codes = file_lock_codes },
	{ "file: who holds it", .prepare = prepare_ranges, .act = ask_who_holds,
	  .codes = file_holder_codes },
};

const unsigned scenario_count = sizeof scenarios / sizeof *scenarios;
