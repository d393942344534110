/* SPDX-License-Identifier: MIT */
/*
 * file_range.c - locks on ranges of files
 *
 * Why      fcntl's own locks are lost when any descriptor of the file is closed, flock's have no
 *          ranges. Those of an open file description have neither fault, but say nothing of a
 *          stranger's unlock, cannot be waited for with a limit, and are worth nothing once the
 *          file has lost its name. What is missing is here.
 * How      The kernel has the locks. A list in private memory says which of them are ours, so
 *          that unlocking what is not ours is refused, and that a lock that came too late (the
 *          name is gone) can be put back to what was there before.
 *          Waiting without a limit sleeps in the kernel; what it got is asked for once more
 *          under the handle's mutex, which costs nothing and keeps list and kernel together.
 *          Waiting with a limit naps. A signal, a helper thread or a helper process could end
 *          the kernel's wait in time; none of them is a library's to take.
 * Rules    lock/file.h
 * Death    The kernel unlocks when the last process with the description is gone.
 * Limits   Naps: an eighth of the time waited, so that a wait is at most that much too long; not
 *          below 50 us, what a sleep costs anyhow; not above half a millisecond, which is 2000 looks a second and 1.3 % of a
 *          processor, so that who waits for a dead holder goes on within a millisecond.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "lock/file.h"
#include "os/futex.h"
#include "os/lock_holder.h"
#include "segment/wait.h"

enum { NAP_FIRST_NS = 50000, NAP_LONGEST_NS = 500000, NAP_SHARE = 8 };

/* -- the list ---------------------------------------------------------------------------- */

static bool overlaps(const struct durei_range *a, uint64_t first, uint64_t last)
{
	return a->first <= last && a->last >= first;
}

/* Room for whatever one change can make: a cut into two, and a new one. */
static int make_room(struct dure_file *file)
{
	size_t room = file->held_room ? file->held_room * 2 : 4;
	struct durei_range *larger;

	if (file->held_count + 2 <= file->held_room)
		return 0;
	larger = realloc(file->held, room * sizeof *larger);
	if (!larger)
		return durei_error_plain(ENOMEM);
	file->held = larger;
	file->held_room = room;
	return 0;
}

static void drop(struct dure_file *file, size_t i)
{
	file->held[i] = file->held[--file->held_count];
}

static void note_unlocked(struct dure_file *file, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < file->held_count;) {
		struct durei_range *held = &file->held[i], old = *held;
		if (!overlaps(held, first, last)) {
			i++;
			continue;
		}
		drop(file, i);			/* what takes its place is looked at next */
		if (old.last > last) {
			file->held[file->held_count++] =
				(struct durei_range){ last + 1, old.last, old.exclusive };
		}
		if (old.first < first) {
			file->held[file->held_count++] =
				(struct durei_range){ old.first, first - 1, old.exclusive };
		}
	}
}

static void note_locked(struct dure_file *file, struct durei_range range)
{
	note_unlocked(file, range.first, range.last);
	for (size_t i = 0; i < file->held_count;) {
		struct durei_range held = file->held[i];
		if (held.exclusive != range.exclusive ||
		    (held.last + 1 != range.first && range.last + 1 != held.first)) {
			i++;
			continue;
		}
		range.first = min_u64(range.first, held.first);
		range.last = max_u64(range.last, held.last);
		drop(file, i);
	}
	file->held[file->held_count++] = range;
}

static bool holds_some_of(const struct dure_file *file, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < file->held_count; i++)
		if (overlaps(&file->held[i], first, last))
			return true;
	return false;
}

/* The longest range from `at` that the list says one thing of; true: it is held as *ret says. */
static bool held_from(const struct dure_file *file, uint64_t at, uint64_t last,
		      struct durei_range *ret)
{
	*ret = (struct durei_range){ at, last, false };
	for (size_t i = 0; i < file->held_count; i++) {
		const struct durei_range *held = &file->held[i];
		if (held->first <= at && held->last >= at) {
			ret->last = min_u64(held->last, last);
			ret->exclusive = held->exclusive;
			return true;
		}
		if (held->first > at && held->first <= ret->last)
			ret->last = held->first - 1;
	}
	return false;
}

/* Makes the kernel's locks in a range, all of which is ours, those of the list again. */
static void put_back(struct dure_file *file, uint64_t first, uint64_t last)
{
	struct durei_range part;

	for (uint64_t at = first; at <= last; at = part.last + 1) {
		/* a conversion downwards, or none: nobody can be in the way */
		if (held_from(file, at, last, &part))
			(void)durei_range_lock(file->fd, part);
		else
			(void)durei_range_unlock(file->fd, part.first, part.last);
	}
}

/* -- using ------------------------------------------------------------------------------- */

static uint64_t end_of(uint64_t offset, uint64_t bytes)
{
	return bytes ? offset + bytes - 1 : INT64_MAX;
}

/* The arguments of a call, checked. */
static int read_range(const struct dure_file *file, uint64_t offset, uint64_t bytes,
		      enum dure_lock_mode mode, struct durei_range *ret)
{
	int r = durei_file_lock_check(file);

	if (r < 0)
		return r;
	if (offset > INT64_MAX || (bytes && bytes - 1 > INT64_MAX - offset))
		return durei_error(EINVAL, "%s: %" PRIu64 " bytes from %" PRIu64 " are beyond what a "
				   "file can have (2^63)", file->name, bytes, offset);
	if (mode != DURE_SHARED && mode != DURE_EXCLUSIVE)
		return durei_error(EINVAL, "%s: mode %d: a file is locked in DURE_SHARED or "
				   "DURE_EXCLUSIVE", file->name, (int)mode);
	*ret = (struct durei_range){ offset, end_of(offset, bytes), mode == DURE_EXCLUSIVE };
	return 0;
}

static int lock_error(const struct dure_file *file, int code)
{
	switch (code) {
	case EAGAIN:
		return durei_error_plain(EAGAIN);
	case EIO:
		return durei_error(EIO, "%s: the kernel could not lock it: %s", file->name,
				   strerror(code));
	case ESTALE:
		return durei_error(ESTALE, "%s was removed on its server: open it anew", file->name);
	default:
		return durei_error(EOPNOTSUPP, "%s: its file system gives no locks: %s: use a local "
				   "one, or see to the lock server", file->name, strerror(code));
	}
}

/* Has the file lost the name it was opened by? */
static int check_name(const struct dure_file *file)
{
	struct durei_file_facts now;
	int r = file->had_name ? durei_file_stat(file->fd, &now) : 0;

	if (r < 0)
		return durei_error(EIO, "%s: fstat: %s", file->name, strerror(-r));
	if (file->had_name && now.links == 0)
		return durei_error(ESTALE, "%s was removed or replaced: open it anew", file->name);
	return 0;
}

/* [FLOCK1] waited: the kernel has given us the range already, as long as this thread saw it */
static int try_to_lock(struct dure_file *file, struct durei_range range, bool waited)
{
	int r;

	pthread_mutex_lock(&file->mutex);
	r = make_room(file);
	if (r == 0) {
		r = durei_range_lock(file->fd, range);
		waited = waited || r == 0;
		r = r < 0 ? lock_error(file, -r) : check_name(file);
	}
	if (r == 0)
		note_locked(file, range);
	else if (waited && r != -EAGAIN)
		put_back(file, range.first, range.last);
	pthread_mutex_unlock(&file->mutex);
	return r;
}

static int nap(int64_t start_ns, int64_t deadline_ns)
{
	int64_t now = durei_clock_now(), ns = (now - start_ns) / NAP_SHARE;

	if (now >= deadline_ns)
		return durei_error_plain(ETIMEDOUT);
	ns = ns < NAP_FIRST_NS ? NAP_FIRST_NS : ns > NAP_LONGEST_NS ? NAP_LONGEST_NS : ns;
	durei_sleep_until(deadline_ns - now < ns ? deadline_ns : now + ns);
	return 0;
}

int dure_file_lock(dure_file *file, uint64_t offset, uint64_t bytes,
		   enum dure_lock_mode mode, int64_t timeout_ns)
{
	struct durei_range range = { 0 };
	int r = read_range(file, offset, bytes, mode, &range);

	if (r < 0)
		return r;
	if (range.exclusive && file->is_read_only)
		return durei_error(EROFS, "%s is open for reading only: it can be locked in "
				   "DURE_SHARED only", file->name);
	r = try_to_lock(file, range, false);
	if (r != -EAGAIN || timeout_ns == 0)
		return r;
	int64_t start = durei_clock_now(), deadline = durei_deadline(timeout_ns);
	bool in_kernel = deadline == DUREI_NEVER;
	do {						/* [FLOCK2] */
		r = in_kernel ? durei_range_wait(file->fd, range) : nap(start, deadline);
		if (r < 0)
			return in_kernel ? lock_error(file, -r) : r;
		r = try_to_lock(file, range, in_kernel);
	} while (r == -EAGAIN);
	return r;
}

int dure_file_unlock(dure_file *file, uint64_t offset, uint64_t bytes)
{
	struct durei_range range = { 0 };
	int r = read_range(file, offset, bytes, DURE_EXCLUSIVE, &range);

	if (r < 0)
		return r;
	pthread_mutex_lock(&file->mutex);
	if (!holds_some_of(file, range.first, range.last))
		r = durei_error(EPERM, "%s: this dure_file has locked nothing of the range from %" PRIu64
				" on", file->name, range.first);
	else
		r = make_room(file);
	if (r == 0) {
		r = durei_range_unlock(file->fd, range.first, range.last);
		if (r < 0)
			r = durei_error(r == -ENOLCK ? ENOMEM : EIO, "%s: the kernel could not unlock "
					"it: %s", file->name, strerror(-r));
	}
	if (r == 0)
		note_unlocked(file, range.first, range.last);
	pthread_mutex_unlock(&file->mutex);
	return r;
}

int dure_file_lock_holder(dure_file *file, uint64_t offset, uint64_t bytes,
			  enum dure_lock_mode mode, struct dure_file_holder *ret)
{
	struct durei_range wanted, found;
	struct durei_lock_holder who;
	int32_t process;
	int r = read_range(file, offset, bytes, mode, &wanted);

	if (r < 0)
		return r;
	if (!ret || ret->sz < sizeof *ret)
		return durei_error(EINVAL, "dure_file_lock_holder: set ret->sz to sizeof the struct "
				   "(%zu)", sizeof *ret);
	r = durei_range_conflict(file->fd, wanted, &found, &process);
	if (r <= 0)
		return r < 0 ? lock_error(file, -r) : 0;
	if (process < 0)
		durei_lock_holder_of_range(&file->facts, found, &who);
	else
		durei_lock_holder_of_process((uint32_t)process, &who);
	struct dure_file_holder holder = {
		.offset = found.first,
		.bytes = found.last == INT64_MAX ? 0 : found.last - found.first + 1,
		.mode = found.exclusive ? DURE_EXCLUSIVE : DURE_SHARED,
		.is_of_process = process >= 0,
		.process = who.process,
		.processes = who.processes,
	};
	snprintf(holder.name, sizeof holder.name, "%s", who.name);
	r = durei_options_write(ret, &holder, sizeof holder, sizeof holder);
	return r < 0 ? r : 1;
}
