/* SPDX-License-Identifier: MIT */
/*
 * change.c - a script of changing calls
 *
 * One byte chooses a call (the low three bits a kind of calls, the others one of them), the
 * bytes behind it its arguments. All are calls that a program might make of a segment that it
 * believes to be right; whether they succeed is of no interest.
 */
#include <stdio.h>
#include <string.h>

#include "run.h"

static dure_ref *a_ref(struct run *run)
{
	unsigned n = script_byte(&run->script) % 8;

	return run->places ? &run->places->refs[n] : NULL;
}

static dure_mutex *a_lock(struct run *run)
{
	unsigned n = script_byte(&run->script) % 4;

	return run->places ? &run->places->locks[n] : NULL;
}

static void *an_address(struct run *run)
{
	size_t offset = script_number(&run->script, 3) * (size_t)4;

	return run->base + (run->bytes ? offset % run->bytes : 0);
}

static int name_one(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct run *run = context;
	void *block;

	(void)object;
	(void)count;
	return dure_tx_alloc(tx, script_byte(&run->script) * 8u, 0, &block);
}

static void reserve(struct run *run)
{
	static const uint32_t sizes[] = { 16, 100, 700, 5000, 9000, 40000, 24, 2000 };
	uint8_t which = script_byte(&run->script);
	void **held = &run->held[which % HELD_MAX];
	uint32_t bytes = sizes[which >> 3 & 7], align = which & 64 ? 64 : 0;

	if (*held || dure_block_reserve(run->segment, bytes, align, held) < 0)
		return;
	memset(*held, 0x5a, bytes);
}

static void use_held(struct run *run, uint8_t call)
{
	void **held = &run->held[script_byte(&run->script) % HELD_MAX];
	dure_ref *ref = a_ref(run);
	int r = -1;

	if (!*held)
		return;
	switch (call % 5) {
	case 0:
		r = dure_block_keep(run->segment, *held);
		break;
	case 1:
		r = dure_block_cancel(run->segment, *held);
		break;
	case 2:
		r = ref ? dure_block_publish(run->segment, *held, ref) : -1;
		break;
	case 3:
		r = ref ? dure_block_replace(run->segment, *held, ref) : -1;
		break;
	default:
		r = dure_block_free(run->segment, *held);
		break;
	}
	if (r == 0)
		*held = NULL;
}

static void change_refs(struct run *run, uint8_t call)
{
	dure_ref *ref = a_ref(run);
	size_t bytes;
	void *p;

	if (!ref)
		return;
	p = dure_ref_get(run->segment, *ref, 16);
	switch (call % 4) {
	case 0:
		(void)dure_block_free_from(run->segment, ref);
		break;
	case 1:
		(void)dure_block_alloc(run->segment, script_byte(&run->script) * 64u, 0, ref);
		break;
	case 2:
		if (p)
			(void)dure_block_resize(run->segment, p,
						script_number(&run->script, 2) * (size_t)2, &bytes);
		break;
	default:
		(void)dure_block_free(run->segment, an_address(run));
		break;
	}
}

static void change_objects(struct run *run, uint8_t call)
{
	char name[2] = { (char)('a' + (script_byte(&run->script) & 7)), '\0' };
	struct dure_type type = DURE_TYPE(struct node);
	dure_segment *segment = run->segment;
	void *p;

	switch (call % 8) {
	case 0:
		(void)dure_object_construct(segment, name, type, 1, NULL, NULL, &p);
		break;
	case 1:
		(void)dure_object_construct(segment, name, type, 2, name_one, run, &p);
		break;
	case 2:
		(void)dure_object_find_or_create(segment, name, type, 1, NULL, NULL, &p);
		break;
	case 3:
		(void)dure_object_destroy(segment, name, type, NULL, NULL);
		break;
	case 4:
		(void)dure_object_construct(segment, DURE_ANONYMOUS, type, 1, NULL, NULL, &p);
		break;
	case 5:
		(void)dure_object_destroy_at(segment, an_address(run), NULL, NULL);
		break;
	case 6:
		(void)dure_object_destroy(segment, "shop", type, NULL, NULL);
		break;
	default:
		(void)dure_object_destroy(segment, DURE_UNIQUE, DURE_TYPE(long), NULL, NULL);
		break;
	}
}

static void change_map(struct run *run, uint8_t call)
{
	static const char value[64] = "a value";
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = 8, .partitions = 2 };
	char key[8];
	int bytes = snprintf(key, sizeof key, "key-%u", script_byte(&run->script) % 40u);
	dure_map *map;

	/* bound to values of 8 bytes, so that value is long enough */
	if (call % 8 != 6 && dure_map_open(run->segment, "map", DURE_OPEN | DURE_CREATE, &o, &map) < 0)
		return;
	switch (call % 8) {
	case 0:
	case 1:
		(void)dure_map_put(map, key, (size_t)bytes, value);
		break;
	case 2:
		(void)dure_map_insert(map, key, (size_t)bytes, value);
		break;
	case 3:
		(void)dure_map_add(map, key, (size_t)bytes, 3, NULL);
		break;
	case 4:
	case 5:
		(void)dure_map_remove(map, key, (size_t)bytes);
		break;
	case 6:
		if (!run->tx) {
			dure_map_close(run->map);
			run->map = NULL;
			(void)dure_map_destroy(run->segment, "map");
		}
		return;
	default:
		for (int i = 0; i < 20; i++) {
			key[0] = (char)('k' + i);
			(void)dure_map_put(map, key, (size_t)bytes, value);
		}
		break;
	}
	dure_map_close(map);
}

static void in_transaction(struct run *run, uint8_t call)
{
	uint64_t word = script_byte(&run->script);
	dure_ref *ref = a_ref(run);
	dure_mutex *lock = a_lock(run);
	void *p;

	if (!run->tx && dure_tx_begin(run->segment, &run->tx) < 0)
		run->tx = NULL;
	if (!run->tx)
		return;
	switch (call % 8) {
	case 0:
		if (ref)
			(void)dure_tx_write(run->tx, ref, &word, sizeof word);
		break;
	case 1:
		if (ref)
			(void)dure_tx_write(run->tx, (char *)ref + 1, &word, 3);
		break;
	case 2:
		if (dure_tx_alloc(run->tx, (size_t)word * 50, 0, &p) == 0)
			memset(p, 1, (size_t)word * 50);
		break;
	case 3:
		p = ref ? dure_ref_get(run->segment, *ref, 1) : NULL;
		if (p)
			(void)dure_tx_free(run->tx, p);
		break;
	case 4:
		if (lock)
			(void)dure_tx_lock(run->tx, lock, 0);
		break;
	case 5:
		p = dure_ref_get(run->segment, (dure_ref){ word * 512 }, 5000);
		if (p)
			(void)dure_tx_add(run->tx, p, 5000);
		break;
	case 6:
		(void)dure_tx_commit(run->tx);
		run->tx = NULL;
		break;
	default:
		(void)dure_tx_abort(run->tx);
		run->tx = NULL;
		break;
	}
}

/* call: what 2 bits | mode or units 2 bits | for good 1 bit */
static void use_shared_locks(struct run *run, unsigned call)
{
	dure_rwlock *rwlock = &run->places->rwlock;
	dure_semaphore *semaphore = &run->places->semaphore;
	enum dure_lock_mode mode = (enum dure_lock_mode)(call >> 2 & 3);

	switch (call & 3) {
	case 0:
		(void)dure_rwlock_lock(run->segment, rwlock, mode, 0);
		(void)dure_semaphore_take(run->segment, semaphore, mode, call >> 4 & 1, 0);
		break;
	case 1:
		(void)dure_rwlock_change(run->segment, rwlock, mode, 0);
		(void)dure_semaphore_keep(run->segment, semaphore, mode);
		break;
	case 2:
		(void)dure_rwlock_mark_consistent(run->segment, rwlock);
		(void)dure_semaphore_post(run->segment, semaphore, mode);
		break;
	default:
		(void)dure_rwlock_unlock(run->segment, rwlock);
		break;
	}
}

static void use_locks(struct run *run, uint8_t call)
{
	dure_mutex *lock = a_lock(run);

	if (!lock)
		return;
	if (call >= 16) {
		use_shared_locks(run, script_byte(&run->script));
		return;
	}
	switch (call % 5) {
	case 0:
	case 1:
		(void)dure_mutex_lock(run->segment, lock, 0);
		break;
	case 2:
		(void)dure_mutex_unlock(run->segment, lock);
		break;
	case 3:
		(void)dure_mutex_mark_consistent(run->segment, lock);
		break;
	default:
		(void)dure_mutex_abandon(run->segment, lock);
		break;
	}
}

static void whole_segment(struct run *run, uint8_t call)
{
	struct dure_object_info info = { .sz = sizeof info };
	uint64_t bytes;
	size_t size;

	switch (call % 10) {
	case 0:
		check(run);
		break;
	case 8:
		(void)dure_segment_prefault(run->segment, script_number(&run->script, 2) * 8u);
		break;
	case 9:
		(void)dure_segment_advise(run->segment, script_byte(&run->script) % 4u);
		break;
	case 1:
		(void)dure_segment_recover(run->segment);
		break;
	case 2:
		(void)dure_segment_trim(run->segment, &bytes);
		break;
	case 3:
		(void)dure_segment_grow(run->segment, script_number(&run->script, 3));
		break;
	case 4:
		(void)dure_object_info_of(run->segment, an_address(run), &info);
		break;
	case 5:
		(void)dure_block_size(run->segment, an_address(run), &size);
		break;
	case 6:
		if (!run->tx)
			(void)dure_thread_detach(run->segment);
		break;
	default:
		read_all(run);
		break;
	}
}

void play(struct run *run)
{
	for (unsigned calls = 0; run->script.left && calls < CALLS_MAX; calls++) {
		uint8_t code = script_byte(&run->script), call = code >> 3;
		switch (code & 7) {
		case 0:
			reserve(run);
			break;
		case 1:
			use_held(run, call);
			break;
		case 2:
			change_refs(run, call);
			break;
		case 3:
			if (call < 16)
				change_objects(run, call);
			else
				change_containers(run, call);
			break;
		case 4:
			change_map(run, call);
			break;
		case 5:
			in_transaction(run, call);
			break;
		case 6:
			use_locks(run, call);
			break;
		default:
			whole_segment(run, call);
			break;
		}
	}
}
