/* SPDX-License-Identifier: MIT */
/*
 * owner.h - what all containers have in common: they are found, emptied and freed, with what they own
 */
#ifndef DUREI_CONTAINER_OWNER_H
#define DUREI_CONTAINER_OWNER_H

#include "container/named.h"
#include "segment/lane.h"

/* A kind of containers. */
struct durei_container {
	const char *what;		/* "vector": for sentences */
	struct dure_type object;
	size_t handle_bytes;
	/* Fills in a handle of zeros, whatever the elements are. 0; -EUCLEAN */
	int (*bind)(void *handle, dure_segment *seg, void *shared, struct durei_where where);
	/* Some elements go, with what they own: 1, there may be more; 0. NULL: free_rest is enough */
	int (*free_some)(void *handle, struct durei_lane *lane, unsigned depth);
	/* Whether free_rest is enough; NULL: always */
	bool (*is_empty)(const void *handle);
	/* Frees what is left but the object, in a transaction; context: the handle. NULL: nothing is */
	dure_object_function free_rest;
};

extern const struct durei_container durei_bitmaps, durei_deques, durei_lists, durei_maps,
	durei_ordereds, durei_priorities, durei_strings, durei_vectors;

/*
 * In free_some: an element's container is emptied; then, in one step, it is destroyed and the element
 * taken away. take runs in the open transaction. depth: that of the owner.
 */
int durei_owned_free(struct durei_lane *lane, dure_ref owned, unsigned depth,
		     int (*take)(void *context), void *context);

/* All elements go, step by step. 0; -EDEADLK inside a transaction; as free_some */
int durei_container_empty(const struct durei_container *kind, void *handle, dure_segment *seg);

/* Empties and destroys the container of that name, and the name. As the public destroys */
int durei_container_end(const struct durei_container *kind, dure_segment *seg, const char *name);

#endif
