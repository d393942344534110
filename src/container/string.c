/* SPDX-License-Identifier: MIT */
/*
 * string.c - a string in a segment, or any bytes
 *
 * Why      Logs, names, documents: bytes of any number that are read far more often than
 *          replaced, and appended to.
 * Layout   layout/string.h
 * Rules    layout/string.h, layout/guard.h
 *          [STRINGC1] where there is room, appending tells readers nothing: it writes behind the
 *                     length, then the length [GUARD4]. In a transaction it tells them: the length
 *                     is not true before the commit
 *          [STRINGC2] all else is a new block, in a log: what is appended with it, too
 * Death    append with room, after step  is left behind                who mends it
 *          1 the bytes                   bytes behind the length       nobody reads them
 *          2 length                      the bytes, appended           -
 *          set, append without room: tx/log.c, a transaction of one operation.
 */
#include <dure/string.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/guard.h"
#include "container/owner.h"
#include "heap/heap.h"
#include "layout/string.h"

enum {
	ROOM_MIN = 56,		/* with the head of the block, one line */
	FORMATTED_MAX = 512,	/* longer ones are formatted in private memory */
};

struct dure_string {
	dure_segment *seg;
	struct dl_string *shared;
	struct durei_name name;
};

static int bind(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_string *s = handle;

	s->seg = seg;
	s->shared = shared;
	durei_name_keep(&s->name, where);
	return 0;
}

static int open_where(dure_segment *segment, struct durei_where where, uint32_t flags,
		      dure_string **ret)
{
	dure_string *s = calloc(1, sizeof *s);	/* first: once it is made, nothing may fail */
	void *shared = NULL;
	int r;

	if (!s)
		return durei_error_plain(ENOMEM);
	r = durei_named_open(segment, "string", where, flags, durei_strings.object, NULL, NULL,
			     &shared);
	if (r < 0) {
		free(s);
		return r;
	}
	(void)bind(s, segment, shared, where);
	*ret = s;
	return r;
}

int dure_string_open(dure_segment *segment, const char *name, uint32_t flags, dure_string **ret)
{
	return open_where(segment, durei_by_name(name), flags, ret);
}

int dure_string_open_at(dure_segment *segment, dure_ref *at, uint32_t flags, dure_string **ret)
{
	return open_where(segment, durei_by_ref(at), flags, ret);
}

void dure_string_close(dure_string *string)
{
	free(string);
}

/* -- the block --------------------------------------------------------------------------- */

/* What the string says it is, checked: inside the segment. */
struct text {
	uint64_t offset;		/* of the block; 0: none */
	uint64_t length, capacity;
	unsigned char *bytes;
};

static int damaged(const dure_string *s)
{
	return durei_error(EUCLEAN, "segment %s: the bytes of string %s are not inside it: run dure "
			   "check", s->seg->super.name, s->name.text);
}

static int view(const dure_string *s, struct text *ret)
{
	const struct dl_text *text;

	ret->length = cell64_load_acq(&s->shared->length);
	ret->offset = cell64_load_acq(&s->shared->text);
	ret->capacity = 0;
	ret->bytes = NULL;
	if (ret->offset == 0)
		return ret->length ? damaged(s) : 0;
	if (ret->offset % 8 || ret->offset < s->seg->super.data_offset ||
	    !durei_bytes_are_backed(s->seg, ret->offset, sizeof *text))
		return damaged(s);
	text = durei_at(s->seg, ret->offset);
	ret->capacity = text->capacity;
	ret->bytes = (unsigned char *)durei_at(s->seg, ret->offset) + sizeof *text;
	if (ret->length > ret->capacity || ret->capacity > DL_BYTES_MAX ||
	    !durei_bytes_are_backed(s->seg, ret->offset + sizeof *text, ret->capacity))
		return damaged(s);
	return 0;
}

/* -- changing ---------------------------------------------------------------------------- */

/* What a string becomes: the first kept bytes it has, then more. */
struct change {
	struct text old;
	uint64_t kept, more;
	const void *text;
};

/* A reserved block with the new bytes. */
static int build(dure_string *s, struct durei_lane *lane, const struct change *c,
		 uint64_t *ret_offset)
{
	uint64_t length = c->kept + c->more;
	uint64_t capacity = max_u64(length, c->kept ? 2 * c->old.capacity : 0);
	int r;

	capacity = align_up(max_u64(capacity, ROOM_MIN) + sizeof(struct dl_text), 64) -
		   sizeof(struct dl_text);
	r = durei_block_reserve(lane, sizeof(struct dl_text) + capacity, 16, ret_offset);
	if (r == -ENOSPC && capacity > length) {	/* room to grow is only a wish */
		capacity = length;
		r = durei_block_reserve(lane, sizeof(struct dl_text) + capacity, 16, ret_offset);
	}
	if (r < 0)
		return r;
	struct dl_text *text = durei_at(s->seg, *ret_offset);
	text->capacity = capacity;
	if (c->kept)
		memcpy(text + 1, c->old.bytes, c->kept);
	memcpy((unsigned char *)(text + 1) + c->kept, c->text, c->more);
	return 0;
}

/* In the log: another block, or none, with so many bytes. */
static int relink(dure_string *s, struct durei_guard *guard, const struct change *c,
		  uint64_t offset)
{
	struct durei_lane *lane = guard->lane;
	int r = durei_guard_begin(guard);

	if (r == 0 && offset) {
		r = durei_log_take(lane, offset);
		if (r < 0)
			r = durei_guard_end(guard, r);
	}
	if (r < 0) {			/* no log knows the block */
		if (offset)
			(void)durei_block_free(lane, offset);
		return r;
	}
	r = durei_log_write_word(lane, &s->shared->text, offset);
	if (r == 0)
		r = durei_log_write_word(lane, &s->shared->length, c->kept + c->more);
	if (r == 0 && c->old.offset)
		r = durei_log_free(lane, c->old.offset);
	return durei_guard_end(guard, r);
}

static int replace(dure_string *s, struct durei_guard *guard, const struct change *c)
{
	uint64_t offset = 0;
	int r = 0;

	if (c->kept + c->more)
		r = build(s, guard->lane, c, &offset);
	return r < 0 ? r : relink(s, guard, c, offset);
}

/* There is room behind the length. [STRINGC1] */
static int append_in_place(dure_string *s, struct durei_guard *guard, const struct change *c)
{
	int r = guard->in_tx ? durei_guard_begin(guard) : 0;

	if (r < 0)
		return r;
	memcpy(c->old.bytes + c->old.length, c->text, c->more);		/* step 1 */
	if (!guard->in_tx) {
		cell64_store_rel(&s->shared->length, c->old.length + c->more);	/* step 2 */
		return 0;
	}
	r = durei_log_write_word(guard->lane, &s->shared->length, c->old.length + c->more);
	return durei_guard_end(guard, r);
}

static int change(dure_string *s, const void *text, uint64_t bytes, bool keeps)
{
	struct durei_guard guard;
	struct change c = { .more = bytes, .text = text };
	int r = 0;
	struct durei_lane *lane = durei_lane_get(s->seg, &r);

	if (!lane)
		return r;
	if (bytes > DL_BYTES_MAX)
		return durei_error(ENOSPC, "string %s: %llu bytes fit no segment", s->name.text,
				   (unsigned long long)bytes);
	r = durei_guard_lock(lane, &s->shared->guard, &guard);
	if (r < 0)
		return r;
	r = view(s, &c.old);
	if (r == 0 && keeps) {
		c.kept = c.old.length;
		if (bytes && bytes <= c.old.capacity - c.old.length)
			r = append_in_place(s, &guard, &c);
		else if (bytes)
			r = replace(s, &guard, &c);
	} else if (r == 0) {
		r = replace(s, &guard, &c);
	}
	durei_guard_unlock(&guard);
	return r;
}

int dure_string_set(dure_string *string, const void *text, size_t bytes)
{
	return change(string, bytes ? text : "", bytes, false);
}

int dure_string_append(dure_string *string, const void *text, size_t bytes)
{
	return change(string, bytes ? text : "", bytes, true);
}

int dure_string_append_format(dure_string *string, const char *format, ...)
{
	char text[FORMATTED_MAX], *all = text;
	va_list arguments;
	int bytes, r;

	va_start(arguments, format);
	bytes = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (bytes < 0)
		return durei_error(EINVAL, "string %s: printf cannot print the format \"%s\"",
				   string->name.text, format);
	if ((size_t)bytes >= sizeof text) {
		all = malloc((size_t)bytes + 1);
		if (!all)
			return durei_error_plain(ENOMEM);
		va_start(arguments, format);
		bytes = vsnprintf(all, (size_t)bytes + 1, format, arguments);
		va_end(arguments);
	}
	r = change(string, all, (uint64_t)bytes, true);
	if (all != text)
		free(all);
	return r < 0 ? r : bytes;
}

/* -- reading ----------------------------------------------------------------------------- */

/* A part of it, or all of it with a NUL. */
struct part {
	uint64_t offset;
	unsigned char *buffer;
	size_t bytes;			/* of buffer */
	bool is_whole;
	size_t got;
};

static int copy_part(const dure_string *s, struct part *part)
{
	struct text text;
	int r = view(s, &text);

	if (r < 0)
		return r;
	part->got = part->offset < text.length
			    ? (size_t)min_u64(text.length - part->offset, part->bytes) : 0;
	if (part->is_whole && part->bytes <= text.length)
		return durei_error(EMSGSIZE, "string %s has %llu bytes and a NUL: a buffer of %zu is too "
				   "small", s->name.text, (unsigned long long)text.length,
				   part->bytes);
	if (part->got)
		memcpy(part->buffer, text.bytes + part->offset, part->got);
	if (part->is_whole)
		part->buffer[part->got] = 0;
	return 0;
}

static int copy_still(dure_string *s, struct part *part)
{
	struct durei_look look;
	int r = durei_look_open(&look, s->seg, &s->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_part(s, part);
		if (durei_look_end(&look))
			return r;
		r = 0;
	}
	return r;
}

int dure_string_get(dure_string *string, void *buffer, size_t buffer_bytes, size_t *ret_bytes)
{
	struct part part = { .buffer = buffer, .bytes = buffer_bytes, .is_whole = true };
	int r = copy_still(string, &part);

	if (r == 0 && ret_bytes)
		*ret_bytes = part.got;
	return r;
}

int dure_string_read(dure_string *string, uint64_t offset, void *buffer, size_t bytes,
		     size_t *ret_bytes)
{
	struct part part = { .offset = offset, .buffer = buffer, .bytes = bytes };
	int r = copy_still(string, &part);

	if (r == 0)
		*ret_bytes = part.got;
	return r;
}

uint64_t dure_string_length(const dure_string *string)
{
	return cell64_load_acq(&string->shared->length);
}

/* -- the end of a string ----------------------------------------------------------------- */

static int free_text(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct dl_string *shared = object;
	uint64_t offset = cell64_load_rlx(&shared->text);

	(void)count;
	(void)context;
	return offset ? dure_tx_free(tx, durei_at(dure_tx_segment(tx), offset)) : 0;
}

const struct durei_container durei_strings = {
	.what = "string",
	.object = { "dure_string", sizeof(struct dl_string), 64 },
	.handle_bytes = sizeof(dure_string),
	.bind = bind,
	.free_rest = free_text,
};

int dure_string_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_strings, segment, name);
}
