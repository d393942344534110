/* SPDX-License-Identifier: MIT */
/*
 * dure/ordered.h - an ordered map in a segment: from byte strings or numbers to values of one size
 *
 * Strings are ordered as by memcmp, the shorter first; numbers are uint64_t. Safe among processes
 * by itself: who changes the map locks it for the moment (or to the end of his transaction), who
 * reads it locks nothing, but waits for the end of a transaction that is changing it. Each
 * operation is crash-atomic. Inside a transaction of the calling thread changes are part of it,
 * and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_ORDERED_H
#define DURE_ORDERED_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_ordered dure_ordered;

/* options.flags */
enum {
	DURE_ORDERED_INTEGER = 1u << 0,	/* keys are uint64_t: key_bytes is 8 everywhere */
};

struct dure_ordered_options {
	size_t sz;
	uint64_t value_bytes;		/* of each value; default 8 */
	uint32_t flags;			/* DURE_ORDERED_... */
	uint32_t reserved;
};

enum { DURE_ORDERED_KEY_MAX = 65535 };

/*
 * dure_ordered_open - make an ordered map by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options may be NULL: strings, to values of 8 bytes. A map
 * with other keys or another size of value than options say is refused.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, keys or values)
 *          -ENOSPC -ENOMEM -E2BIG -EUCLEAN -EROFS -ESTALE
 * Death    the map exists, with its name, or nothing of it does.
 */
DURE_API int dure_ordered_open(dure_segment *segment, const char *name, uint32_t flags,
			       const struct dure_ordered_options *options, dure_ordered **ret);

/* dure_ordered_close - forget this process' handle; the map stays. NULL is allowed */
DURE_API void dure_ordered_close(dure_ordered *map);

/*
 * dure_ordered_destroy - free all entries, then the map and its name
 *
 * Nobody uses the map any more. Entries go a bounded number at a time, so a big map needs no
 * big transaction.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    the map is there with some entries less, or gone with all of them: destroy again.
 */
DURE_API int dure_ordered_destroy(dure_segment *segment, const char *name);

/*
 * dure_ordered_get - copy the value of a key
 *
 * Returns  0; -ENOENT -EINVAL (no possible key) -EUCLEAN -ESTALE, and while a transaction changes
 *          the map -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_ordered_get(dure_ordered *map, const void *key, size_t key_bytes,
			      void *ret_value);

/*
 * dure_ordered_put - set the value of a key, new or not
 *
 * Returns  DURE_CREATED (the key is new), 0; -EINVAL (strings: 1 to 65535 bytes) -ENOSPC -EDEADLK
 *          -EUCLEAN -EROFS -ESTALE
 * Death    the old value or the new one.
 */
DURE_API int dure_ordered_put(dure_ordered *map, const void *key, size_t key_bytes,
			      const void *value);

/* dure_ordered_insert - the same, only if the key is new: -EEXIST */
DURE_API int dure_ordered_insert(dure_ordered *map, const void *key, size_t key_bytes,
				 const void *value);

/* dure_ordered_remove - take a key away. Returns 0; -ENOENT, otherwise as put */
DURE_API int dure_ordered_remove(dure_ordered *map, const void *key, size_t key_bytes);

/* dure_ordered_count - how many keys there are. Those of transactions that are open count */
DURE_API uint64_t dure_ordered_count(const dure_ordered *map);

/* range.flags */
enum {
	DURE_RANGE_DESCENDING = 1u << 0,	/* from the upper end to the lower one */
	DURE_RANGE_ABOVE_LOW = 1u << 1,		/* the lower end itself is left out */
	DURE_RANGE_WITH_HIGH = 1u << 2,		/* the upper end itself is in it */
};

/* From low to high: low is in it, high is not, if flags do not say otherwise. */
struct dure_range {
	size_t sz;
	const void *low;		/* NULL: no lower end. Borrowed for the call */
	size_t low_bytes;
	const void *high;		/* NULL: no upper end. Borrowed for the call */
	size_t high_bytes;
	uint32_t flags;			/* DURE_RANGE_... */
	uint32_t reserved;
};

/*
 * dure_ordered_visit - call visit for each key of a range, in order
 *
 * range may be NULL: all. A visit that returns non-zero ends it: so the first key not below a
 * bound is the first one visited from there, the last one below it that of a descending visit.
 * Keys and values are copies, up to 15 of one moment each; the map may change meanwhile, also by
 * visit. A key that is there all the time is visited once.
 *
 * Returns  0, or what visit returned; -ENOMEM, otherwise as get, without -ENOENT
 */
DURE_API int dure_ordered_visit(dure_ordered *map, const struct dure_range *range,
				int (*visit)(const void *key, size_t key_bytes, const void *value,
					     void *context),
				void *context);

DURE_END

#endif
