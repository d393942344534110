/* SPDX-License-Identifier: MIT */
/*
 * dure/list.h - a doubly linked list in a segment
 *
 * Two variants: a list that owns its elements, all of one type, each in a node of its own; and an
 * intrusive one (DURE_LIST_INTRUSIVE) of blocks that the program owns, which have a struct
 * dure_list_node in them. Elements never move, and are named by their addresses.
 *
 * Safe among processes by itself: who changes the list locks it for the moment (or to the end of
 * his transaction), who reads it locks nothing, but waits for the end of a transaction that is
 * changing it. Each operation is crash-atomic. Inside a transaction of the calling thread changes
 * are part of it, and nobody else sees them before its commit.
 *
 * An address whose element has been taken away is refused with -EINVAL, unless an element of the
 * same list has got its place since: then it is that one's.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_LIST_H
#define DURE_LIST_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_list dure_list;

/* In the program's own structs; zeros: in no list. What it holds is the library's. */
struct dure_list_node {
	uint64_t links[4];
};

/* options.flags */
enum {
	DURE_LIST_INTRUSIVE = 1u << 0,	/* elements are blocks of the program's, with a node */
};

struct dure_list_options {
	size_t sz;
	uint64_t node_offset;		/* INTRUSIVE: offsetof(struct T, node) */
	uint32_t flags;			/* DURE_LIST_... */
	uint32_t reserved;
};

/*
 * dure_list_open - make a list by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. type: of the elements, up to 1 MiB each
 * (DURE_TYPE(struct job)). options may be NULL: the list owns its elements. A list of another
 * variant, or with its nodes elsewhere, than options say is refused.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, or of elements)
 *          -ENOSPC -ENOMEM -E2BIG -EUCLEAN -EROFS -ESTALE
 * Death    the list exists, with its name, or nothing of it does.
 */
DURE_API int dure_list_open(dure_segment *segment, const char *name, struct dure_type type,
			    uint32_t flags, const struct dure_list_options *options,
			    dure_list **ret);

/* dure_list_open_at - a list without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_list_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
			       uint32_t flags, const struct dure_list_options *options,
			       dure_list **ret);

/* dure_list_close - forget this process' handle; the list stays. NULL is allowed */
DURE_API void dure_list_close(dure_list *list);

/*
 * dure_list_destroy - free all elements, then the list and its name
 *
 * Nobody uses the list any more. Elements go a bounded number at a time, so a long list needs no
 * big transaction. Those of an intrusive list are in no list afterwards, and stay the program's.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    the list is there with some elements less, or gone with all of them: destroy again.
 */
DURE_API int dure_list_destroy(dure_segment *segment, const char *name);

/*
 * dure_list_insert - a new element before another one; before NULL: at the end
 *
 * element NULL: zeros. ret (may be NULL) gets its address.
 *
 * Returns  0; -EINVAL (before is not in the list, or the list is intrusive) -ENOSPC -EDEADLK
 *          -EUCLEAN -EROFS -ESTALE
 * Death    it is there, entirely, or not.
 */
DURE_API int dure_list_insert(dure_list *list, const void *before, const void *element,
			      void **ret);

/* dure_list_push_front - a new element before all others. Returns as insert */
DURE_API int dure_list_push_front(dure_list *list, const void *element, void **ret);

/* dure_list_push_back - a new element behind all others. Returns as insert */
DURE_API int dure_list_push_back(dure_list *list, const void *element, void **ret);

/*
 * dure_list_link - a block of the program's, into an intrusive list; before NULL: at the end
 *
 * It is the caller's at that moment: nobody else links it, or is taking it out of a list. It must
 * stay while it is in one: erase it first. dure_tx_alloc, filling it and this in one transaction
 * leave no lost block, whenever the process is killed.
 *
 * Returns  0; -EINVAL (it is not inside the segment, or in a list already; before is not in this
 *          one; the list is not intrusive) -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is in the list, or not.
 */
DURE_API int dure_list_link(dure_list *list, const void *before, void *element);

/* dure_list_erase - take an element away, and free it; of an intrusive list it stays the
   program's. Returns as insert */
DURE_API int dure_list_erase(dure_list *list, const void *at);

/* dure_list_pop_front - take the first element away; ret_element (may be NULL) gets it.
   Returns 0; -ENOENT (there is none), otherwise as insert */
DURE_API int dure_list_pop_front(dure_list *list, void *ret_element);

/* dure_list_pop_back - the same with the last one. Returns as pop_front */
DURE_API int dure_list_pop_back(dure_list *list, void *ret_element);

/* dure_list_unlink_first - take the first element of an intrusive list away; *ret is the block.
   Returns 0; -ENOENT (there is none), otherwise as link */
DURE_API int dure_list_unlink_first(dure_list *list, void **ret);

/*
 * dure_list_splice - move elements from one list into another, or within one, in one step
 *
 * Those from first to last, both included, come before `before` (NULL: to the end of `to`), in
 * the same order; their addresses stay. first and last NULL: all of them. Both lists are in one
 * segment, and have elements of one type. The time and the log grow with their number.
 *
 * Returns  how many have been moved, at most INT_MAX; -EINVAL (first, last or before is not in its
 *          list, last is not behind first, before is among them, the lists differ) -ENOSPC
 *          -EDEADLK (also outside a transaction, when another one holds one of the lists and waits
 *          for the other: try again) -EUCLEAN -EROFS -ESTALE
 * Death    all of them are in the one list, or all in the other.
 */
DURE_API int dure_list_splice(dure_list *to, const void *before, dure_list *from,
			      const void *first, const void *last);

/*
 * dure_list_get - copy an element
 *
 * Returns  0; -EINVAL (it is not in the list, or the list is intrusive) -EUCLEAN -ESTALE, and while
 *          a transaction changes the list -EDEADLK, or -EAGAIN (a read-only segment: nothing to
 *          wait with)
 */
DURE_API int dure_list_get(dure_list *list, const void *at, void *ret_element);

/* dure_list_set - change an element, all of it in one step. Returns as insert */
DURE_API int dure_list_set(dure_list *list, void *at, const void *element);

/* dure_list_first - the address of the first element.
   Returns 0; -ENOENT (there is none), otherwise as get, of any variant */
DURE_API int dure_list_first(dure_list *list, void **ret);

/* dure_list_last - of the last one. Returns as first */
DURE_API int dure_list_last(dure_list *list, void **ret);

/* dure_list_next - of the one behind an element. Returns 0; -ENOENT (it is the last one),
   otherwise as get */
DURE_API int dure_list_next(dure_list *list, const void *at, void **ret);

/* dure_list_prev - of the one before an element. Returns as next */
DURE_API int dure_list_prev(dure_list *list, const void *at, void **ret);

/* dure_list_count - how many elements there are. Those of transactions that are open count */
DURE_API uint64_t dure_list_count(const dure_list *list);

/* flags of dure_list_visit */
enum {
	DURE_LIST_BACKWARDS = 1u << 0,	/* from the last to the first */
};

/*
 * dure_list_visit - call visit for each element, in order
 *
 * Those are visited that were in the list at one moment in the beginning, in the order they had
 * then, and are still in it when their turn comes. The list may change meanwhile, also by visit.
 * at: the element's address; element: a copy, of the moment of the visit; in an intrusive list
 * the element itself. A visit that returns non-zero ends it. 16 bytes of private memory are
 * needed for each element.
 *
 * Returns  0, or what visit returned; -ENOMEM, otherwise as get
 */
DURE_API int dure_list_visit(dure_list *list, uint32_t flags,
			     int (*visit)(void *at, const void *element, void *context),
			     void *context);

DURE_END

#endif
