/* SPDX-License-Identifier: MIT */
/*
 * container.c - any container of a segment, as keys and values of bytes
 */
#include "container.h"

#include <stdlib.h>
#include <string.h>

/* -- opening ----------------------------------------------------------------------------- */

static enum form form_of_size(uint64_t bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 ? FORM_INTEGER : FORM_HEX;
}

static int open_map(struct container *c)
{
	struct dure_map_options any = { .sz = sizeof any, .value_bytes = DURE_MAP_ANY_VALUE };
	int r = dure_map_open(c->segment, c->name, DURE_OPEN, &any, &c->map);

	if (r < 0)
		return r;
	c->has_keys = true;
	c->value_bytes = dure_map_value_bytes(c->map);
	c->has_values = c->value_bytes > 0;
	c->key.form = FORM_TEXT;
	c->count = dure_map_count(c->map);
	return 0;
}

static int open_ordered(struct container *c)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_ANY };
	int r = dure_ordered_open(c->segment, c->name, DURE_OPEN, &o, &c->ordered);

	if (r < 0)
		return r;
	dure_ordered_describe(c->ordered, &o);
	c->has_keys = true;
	c->has_values = o.value_bytes != DURE_ORDERED_NO_VALUE;
	c->value_bytes = c->has_values ? o.value_bytes : 0;
	c->key.bytes = o.flags & DURE_ORDERED_INTEGER ? 8 : 0;
	c->key.form = !c->key.bytes			    ? FORM_TEXT
		      : strcmp(o.ordering, "double") == 0   ? FORM_DOUBLE
		      : strcmp(o.ordering, "unsigned") == 0 ? FORM_UNSIGNED
							    : FORM_INTEGER;
	c->count = dure_ordered_count(c->ordered);
	return 0;
}

static int open_vector(struct container *c)
{
	struct dure_vector_info info = { .sz = sizeof info };
	int r = dure_vector_describe(c->segment, c->name, &info);

	if (r < 0)
		return r;
	struct dure_type type = dure_type_make(info.type_name, info.element_bytes, info.align_bytes);
	r = dure_vector_open(c->segment, c->name, type, DURE_OPEN, NULL, &c->vector);
	if (r < 0)
		return r;
	c->has_values = true;
	c->value_bytes = info.element_bytes;
	c->value.form = strcmp(info.type_name, "double") == 0 && info.element_bytes == sizeof(double)
				? FORM_DOUBLE
				: FORM_NATURAL;
	c->count = info.count;
	return 0;
}

static int open_string(struct container *c)
{
	int r = dure_string_open(c->segment, c->name, DURE_OPEN, &c->string);

	if (r < 0)
		return r;
	c->has_values = true;
	c->value.form = FORM_TEXT;
	c->count = 1;
	return 0;
}

int container_open(const char *command, dure_segment *segment, const char *name,
		   struct container *ret)
{
	static int (*const kinds[])(struct container *c) = { open_map, open_ordered, open_vector,
							      open_string };
	int r = -EINVAL;

	*ret = (struct container){ .name = name, .segment = segment, .key.name = "key",
				   .value.name = "value" };
	for (size_t i = 0; r == -EINVAL && i < sizeof kinds / sizeof *kinds; i++)
		r = kinds[i](ret);
	if (r == -EINVAL)
		return complain(command, "%s: it is no map, set, vector or string", name);
	if (r < 0)
		return complain_segment(command, name);
	ret->value.bytes = ret->value_bytes;
	if (ret->value.form == FORM_NATURAL)
		ret->value.form = form_of_size(ret->value_bytes);
	return 0;
}

void container_close(struct container *c)
{
	dure_map_close(c->map);
	dure_ordered_close(c->ordered);
	dure_vector_close(c->vector);
	dure_string_close(c->string);
}

/* -- reading ----------------------------------------------------------------------------- */

struct visit {
	struct container *container;
	int (*visit)(struct bytes key, struct bytes value, void *context);
	void *context;
};

static int visit_entry(const void *key, size_t key_bytes, const void *value, void *context)
{
	const struct visit *v = context;

	return v->visit((struct bytes){ key, key_bytes },
			(struct bytes){ value, (size_t)v->container->value_bytes }, v->context);
}

static int visit_elements(const struct visit *v)
{
	dure_vector *vector = v->container->vector;
	void *element = or_exit(malloc((size_t)v->container->value_bytes));
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < dure_vector_count(vector); i++) {
		r = dure_vector_get(vector, i, element);
		if (r == 0)
			r = v->visit((struct bytes){ 0 },
				     (struct bytes){ element, (size_t)v->container->value_bytes },
				     v->context);
	}
	free(element);
	return r;
}

static int visit_string(const struct visit *v)
{
	dure_string *string = v->container->string;
	char *text = NULL;
	size_t count = 0;
	int r = -EMSGSIZE;

	while (r == -EMSGSIZE) {	/* it may have grown meanwhile */
		size_t room = (size_t)dure_string_length(string) + 1;
		free(text);
		text = or_exit(malloc(room));
		r = dure_string_get(string, text, room, &count);
	}
	if (r == 0)
		r = v->visit((struct bytes){ 0 }, (struct bytes){ text, count }, v->context);
	free(text);
	return r;
}

int container_visit(struct container *c, int (*visit)(struct bytes key, struct bytes value, void *context),
		    void *context)
{
	struct visit v = { c, visit, context };

	if (c->map)
		return dure_map_each(c->map, visit_entry, &v);
	if (c->ordered)
		return dure_ordered_visit(c->ordered, NULL, visit_entry, &v);
	return c->vector ? visit_elements(&v) : visit_string(&v);
}

/* -- changing ---------------------------------------------------------------------------- */

int container_put(struct container *c, struct bytes key, struct bytes value, bool is_first)
{
	if (c->map)
		return dure_map_put(c->map, key.data, key.count, value.data);
	if (c->ordered)
		return dure_ordered_put(c->ordered, key.data, key.count, value.data);
	if (c->vector)
		return dure_vector_push(c->vector, value.data, NULL);
	return is_first ? dure_string_set(c->string, value.data, value.count)
			: dure_string_append(c->string, value.data, value.count);
}
