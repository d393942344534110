/* SPDX-License-Identifier: MIT */
/*
 * container.h - any container of a segment, as keys and values of bytes; and bytes as people write them
 */
#ifndef TOOL_CONTAINER_H
#define TOOL_CONTAINER_H

#include "tool.h"

/* How bytes are written. */
enum form {
	FORM_NATURAL,		/* as the container says */
	FORM_TEXT,
	FORM_INTEGER,		/* of 1, 2, 4 or 8 bytes, signed */
	FORM_UNSIGNED,
	FORM_DOUBLE,
	FORM_HEX,
};

struct column_form {
	const char *name;	/* "key" or "value" */
	enum form form;		/* never FORM_NATURAL, when the container is open */
	uint64_t bytes;		/* of each; 0: any */
};

struct container {
	const char *name;
	dure_segment *segment;
	dure_map *map;		/* one of these four is there */
	dure_ordered *ordered;
	dure_vector *vector;
	dure_string *string;
	bool has_keys, has_values;
	struct column_form key, value;
	uint64_t value_bytes;	/* strings: 0 */
	uint64_t count;		/* about */
};

/* Finds it, of whatever kind, and complains when it cannot. 0, or an exit status */
int container_open(const char *command, dure_segment *segment, const char *name,
		   struct container *ret);
void container_close(struct container *c);

struct bytes {
	const void *data;
	size_t count;
};

/* One entry after the other; a visit that returns non-zero ends it. As dure_map_each. */
int container_visit(struct container *c, int (*visit)(struct bytes key, struct bytes value, void *context),
		    void *context);

/* Puts, pushes or appends; the first one of a load makes a string these bytes alone. */
int container_put(struct container *c, struct bytes key, struct bytes value, bool is_first);

/* -- bytes and text ---------------------------------------------------------------------- */

/* "text", "integer", "hex"; false: none of them */
bool form_named(const char *name, enum form *ret);

/* Text of bytes in this form, in memory to be freed. NULL: they cannot be written so. */
char *form_write(enum form form, struct bytes bytes, size_t *ret_count);
/* Bytes of text, in memory to be freed. NULL: it is no such text, or means not so many bytes */
unsigned char *form_read(const struct column_form *column, enum form form, const char *text,
			 size_t count, size_t *ret_count);

#endif
