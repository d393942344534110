/* SPDX-License-Identifier: MIT */
/*
 * ordering.c - how an ordered map compares its keys: the ways built in, and callers' own
 *
 * Why      A function's address means nothing in another process, and less in another program. So
 *          a map remembers the name of its ordering, and each process says which function it has
 *          of that name.
 * How      What is built in is told by a number; it maps keys to words that are ordered as the keys
 *          are, so a step down the tree compares words. Of callers' orderings nothing is known:
 *          all words are 0, and each step calls the function.
 * Rules    [ORDERING1] a registered ordering stays, and does not move, as long as the handle: maps
 *                      point to it
 *          [ORDERING2] a caller's function meets whatever bytes are in the segment, also those of
 *                      a key that has just been freed. Its answer is then thrown away
 * Death    nothing shared is changed.
 */
#include "container/ordering.h"

#include <dure/ordered.h>

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum dl_ordering kind;
	bool is_number;
} built_in[] = {
	{ "bytes", DL_ORDERING_NATURAL, false },     { "unsigned", DL_ORDERING_NATURAL, true },
	{ "signed", DL_ORDERING_SIGNED, true },	     { "double", DL_ORDERING_DOUBLE, true },
	{ "nocase", DL_ORDERING_NOCASE, false },
};

enum { BUILT_IN_COUNT = sizeof built_in / sizeof *built_in };

/* -- names ------------------------------------------------------------------------------- */

static int find_built_in(const char *name)
{
	for (int i = 0; i < BUILT_IN_COUNT; i++)
		if (strcmp(built_in[i].name, name) == 0)
			return i;
	return -1;
}

static const struct durei_ordering *find_registered(const dure_segment *seg, const char *name)
{
	const struct durei_ordering *o = __atomic_load_n(&seg->orderings, __ATOMIC_ACQUIRE);

	while (o && strcmp(o->name, name) != 0)
		o = o->next;
	return o;
}

static int not_registered(const dure_segment *seg, const char *name)
{
	return durei_error(ENOSYS, "segment %s: no ordering \"%s\" is registered in this process: call "
			   "dure_ordering_register with this segment first", seg->super.name, name);
}

int durei_order_named(dure_segment *seg, const char *name, bool is_number, struct durei_order *ret)
{
	const struct durei_ordering *caller = NULL;
	int i = find_built_in(name ? name : is_number ? "unsigned" : "bytes");

	if (i < 0) {
		caller = find_registered(seg, name);
		if (!caller)
			return not_registered(seg, name);
	}
	if (is_number && (i < 0 || !built_in[i].is_number))
		return durei_error(EINVAL, "options.ordering \"%s\" orders no numbers "
				   "(DURE_ORDERED_INTEGER)", name);
	*ret = (struct durei_order){ .kind = i < 0 ? DL_ORDERING_CALLER : built_in[i].kind,
				     .is_number = i >= 0 && built_in[i].is_number,
				     .caller = caller };
	return 0;
}

int durei_order_of(dure_segment *seg, const struct dl_ordered *shared, struct durei_order *ret)
{
	uint32_t kind = shared->ordering;
	bool is_number = shared->flags & DL_ORDERED_INTEGER;
	char name[DL_ORDERED_NAME_BYTES];

	memcpy(name, shared->ordering_name, sizeof name);
	name[sizeof name - 1] = '\0';
	for (int i = 0; kind != DL_ORDERING_CALLER && i < BUILT_IN_COUNT; i++)
		if (built_in[i].kind == (enum dl_ordering)kind && built_in[i].is_number == is_number) {
			*ret = (struct durei_order){ .kind = (enum dl_ordering)kind,
						     .is_number = is_number };
			return 0;
		}
	if (kind != DL_ORDERING_CALLER || is_number || !*name)
		return durei_error(EUCLEAN, "segment %s: the ordered map at +%#llx says that its keys are "
				   "ordered in an unknown way: run dure check", seg->super.name,
				   (unsigned long long)durei_offset(seg, shared));
	*ret = (struct durei_order){ .kind = DL_ORDERING_CALLER,
				     .caller = find_registered(seg, name) };
	return 0;
}

const char *durei_order_name(const struct durei_order *order, const struct dl_ordered *shared)
{
	for (int i = 0; order->kind != DL_ORDERING_CALLER && i < BUILT_IN_COUNT; i++)
		if (built_in[i].kind == order->kind && built_in[i].is_number == order->is_number)
			return built_in[i].name;
	return order->caller ? order->caller->name : (const char *)shared->ordering_name;
}

static int check_same(const struct durei_ordering *known, dure_ordering_function compare,
		      const void *context)
{
	if (known->compare == compare && known->context == context)
		return 0;
	return durei_error(EEXIST, "the ordering \"%s\" is registered already, with another function",
			   known->name);
}

/* Puts it in front, if none of its name is there. */
static int add(dure_segment *seg, struct durei_ordering *o)
{
	const struct durei_ordering *known;
	struct durei_ordering *first;
	int r;

	do {
		first = __atomic_load_n(&seg->orderings, __ATOMIC_ACQUIRE);
		known = find_registered(seg, o->name);
		if (known) {
			r = check_same(known, o->compare, o->context);
			free(o);
			return r;
		}
		o->next = first;
	} while (!__atomic_compare_exchange_n(&seg->orderings, &first, o, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return 0;
}

int dure_ordering_register(dure_segment *segment, const char *name, dure_ordering_function compare,
			   void *context)
{
	struct durei_ordering *o;
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	if (!compare || !name || !*name || strlen(name) >= DL_ORDERED_NAME_BYTES)
		return durei_error(EINVAL, "an ordering has a function, and a name of 1 to %d bytes",
				   DL_ORDERED_NAME_BYTES - 1);
	if (find_built_in(name) >= 0)
		return durei_error(EEXIST, "the ordering \"%s\" is built in", name);
	o = malloc(sizeof *o + strlen(name) + 1);
	if (!o)
		return durei_error_plain(ENOMEM);
	o->compare = compare;
	o->context = context;
	strcpy(o->name, name);
	return add(segment, o);
}

/* -- keys -------------------------------------------------------------------------------- */

enum { WORD_BYTES = 8 };

#define SIGN_BIT (UINT64_C(1) << 63)

static inline unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') : c;
}

/* The first 8 bytes, most significant first. */
static uint64_t first_bytes(const unsigned char *key, size_t bytes)
{
	uint64_t word = 0;

	memcpy(&word, key, min_u64(bytes, WORD_BYTES));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static uint64_t first_lower_bytes(const unsigned char *key, size_t bytes)
{
	unsigned char small[WORD_BYTES];
	size_t n = (size_t)min_u64(bytes, WORD_BYTES);

	for (size_t i = 0; i < n; i++)
		small[i] = lower(key[i]);
	return first_bytes(small, n);
}

uint64_t durei_order_word(const struct durei_order *order, const unsigned char *key, size_t bytes)
{
	uint64_t word;

	switch (order->kind) {
	case DL_ORDERING_NOCASE:
		return first_lower_bytes(key, bytes);
	case DL_ORDERING_CALLER:
		return 0;
	default:
		if (!order->is_number)
			return first_bytes(key, bytes);
	}
	memcpy(&word, key, sizeof word);
	if (order->kind == DL_ORDERING_SIGNED)
		return word ^ SIGN_BIT;
	if (order->kind == DL_ORDERING_DOUBLE)	/* of the negative ones the larger is below */
		return word & SIGN_BIT ? ~word : word | SIGN_BIT;
	return word;
}

uint64_t durei_order_number(const struct durei_order *order, uint64_t word)
{
	if (order->kind == DL_ORDERING_SIGNED)
		return word ^ SIGN_BIT;
	if (order->kind == DL_ORDERING_DOUBLE)
		return word & SIGN_BIT ? word ^ SIGN_BIT : ~word;
	return word;
}

static int compare_lower(const unsigned char *a, const unsigned char *b, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (lower(a[i]) != lower(b[i]))
			return lower(a[i]) - lower(b[i]);
	return 0;
}

int durei_order_compare(const struct durei_order *order, const unsigned char *a, uint32_t a_bytes,
			const unsigned char *b, uint32_t b_bytes)
{
	uint64_t both = min_u64(a_bytes, b_bytes);
	int r;

	if (order->kind == DL_ORDERING_CALLER)
		return order->caller->compare(a, a_bytes, b, b_bytes, order->caller->context);
	r = order->kind == DL_ORDERING_NOCASE ? compare_lower(a, b, both) : memcmp(a, b, both);
	return r ? r : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}
