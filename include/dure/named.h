/* SPDX-License-Identifier: MIT */
/*
 * dure/named.h - locks by name, for programs that share nothing else
 *
 *	dure_segment *seg;
 *	dure_mutex *mutex;
 *	r = dure_named_open(DURE_NAMED_MUTEX, "backup", DURE_CREATE | DURE_OPEN, NULL, &seg,
 *			    (void **)&mutex);
 *	if (r >= 0)
 *		r = dure_mutex_lock(seg, mutex, DURE_FOREVER);
 *
 * A named lock is a lock of the kind asked for, alone in a small segment of its own, that is
 * called as the lock is. Opening gives both; all functions for locks of this kind work on it,
 * and those for segments: dure_segment_close when done, dure_segment_reattach in a child,
 * dure_watch_open to be told of deaths.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: as dure/segment.h.
 */
#ifndef DURE_NAMED_H
#define DURE_NAMED_H

#include <dure/barrier.h>
#include <dure/condition.h>
#include <dure/event.h>
#include <dure/mutex.h>
#include <dure/rwlock.h>
#include <dure/segment.h>
#include <dure/semaphore.h>
#include <dure/semset.h>
#include <dure/seqlock.h>
#include <dure/spinlock.h>

DURE_BEGIN

/* what *ret_lock points to */
enum dure_named_kind {
	DURE_NAMED_MUTEX = 1,		/* dure_mutex */
	DURE_NAMED_RWLOCK = 2,		/* dure_rwlock */
	DURE_NAMED_SEMAPHORE = 3,	/* dure_semaphore */
	DURE_NAMED_CONDITION = 4,	/* struct dure_named_condition */
	DURE_NAMED_EVENT = 5,		/* dure_event */
	DURE_NAMED_LATCH = 6,		/* dure_latch */
	DURE_NAMED_ONCE = 7,		/* dure_once */
	DURE_NAMED_BARRIER = 8,		/* dure_barrier */
	DURE_NAMED_SPINLOCK = 9,	/* dure_spinlock */
	DURE_NAMED_SEQLOCK = 10,	/* dure_seqlock */
	DURE_NAMED_SEMSET = 11,		/* dure_semset */
};

/* A condition is waited for with a mutex of the same segment: here it is. */
struct dure_named_condition {
	dure_mutex mutex;
	dure_condition condition;
};

struct dure_named_options {
	size_t sz;			/* sizeof(struct dure_named_options) */
	uint32_t lifetime;		/* enum dure_lifetime; default kernel. FILESYSTEM: the name is
					   a path */
	uint32_t mode;			/* permissions, exactly, whatever the umask; default 0600 */
	uint32_t flags;			/* mutex, event: as for dure_mutex_init, dure_event_init */
	uint32_t value;			/* semaphore: units; latch: count; barrier: members;
					   sequence lock: bytes of its value, zeros at first */
	uint32_t processes_max;		/* who can have it open at once; default 256 */
	uint32_t threads_max;		/* default 256 */
	const char *directory;		/* instead of /dev/shm. Borrowed for the call */
	const struct dure_semset_options *set;	/* set of semaphores: what it is. Borrowed */
};

/*
 * dure_named_open - make a lock, or join it
 *
 * name has letters, digits and ".", "_", "-", at most 190; for lifetime filesystem it is a path.
 * flags are DURE_CREATE, DURE_OPEN or both, or DURE_OPEN | DURE_READ_ONLY to look who has it.
 * options may be NULL; all but lifetime and directory are for who creates it.
 *
 * The lock gets its name when it is initialised. With both flags exactly one caller creates.
 * What dead processes held of it comes back as in any segment.
 *
 * Returns  0 (opened), DURE_CREATED, DURE_RESTORED; -ENOENT -EEXIST -EACCES
 *          -EINVAL (an argument; or the lock is of another kind) -EPROTO (a segment without a
 *          named lock) -EUSERS (processes_max) -EBUSY -ENOSPC -ENOMEM -EMFILE -EUCLEAN
 *          -EFBIG -ENOTRECOVERABLE (filesystem: in use when the machine stopped) -EOPNOTSUPP -E2BIG
 *          -EIO
 * Death    at any point: there is no lock, or a whole one.
 */
DURE_API int dure_named_open(enum dure_named_kind kind, const char *name, uint32_t flags,
			     const struct dure_named_options *options, dure_segment **ret_segment,
			     void **ret_lock);

/*
 * dure_named_unlink - take the name away
 *
 * Not while a living process has it open: two lots of processes would hold two locks, and take
 * them for one. DURE_REMOVE_FORCE does so all the same: who has it open keeps the old one. It also
 * removes a file segment that cannot be read. Of options lifetime and directory count.
 *
 * Returns  0; -ENOENT -EACCES -EBUSY (the sentence says who has it open) -EPROTO (no named lock:
 *          never removed) -EINVAL -EUCLEAN -ENOTRECOVERABLE -ENOMEM -EMFILE -EOPNOTSUPP -E2BIG -EIO
 * Death    the name is there or gone.
 */
DURE_API int dure_named_unlink(const char *name, uint32_t flags,
			       const struct dure_named_options *options);

DURE_END

#endif
