/* SPDX-License-Identifier: MIT */
/*
 * mutate.c - how libFuzzer gets from one input of fuzz_open to the next
 *
 * Left to itself it would seldom write a damage that means something. So two times in three
 * a damage is added, changed or taken away as a whole; else it does what it does to any bytes.
 * Only the fuzzer needs this file: run_corpus.c mutates nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "input.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static const uint64_t interesting[] = {
	0, 1, 2, 3, 7, 8, 9, 0xff, 0xffff, 0x10000, 0x7fffffff, 0xffffffff, 0x100000000,
	0xffffffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, 4096, 4095, 65536, 8192, 16384,
};

static void random_damage(struct damage *d, unsigned *seed)
{
	d->kind = (uint8_t)((unsigned)rand_r(seed) % SPOT_KIND_COUNT);
	d->how = (uint8_t)((unsigned)rand_r(seed) % HOW_COUNT);
	d->which = (uint16_t)rand_r(seed);
	switch (rand_r(seed) % 4) {
	case 0:
		d->value = interesting[(unsigned)rand_r(seed) %
				       (sizeof interesting / sizeof *interesting)];
		break;
	case 1:
		d->value = (uint64_t)rand_r(seed) % 64;
		break;
	case 2:
		d->value = (uint64_t)rand_r(seed) % 0x40000 | (uint64_t)rand_r(seed) % 16 << 32;
		break;
	default:
		d->value = (uint64_t)rand_r(seed) << 32 ^ (uint64_t)rand_r(seed) << 10;
		break;
	}
}

static size_t insert_damage(uint8_t *data, size_t size, size_t max_size, unsigned *seed)
{
	unsigned count = data[2] % DAMAGES_MAX;
	size_t at = HEADER_BYTES + count * (size_t)DAMAGE_BYTES;
	struct damage d;

	if (count + 1 >= DAMAGES_MAX || size + DAMAGE_BYTES > max_size || at > size)
		return 0;
	random_damage(&d, seed);
	memmove(data + at + DAMAGE_BYTES, data + at, size - at);
	damage_write(&d, data + at);
	data[2] = (uint8_t)(count + 1);
	return size + DAMAGE_BYTES;
}

/* A damage more, another one, one less; or as libFuzzer does with any bytes. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	unsigned count = size > HEADER_BYTES ? data[2] % DAMAGES_MAX : 0;
	size_t end = HEADER_BYTES + count * (size_t)DAMAGE_BYTES, n;
	struct damage d;

	if (size < HEADER_BYTES || data[1] & INPUT_IS_RAW || end > size || rand_r(&seed) % 3 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	switch (rand_r(&seed) % 6) {
	case 0:
	case 1:
		n = insert_damage(data, size, max_size, &seed);
		return n ? n : LLVMFuzzerMutate(data, size, max_size);
	case 2:
		if (!count)
			break;
		uint8_t *at = data + HEADER_BYTES +
			      (unsigned)rand_r(&seed) % count * (size_t)DAMAGE_BYTES;
		damage_read(&d, at);
		if (rand_r(&seed) % 2)
			random_damage(&d, &seed);
		else if (rand_r(&seed) % 2)
			d.which = (uint16_t)(d.which + rand_r(&seed) % 5 - 2);
		else
			d.value += (uint64_t)(rand_r(&seed) % 17) - 8;
		damage_write(&d, at);
		return size;
	case 3:
		if (!count)
			break;
		memmove(data + HEADER_BYTES, data + HEADER_BYTES + DAMAGE_BYTES,
			size - HEADER_BYTES - DAMAGE_BYTES);
		data[2] = (uint8_t)(count - 1);
		return size - DAMAGE_BYTES;
	case 4:
		data[0] = (uint8_t)rand_r(&seed);
		data[1] = (uint8_t)((unsigned)rand_r(&seed) % MODE_COUNT);
		return size;
	default:
		break;
	}
	/* the script alone */
	return end + LLVMFuzzerMutate(data + end, size - end, max_size - end);
}
