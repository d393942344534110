/* SPDX-License-Identifier: MIT */
/*
 * dure/container.h - containers in containers, and containers that move from one owner to another
 *
 *	dure_ref at = { 0 };
 *	r = dure_tx_begin(segment, &tx);
 *	r = dure_list_open_at(segment, &at, DURE_TYPE(struct job), DURE_CREATE, NULL, &list);
 *	r = dure_map_insert(lists, "printer", 7, &at);
 *	r = dure_tx_commit(tx);
 *
 * Every kind of container has an open_at beside its open: it makes a container without a name, and
 * stores where it is in a dure_ref of the caller's; or opens the one that the ref leads to. Who has
 * the ref owns the container, and there is one owner at a time:
 *
 *	an element	of a vector, list, deque or priority queue of type DURE_OWNER, or a value of a
 *			map with DURE_MAP_OWNER or DURE_ORDERED_OWNER. Containers in it go with it, when
 *			it is destroyed or cleared, and what they own in turn
 *	a name		dure_container_give_name. It is found then as if it had been made with it
 *	a transaction	which has made it, or taken it from its owner, and gives it to another one
 *			before it commits
 *
 * To move one is to take the ref from one owner and to give it to the next one in a transaction: pop
 * here and push there, take here and insert there. The container itself stays where it is, with all
 * that it holds, and handles to it stay good. What takes an element away from its container (pop,
 * take, erase) hands the ref to the caller, and what replaces one (put, set) or cuts it off (resize)
 * drops it: neither destroys anything. So take it first.
 *
 * A handle is good as long as its container: programs agree on who destroys, as for objects.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's handle
 * answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_CONTAINER_H
#define DURE_CONTAINER_H

#include <dure/object.h>

DURE_BEGIN

/* The type of elements that own containers, one each. {0}: none */
#define DURE_OWNER dure_type_make("dure_owner", sizeof(dure_ref), 8)

enum { DURE_CONTAINER_DEPTH_MAX = 16 };	/* of containers in containers */

/*
 * dure_container_clear - take all elements of a container away, and destroy what they own
 *
 * For one without a name, of any kind. Elements go a bounded number at a time, so no big transaction
 * is needed.
 *
 * Returns  0; -ENOENT (no container without a name is there) -EINVAL (it is no container) -ENOSPC
 *          -EDEADLK (called within a transaction) -ENOMEM -EUCLEAN -EROFS -ESTALE
 * Death    the container has some elements less: clear it again.
 */
DURE_API int dure_container_clear(dure_segment *segment, dure_ref at);

/*
 * dure_container_destroy - free a container without a name, and all that it owns
 *
 * Nobody uses it any more. Inside a transaction of the calling thread it is part of it, together with
 * taking the ref from its owner; the container must be empty then (dure_container_clear), so that
 * the step is a small one. Outside a transaction it is cleared first; so only a container that no
 * owner leads to any more is destroyed outside one.
 *
 * Returns  0; -EBUSY (inside a transaction: it has elements), otherwise as clear
 * Death    it is there, perhaps with some elements less, or gone with all of them.
 */
DURE_API int dure_container_destroy(dure_segment *segment, dure_ref at);

/*
 * dure_container_give_name - give a container without a name to a name
 *
 * Whoever opens a container of that kind by the name finds it, and its destroy frees it and the name.
 * Inside a transaction of the calling thread it is part of it, together with taking the ref from
 * its owner.
 *
 * Returns  0; -EEXIST (the name is taken) -ENOENT -EINVAL -ENOSPC -EDEADLK -EROFS -ESTALE
 * Death    it has the name, or it has not.
 */
DURE_API int dure_container_give_name(dure_segment *segment, dure_ref at, const char *name);

/*
 * dure_container_take_name - take the name from a container: the caller is its owner
 *
 * Inside a transaction, which gives it to another owner before it commits. A container that was made
 * with its name keeps it.
 *
 * Returns  0; -EPERM (no transaction is open) -ENOENT -EINVAL (the name is no owner's) -ENOSPC
 *          -EDEADLK -EROFS -ESTALE
 * Death    it has the name.
 */
DURE_API int dure_container_take_name(dure_segment *segment, const char *name, dure_ref *ret);

DURE_END

#endif
