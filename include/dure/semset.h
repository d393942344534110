/* SPDX-License-Identifier: MIT */
/*
 * dure/semset.h - a set of semaphores in a segment, with System V's semantics
 *
 * An array of operations on several semaphores of the set happens in one step, in order, or not
 * at all; an operation waits for more, or for zero; what is done with DURE_SEMSET_UNDO is taken
 * back when the process dies. The semantics are those of semop(2) and semctl(2) of POSIX.1-2017
 * (XSI), and where that leaves it open, of Linux. What differs: a set is made together with its
 * values, nothing waits in the kernel, and no system call is made when nobody waits.
 *
 * A dure_semset lies anywhere in a segment, in DURE_SEMSET_BYTES aligned to 8. It is made in the
 * constructor of an object, so that nobody ever sees it without its values.
 *
 * Adjustments belong to the process, and to its handle of the segment: they stay when a thread
 * ends, and are applied when the process dies, executes another program or closes the segment.
 * They are added to the values in one step, each value is kept within 0 and the greatest value,
 * and who waits goes on.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler; waits are not ended by
 * signals. Fork: the child has no adjustments; its handle answers -ESTALE. Death: of who is inside
 * a call: all of the call or nothing has happened. A process that is stopped inside a call (it
 * takes some ten nanoseconds) holds the others up.
 */
#ifndef DURE_SEMSET_H
#define DURE_SEMSET_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_semset {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[8];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[8];
#endif
} dure_semset;

enum {
	DURE_SEMSET_SEMAPHORES_MAX = 1024,	/* of a set */
	DURE_SEMSET_PROCESSES_MAX = 4096,	/* that have adjustments in it */
	DURE_SEMSET_OPERATIONS_MAX = 1024,	/* in one array */
	DURE_SEMSET_VALUE_MAX = 32767,		/* unless options say more: SEMVMX of Linux */
};

/* where processes is the number of those that may have adjustments at the same time */
#define DURE_SEMSET_BYTES(semaphores, processes)                                                  \
	(sizeof(dure_semset) + (size_t)(semaphores) * 40 +                                        \
	 (size_t)(processes) * (16 + ((size_t)(semaphores) * 4 + 7) / 8 * 8))

struct dure_semset_options {
	size_t sz;
	uint32_t semaphores;		/* 1 to DURE_SEMSET_SEMAPHORES_MAX */
	uint32_t processes;		/* that may have adjustments at once; 0: nobody undoes */
	uint32_t value_max;		/* up to 0x3fffffff; default DURE_SEMSET_VALUE_MAX */
	uint32_t reserved;
	const uint32_t *values;		/* as many as semaphores; default zeros. Borrowed */
};

/*
 * dure_semset_init - make memory that is not shared yet a set with its values
 *
 * The memory has DURE_SEMSET_BYTES(options->semaphores, options->processes).
 *
 * Returns  0; -EINVAL (options; not inside the segment) -EOVERFLOW (a value) -E2BIG -EROFS -ESTALE
 * Death    of the constructor that calls it: there is no object.
 */
DURE_API int dure_semset_init(dure_segment *segment, dure_semset *set,
			      const struct dure_semset_options *options);

enum {
	DURE_SEMSET_UNDO = 1u << 0,	/* SEM_UNDO: taken back when the process is gone */
	DURE_SEMSET_NO_WAIT = 1u << 1,	/* IPC_NOWAIT: -EAGAIN if this one would have to wait */
};

struct dure_semset_operation {
	uint32_t index;
	int32_t change;			/* above 0 adds, below waits and takes, 0 waits for zero */
	uint32_t flags;
};

/*
 * dure_semset_operate - several operations in one step: all of them in order, or none
 *
 * Waits at most timeout_ns (DURE_FOREVER; 0: try) until all can be done. A semaphore may occur
 * several times. Who can go on may overtake who waits: what is there for a moment only may be
 * had by another. But a single operation that waits for zero goes on when there was a zero, be
 * it gone again.
 *
 * Returns  0; -EAGAIN (timeout 0, or the operation that would have to wait says NO_WAIT)
 *          -ETIMEDOUT -ESTALE (the set was removed, also meanwhile) -EOVERFLOW (a value or an
 *          adjustment would exceed the greatest value) -EINVAL (no operation or more than
 *          DURE_SEMSET_OPERATIONS_MAX, index, flags, more is taken than there can ever be, no set
 *          inside the segment) -EUSERS (more processes would have adjustments than options said)
 *          -ENOLCK (the thread has 32 shares) -EDEADLK (called inside another call) -EROFS
 * Death    while waiting: leaves no trace, and who was to be woken instead is. Otherwise all or
 *          nothing has happened, and what was done with UNDO is taken back.
 */
DURE_API int dure_semset_operate(dure_segment *segment, dure_semset *set,
				 const struct dure_semset_operation *operations, size_t count,
				 int64_t timeout_ns);

/*
 * dure_semset_set - one value (SETVAL)
 * dure_semset_set_all - all values in one step (SETALL); count is that of the set
 *
 * The semaphores' adjustments, of all processes, are gone with the same step. Who waits for what
 * there is now goes on.
 *
 * Returns  0; -EOVERFLOW (a value above the greatest) -EINVAL (index, count) -ESTALE (removed)
 *          -EDEADLK -EROFS
 * Death    all values and adjustments, or none.
 */
DURE_API int dure_semset_set(dure_segment *segment, dure_semset *set, uint32_t index,
			     uint32_t value);
DURE_API int dure_semset_set_all(dure_segment *segment, dure_semset *set, const uint32_t *values,
				 size_t count);

/*
 * dure_semset_get_all - all values, as they are at one moment (GETALL)
 *
 * What dead processes have to undo is done first. count is that of the set.
 *
 * Returns  0; -EINVAL (count) -ESTALE (removed) -EDEADLK -EROFS (a handle for reading only)
 */
DURE_API int dure_semset_get_all(dure_segment *segment, dure_semset *set, uint32_t *ret_values,
				 size_t count);

struct dure_semset_info {
	size_t sz;
	uint32_t semaphores;		/* of the set */
	uint32_t value_max;
	/* of the semaphore asked for */
	uint32_t value;			/* GETVAL */
	uint32_t last_process;		/* GETPID: pid, in its own namespace; to be shown, no more */
	uint32_t waiting_for_more;	/* GETNCNT: threads that this semaphore stops */
	uint32_t waiting_for_zero;	/* GETZCNT */
	int32_t adjustment;		/* what is added when the calling process dies */
	uint32_t reserved;
};

/* dure_semset_info - of the set and of one of its semaphores, at one moment.
   Returns 0; -EINVAL -ESTALE -EDEADLK -EROFS */
DURE_API int dure_semset_info(dure_segment *segment, dure_semset *set, uint32_t index,
			      struct dure_semset_info *ret);

/*
 * dure_semset_remove - nobody can use it any more (IPC_RMID); who waits gets -ESTALE
 *
 * The memory may be freed, or made a set again, when the calls of all others have returned.
 *
 * Returns  0; -ESTALE (removed already) -EINVAL -EDEADLK -EROFS
 * Death    it is removed or not; who waits notices within 20 ms.
 */
DURE_API int dure_semset_remove(dure_segment *segment, dure_semset *set);

DURE_END

#endif
