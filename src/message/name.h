/* SPDX-License-Identifier: MIT */
/*
 * name.h - the name of a queue or ring, held still while it is opened or destroyed
 */
#ifndef DUREI_MESSAGE_NAME_H
#define DUREI_MESSAGE_NAME_H

#include <dure/object.h>

/* What is made, and how: the object of that name leads to it. */
struct durei_name {
	dure_segment *seg;
	const char *name;
	const char *what;		/* "queue" */
	struct dure_type type;
	dure_object_function format;
	void *options;
};

/*
 * Begins a transaction that has the name locked, and finds or makes what has it, as flags
 * (DURE_CREATE, DURE_OPEN) say. Whatever it is stays until the transaction ends.
 * DURE_CREATED, 0; or an error, and no transaction.
 */
int durei_name_hold(const struct durei_name *name, uint32_t flags, dure_tx **ret_tx, void **ret);

#endif
