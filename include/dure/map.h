/* SPDX-License-Identifier: MIT */
/*
 * dure/map.h - hash maps and sets in a segment: from byte strings to values of one size, or none
 *
 * Safe among processes by itself: who changes it locks a part of it for the moment (or to the
 * end of his transaction), who reads it locks nothing. Each operation is crash-atomic.
 * Inside a transaction of the calling thread, changes are part of it: others see new and
 * replaced entries with its commit, all in one step (dure_map_add alone is seen at once).
 *
 * Transactions that touch several keys can meet in a circle; then one gets -EDEADLK and is to
 * be aborted and begun anew. Touching keys in ascending dure_map_order avoids that.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_MAP_H
#define DURE_MAP_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_map dure_map;

struct dure_map_options {
	size_t sz;
	uint64_t value_bytes;		/* of each value; default 8. See DURE_MAP_ANY_VALUE */
	uint32_t partitions;		/* parts that are locked apart; a power of two up to 1024;
					   default 64 */
	uint32_t flags;			/* DURE_MAP_... */
};

/* options.flags */
enum {
	DURE_MAP_OWNER = 1u << 0,	/* values are dure_refs that own containers: dure/container.h */
};

enum { DURE_MAP_KEY_MAX = 65535 };

/* options.value_bytes: a set. What is put has no value (NULL), nor has what is got */
#define DURE_MAP_NO_VALUE (UINT64_MAX - 1)

/* options.value_bytes, with DURE_OPEN alone: whatever the map has (dure_map_value_bytes) */
#define DURE_MAP_ANY_VALUE UINT64_MAX

/*
 * dure_map_open - make a map by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. The map is an object of the segment (dure_object_list
 * shows it). options may be NULL: its values have 8 bytes then. A map whose values have another
 * size than options say is refused, so that no buffer of the caller is overrun.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, or of value)
 *          -ENOSPC -ENOMEM -EUCLEAN -EROFS -ESTALE
 * Death    the map exists, with its name, or nothing of it does.
 */
DURE_API int dure_map_open(dure_segment *segment, const char *name, uint32_t flags,
			   const struct dure_map_options *options, dure_map **ret);

/* dure_map_open_at - a map without a name: dure/container.h. Returns as open; -EEXIST (*at is not
   empty, and flags are DURE_CREATE alone) */
DURE_API int dure_map_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
			      const struct dure_map_options *options, dure_map **ret);

/* dure_map_close - forget this process' handle; the map stays. NULL is allowed */
DURE_API void dure_map_close(dure_map *map);

/* dure_map_value_bytes - the size of each of its values; 0: it is a set */
DURE_API uint64_t dure_map_value_bytes(const dure_map *map);

/*
 * dure_map_destroy - free all entries, then the map and its name
 *
 * Nobody uses the map any more. Entries go a bounded number at a time, so a big map needs no
 * big transaction.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EROFS -ESTALE
 * Death    the map is there with some entries less, or gone with all of them: destroy again.
 */
DURE_API int dure_map_destroy(dure_segment *segment, const char *name);

/*
 * dure_map_get - copy the value of a key; never waits for a writer
 *
 * Returns  0; -ENOENT -EUCLEAN -ESTALE
 */
DURE_API int dure_map_get(dure_map *map, const void *key, size_t key_bytes, void *ret_value);

/*
 * dure_map_put - set the value of a key, new or not
 *
 * Returns  DURE_CREATED (the key is new), 0; -EINVAL (key 1 to 65535 bytes) -ENOSPC -EDEADLK
 *          -EROFS -ESTALE
 * Death    the old value or the new one.
 */
DURE_API int dure_map_put(dure_map *map, const void *key, size_t key_bytes, const void *value);

/* dure_map_insert - the same, only if the key is new: -EEXIST */
DURE_API int dure_map_insert(dure_map *map, const void *key, size_t key_bytes,
			     const void *value);

/*
 * dure_map_add - add to a counter, which begins at 0; for values of 8 bytes
 *
 * ret_sum (may be NULL) gets the sum. Returns as put.
 * Death    it has been added once or not at all.
 */
DURE_API int dure_map_add(dure_map *map, const void *key, size_t key_bytes, int64_t delta,
			  int64_t *ret_sum);

/* dure_map_remove - take a key away. Returns 0; -ENOENT -EDEADLK -EROFS -ESTALE -EUCLEAN */
DURE_API int dure_map_remove(dure_map *map, const void *key, size_t key_bytes);

/* dure_map_take - take a key away; ret_value gets what it had, in the same step. Returns as remove */
DURE_API int dure_map_take(dure_map *map, const void *key, size_t key_bytes,
			   void *ret_value);

/*
 * dure_map_clear - take all entries away, a bounded number at a time
 *
 * Returns  0; -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS -ESTALE
 * Death    the map has some entries less: do it again.
 */
DURE_API int dure_map_clear(dure_map *map);

/*
 * dure_map_reserve - make room for so many entries in all, so that tables need not grow under way
 *
 * The entries themselves are not reserved.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    some parts have room, others not.
 */
DURE_API int dure_map_reserve(dure_map *map, uint64_t count);

/*
 * dure_map_merge - put all entries of another map
 *
 * Where a key is in both, the value is that of from, which may lie in another segment. Each is put
 * for itself; inside a transaction all in one step. Not with a map whose values own containers.
 *
 * Returns  0; -ENOMEM, as put and each. Outside a transaction some may have been put when it fails
 * Death    the same: merge again.
 */
DURE_API int dure_map_merge(dure_map *map, dure_map *from);

/* dure_map_count - how many keys there are, about */
DURE_API uint64_t dure_map_count(dure_map *map);

/* dure_map_order - a number to sort keys by, so that transactions lock in one order */
DURE_API uint64_t dure_map_order(dure_map *map, const void *key, size_t key_bytes);

/*
 * dure_map_each - call visit for each key, in no particular order
 *
 * A part of the map is held still while it is visited: visit must not change the map. A visit
 * that returns non-zero ends it.
 *
 * Returns  0, or what visit returned; -EDEADLK -EUCLEAN -ESTALE
 */
DURE_API int dure_map_each(dure_map *map,
			   int (*visit)(const void *key, size_t key_bytes, const void *value,
					void *context),
			   void *context);

/*
 * dure_map_snapshot - the same, with all entries of one moment
 *
 * They are copied into private memory first; whoever wants to change the map waits so long. Then they
 * are visited, and the map may change as it likes, also by visit. Not for read-only segments, and
 * not for maps of more than 64 partitions.
 *
 * Returns  0, or what visit returned; -ENOLCK (more locks than a thread can hold) -ENOMEM -EDEADLK
 *          (it met a transaction that has locked keys in another order: try again) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    nothing has changed; nobody waits for the dead.
 */
DURE_API int dure_map_snapshot(dure_map *map,
			       int (*visit)(const void *key, size_t key_bytes, const void *value,
					    void *context),
			       void *context);

DURE_END

#endif
