/* SPDX-License-Identifier: MIT */
/*
 * dure/ordered.h - ordered maps, multimaps and sets in a segment
 *
 * From byte strings or numbers to values of one size, or to none: then it is a set. Strings are
 * ordered as by memcmp, the shorter first, or in another way that options name; numbers are
 * uint64_t, or int64_t or double. In a multimap equal keys stand in the order in which they were
 * put. Safe among processes
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
	DURE_ORDERED_MULTI = 1u << 1,	/* several entries may have one key */
	DURE_ORDERED_ANY = 1u << 2,	/* with DURE_OPEN alone: whatever it is (dure_ordered_describe);
					   the other options are not looked at */
	DURE_ORDERED_OWNER = 1u << 3,	/* values are dure_refs that own containers: dure/container.h */
};

struct dure_ordered_options {
	size_t sz;
	uint64_t value_bytes;		/* of each value; default 8. Or DURE_ORDERED_NO_VALUE */
	uint32_t flags;			/* DURE_ORDERED_... */
	uint32_t reserved;
	const char *ordering;		/* "bytes", "nocase", "unsigned", "signed", "double", or what
					   dure_ordering_register was given. Default: "unsigned" with
					   DURE_ORDERED_INTEGER, else "bytes" */
};

/* options.value_bytes: a set. What is put has no value (NULL), nor has what is got */
#define DURE_ORDERED_NO_VALUE UINT64_MAX

enum { DURE_ORDERED_KEY_MAX = 65535 };

/*
 * dure_ordered_open - make an ordered map by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options may be NULL: strings, to values of 8 bytes. A map
 * with other keys, another ordering or another size of value than options say is refused.
 *
 * "nocase" takes A to Z for a to z. "double" is the total order of IEEE 754: every NaN has its
 * place, and -0 is below 0. "signed" and "double" are of numbers: key_bytes is 8.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, keys or values)
 *          -ENOSYS (this process has not registered the ordering) -ENOSPC -ENOMEM -E2BIG -EUCLEAN
 *          -EROFS -ESTALE
 * Death    the map exists, with its name, or nothing of it does.
 */
DURE_API int dure_ordered_open(dure_segment *segment, const char *name, uint32_t flags,
			       const struct dure_ordered_options *options, dure_ordered **ret);

/* dure_ordered_open_at - an ordered map without a name: dure/container.h. Returns as open; -EEXIST
   (*at is not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_ordered_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
				  const struct dure_ordered_options *options, dure_ordered **ret);

/*
 * A caller's own ordering: below 0, 0 or above 0, as a is below, equal to or above b. It must order
 * all keys there can be, always in the same way, in every process. It may be called for bytes that
 * somebody is just changing, or has freed: any bytes must do; its answer does not count then. It
 * must not call the library.
 */
typedef int (*dure_ordering_function)(const void *a, size_t a_bytes, const void *b,
				      size_t b_bytes, void *context);

/*
 * dure_ordering_register - say how this process compares keys, by a name
 *
 * No function lies in a segment: a map has the name of its ordering, and each process that opens
 * the map says first which function that is. name: 1 to 63 bytes. It stays registered until the
 * segment is closed. The same once more is fine.
 *
 * Returns  0; -EINVAL -EEXIST (another function has this name here) -ENOMEM -ESTALE
 */
DURE_API int dure_ordering_register(dure_segment *segment, const char *name,
				    dure_ordering_function compare, void *context);

/*
 * dure_ordered_describe - the options of a map
 *
 * What is asked for by ret->sz is filled in; another map of the same kind can be made with it.
 * ret->ordering is borrowed until the map is closed.
 *
 * Returns  0; -EINVAL
 */
DURE_API int dure_ordered_describe(const dure_ordered *map, struct dure_ordered_options *ret);

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
 * In a multimap that of the first entry with this key. ret_value may be NULL in a set.
 *
 * Returns  0; -ENOENT -EINVAL (no possible key) -EUCLEAN -ESTALE, and while a transaction changes
 *          the map -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_ordered_get(dure_ordered *map, const void *key, size_t key_bytes,
			      void *ret_value);

/*
 * dure_ordered_put - set the value of a key, new or not
 *
 * In a multimap each call adds an entry, behind those with an equal key. value NULL: zeros; in
 * a set there is none.
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

/* dure_ordered_remove - take a key away; in a multimap the first entry with this key.
   Returns 0; -ENOENT, otherwise as put */
DURE_API int dure_ordered_remove(dure_ordered *map, const void *key, size_t key_bytes);

/* dure_ordered_take - take a key away; ret_value gets what it had, in the same step. Returns as remove */
DURE_API int dure_ordered_take(dure_ordered *map, const void *key, size_t key_bytes,
			       void *ret_value);

/*
 * dure_ordered_remove_all - take away all entries with this key that are there now
 *
 * ret_count (may be NULL) gets how many. One after the other, each in one step; in a transaction
 * all of them in one.
 *
 * Returns  as remove; outside a transaction some, the first ones, may be gone when it fails
 * Death    the same: do it again.
 */
DURE_API int dure_ordered_remove_all(dure_ordered *map, const void *key, size_t key_bytes,
				     uint64_t *ret_count);

/*
 * dure_ordered_clear - take all entries away
 *
 * A bounded number at a time, in ascending order; inside a transaction all in one step, unless
 * values own containers: -EDEADLK.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    the lower entries are gone: do it again.
 */
DURE_API int dure_ordered_clear(dure_ordered *map);

/*
 * Gives the next entry. What *key and *value point to must stay until it is called again, or the
 * build has ended. Returns 1; 0: there are no more; negative: the build fails with that.
 */
typedef int (*dure_ordered_source)(const void **key, size_t *key_bytes, const void **value,
				   void *context);

/*
 * dure_ordered_build - fill an empty map with sorted entries, in one step
 *
 * Faster than putting them: no entry is looked for, and nobody sees any before all are there. next
 * is called outside of every lock. Keys ascend in the map's ordering; those of a multimap may be
 * equal, and stay as they come. For the moment the segment needs up to 24 bytes more for each block.
 *
 * Returns  0; -EEXIST (the map is not empty) -EINVAL (a key is not above the one before, or none)
 *          -ENOMEM, or what next returned, otherwise as put
 * Death    the map is empty, or has all of them.
 */
DURE_API int dure_ordered_build(dure_ordered *map, dure_ordered_source next, void *context);

/*
 * dure_ordered_copy - fill an empty map with the entries of another one, in one step
 *
 * from may lie in another segment. What changes in it meanwhile may be copied or not, as with
 * dure_ordered_visit. Both are ordered alike, and have values of one size, which own
 * nothing.
 *
 * Returns  as build
 * Death    as build
 */
DURE_API int dure_ordered_copy(dure_ordered *map, dure_ordered *from);

/*
 * dure_ordered_merge - put all entries of another map
 *
 * Where a key is in both, the value is that of from; a multimap gets another entry. Each is put
 * for itself; inside a transaction all in one step. from may lie in another segment, and be
 * ordered otherwise.
 *
 * Returns  0; as put and visit. Outside a transaction some may have been put when it fails
 * Death    the same: merge again (a multimap: inside a transaction, or it gets some twice).
 */
DURE_API int dure_ordered_merge(dure_ordered *map, dure_ordered *from);

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
 * range may be NULL: all. One key as both ends, with DURE_RANGE_WITH_HIGH: all that are equal to it. A visit that returns non-zero ends it: so the first key not below a
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

/*
 * dure_ordered_snapshot - the same, with all entries of one moment
 *
 * They are copied into private memory first, all of the range; whoever wants to change the map waits
 * so long. Then they are visited, and the map may change as it likes. Not for read-only segments.
 *
 * Returns  as visit; -EROFS, and without -EAGAIN
 */
DURE_API int dure_ordered_snapshot(dure_ordered *map, const struct dure_range *range,
				   int (*visit)(const void *key, size_t key_bytes,
						const void *value, void *context),
				   void *context);

DURE_END

#endif
