/* SPDX-License-Identifier: MIT */
/*
 * dure/scoped.h - locks that are given back at the end of their scope, however it is left
 *
 *	DURE_SCOPED_LOCK(held, seg, &shop->lock, DURE_FOREVER);
 *	if (held.result < 0)
 *		return held.result;
 *	...
 *	return 0;			// unlocks; so do break, goto, and the closing brace
 *
 * declares a dure_guard of that name. Its `result` is what locking returned: below 0 nothing is
 * held, and nothing will be unlocked; DURE_OWNER_DIED, you hold it and have to mend. The other
 * kinds of lock have one function each (dure_guard_rwlock, dure_guard_spinlock,
 * dure_guard_semaphore, dure_guard_file), for DURE_SCOPED. A kind of one's own is a function that returns a dure_guard
 * with an `unlock` that gives back what it describes.
 *
 * A guard is left on every way out of its scope that the compiler knows. It does not know
 * longjmp(3), exit(3), and the end of a thread by pthread_exit(3) or cancellation, unless all is
 * compiled with -fexceptions; the death of the thread frees its locks as ever. What unlocking
 * returned is lost there: whoever wants it calls dure_guard_unlock.
 *
 * This header has no code in the library. It needs the cleanup attribute (gcc, clang) in C, and
 * nothing in C++11 and later: there DURE_SCOPED declares a dure::guard, which is a dure_guard, is
 * movable, and is left by exceptions, too.
 *
 * Common to all functions here: Threads: a guard belongs to the thread that locked, but for
 * those of files. Signals: not from a handler. Fork: leaving an inherited guard changes nothing
 * (-ESTALE inside, or -EPERM after dure_segment_reattach), but that of a semaphore after
 * dure_segment_reattach would post: dure_guard_keep it first. Death: the lock's own.
 */
#ifndef DURE_SCOPED_H
#define DURE_SCOPED_H

#include <errno.h>

#include <dure/file_lock.h>
#include <dure/mutex.h>
#include <dure/rwlock.h>
#include <dure/semaphore.h>
#include <dure/spinlock.h>

DURE_BEGIN

typedef struct dure_guard {
	int result;			/* of locking */
	int (*unlock)(const struct dure_guard *guard);	/* NULL: nothing to give back */
	void *owner;			/* the segment or file */
	void *lock;			/* in a segment */
	uint64_t offset, bytes;		/* of a file; bytes: a semaphore's units */
} dure_guard;

/*
 * dure_guard_unlock - give it back before the scope ends
 *
 * Returns  what unlocking returned; the guard is empty then if it was 0 or more. -EPERM: the
 *          guard holds nothing (dure_last_error does not know about it).
 */
static inline int dure_guard_unlock(dure_guard *guard)
{
	int r = guard->unlock ? guard->unlock(guard) : -EPERM;

	if (r >= 0)
		guard->unlock = 0;
	return r;
}

/*
 * dure_guard_move - take the lock out of the guard, for another one
 *
 * To return it: return dure_guard_move(&held), and in the caller
 * DURE_SCOPED(held, that_function()).
 *
 * Returns  what the guard was; it is empty now.
 */
static inline dure_guard dure_guard_move(dure_guard *guard)
{
	dure_guard moved = *guard;

	guard->unlock = 0;
	return moved;
}

/* dure_guard_keep - leave the lock locked at the end of the scope: whoever calls this unlocks it
   by hand. Returns nothing. */
static inline void dure_guard_keep(dure_guard *guard)
{
	guard->unlock = 0;
}

/* dure_guard_leave - what happens at the end of the scope. Returns nothing. */
static inline void dure_guard_leave(dure_guard *guard)
{
	if (guard->unlock)
		(void)guard->unlock(guard);
}

/* -- the kinds ----------------------------------------------------------------------------- */

static inline int dure_guard_unlock_mutex(const dure_guard *guard)
{
	return dure_mutex_unlock((dure_segment *)guard->owner, (dure_mutex *)guard->lock);
}

/* dure_guard_mutex - dure_mutex_lock, guarded. Returns a guard: look at its result */
static inline dure_guard dure_guard_mutex(dure_segment *segment, dure_mutex *mutex,
					  int64_t timeout_ns)
{
	int r = dure_mutex_lock(segment, mutex, timeout_ns);
	dure_guard guard = { r, r < 0 ? 0 : dure_guard_unlock_mutex, segment, mutex, 0, 0 };

	return guard;
}

static inline int dure_guard_unlock_spinlock(const dure_guard *guard)
{
	return dure_spinlock_unlock((dure_segment *)guard->owner, (dure_spinlock *)guard->lock);
}

/* dure_guard_spinlock - dure_spinlock_lock, guarded. Returns a guard: look at its result */
static inline dure_guard dure_guard_spinlock(dure_segment *segment, dure_spinlock *lock,
					     int64_t timeout_ns)
{
	int r = dure_spinlock_lock(segment, lock, timeout_ns);
	dure_guard guard = { r, r < 0 ? 0 : dure_guard_unlock_spinlock, segment, lock, 0, 0 };

	return guard;
}

static inline int dure_guard_unlock_rwlock(const dure_guard *guard)
{
	return dure_rwlock_unlock((dure_segment *)guard->owner, (dure_rwlock *)guard->lock);
}

/* dure_guard_rwlock - dure_rwlock_lock, guarded. dure_rwlock_change may change its mode
   meanwhile. Returns a guard: look at its result */
static inline dure_guard dure_guard_rwlock(dure_segment *segment, dure_rwlock *lock,
					   enum dure_lock_mode mode, int64_t timeout_ns)
{
	int r = dure_rwlock_lock(segment, lock, mode, timeout_ns);
	dure_guard guard = { r, r < 0 ? 0 : dure_guard_unlock_rwlock, segment, lock, 0, 0 };

	return guard;
}

static inline int dure_guard_post_semaphore(const dure_guard *guard)
{
	return dure_semaphore_post((dure_segment *)guard->owner, (dure_semaphore *)guard->lock,
				   (uint32_t)guard->bytes);
}

/* dure_guard_semaphore - dure_semaphore_take, guarded: the units are posted at the end. Returns
   a guard: look at its result */
static inline dure_guard dure_guard_semaphore(dure_segment *segment, dure_semaphore *semaphore,
					      uint32_t units, int64_t timeout_ns)
{
	int r = dure_semaphore_take(segment, semaphore, units, 0, timeout_ns);
	dure_guard guard = { r, r < 0 ? 0 : dure_guard_post_semaphore, segment, semaphore, 0, units };

	return guard;
}

static inline int dure_guard_unlock_file(const dure_guard *guard)
{
	return dure_file_unlock((dure_file *)guard->owner, guard->offset, guard->bytes);
}

/* dure_guard_file - dure_file_lock, guarded. A further dure_file_lock of the range may change its
   mode meanwhile; all of the range is unlocked at the end. Returns a guard: look at its result */
static inline dure_guard dure_guard_file(dure_file *file, uint64_t offset, uint64_t bytes,
					 enum dure_lock_mode mode, int64_t timeout_ns)
{
	int r = dure_file_lock(file, offset, bytes, mode, timeout_ns);
	dure_guard guard = { r, r < 0 ? 0 : dure_guard_unlock_file, file, 0, offset, bytes };

	return guard;
}

DURE_END

/* -- the scope ----------------------------------------------------------------------------- */

#if defined(__cplusplus)

namespace dure {
class guard : public ::dure_guard {
public:
	explicit guard(::dure_guard &&taken) noexcept : ::dure_guard(dure_guard_move(&taken)) {}
	guard(guard &&other) noexcept : ::dure_guard(dure_guard_move(&other)) {}
	guard(const guard &) = delete;
	guard &operator=(const guard &) = delete;
	guard &operator=(guard &&other) noexcept
	{
		if (this != &other) {
			dure_guard_leave(this);
			::dure_guard::operator=(dure_guard_move(&other));
		}
		return *this;
	}
	~guard() { dure_guard_leave(this); }
	bool holds() const noexcept { return unlock != nullptr; }
};
}

#define DURE_SCOPED(name, ...) ::dure::guard name(__VA_ARGS__)

#elif defined(__GNUC__)

/* declares the guard `name`, which is what the expression after it returns */
#define DURE_SCOPED(name, ...)                                                                    \
	__attribute__((cleanup(dure_guard_leave))) dure_guard name = __VA_ARGS__

#endif

/* the most frequent one: DURE_SCOPED_LOCK(name, segment, mutex, timeout_ns) */
#define DURE_SCOPED_LOCK(name, ...) DURE_SCOPED(name, dure_guard_mutex(__VA_ARGS__))

#endif
