/* SPDX-License-Identifier: MIT */
/*
 * fuzz_open.c - whatever the bytes of a segment are, the library says so and goes on
 *
 * Promise  opening, checking and reading a segment of any bytes gives an error with a reason,
 *          or works; never a crash, a hang, an endless loop. Changing a damaged segment that
 *          could be opened may damage it further, but does not crash or hang either.
 * Input    input.h
 * Method   An image of a small segment is copied and damaged, then opened as a buffer or as a
 *          memory file, read with every call that reads (look.c), changed by a script of
 *          calls (change.c), read again and closed. The buffer is as long as the segment
 *          says, so that a sanitizer sees the first byte beyond it.
 *          All of that happens in a thread of its own: what a damaged segment does not let it
 *          give back, the library takes back when the thread ends.
 */
#include "fuzz.h"

#include <dure.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"
#include "run.h"

/* One opening of the damaged bytes. */
struct opening {
	struct dure_segment_options options;
	uint32_t flags;			/* for dure_segment_open */
	size_t bytes;			/* of the segment that are there */
	struct script script;
	uint8_t input_flags;
	dure_segment *segment;		/* NULL: it could not be opened, or is closed */
};

static void give_units_back(struct run *run)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	if (dure_semaphore_info(run->segment, &run->places->semaphore, &info) == 0 && info.own)
		(void)dure_semaphore_keep(run->segment, &run->places->semaphore, info.own);
}

static void leave(struct run *run)
{
	if (run->tx)
		(void)dure_tx_abort(run->tx);
	for (unsigned i = 0; run->places && i < 4; i++)
		for (unsigned depth = 0; depth < CALLS_MAX; depth++)
			if (dure_mutex_unlock(run->segment, &run->places->locks[i]) < 0)
				break;
	for (unsigned depth = 0; run->places && depth < CALLS_MAX; depth++)
		if (dure_rwlock_unlock(run->segment, &run->places->rwlock) < 0)
			break;
	if (run->places)
		give_units_back(run);
	dure_map_close(run->map);
	dure_map_close(run->wide);
}

static void *use(void *argument)
{
	struct opening *o = argument;
	struct run run;

	if (dure_segment_open(NULL, DURE_OPEN | o->flags, &o->options, &o->segment) < 0) {
		o->segment = NULL;
		if (!*dure_last_error())
			abort();		/* an error without a reason */
		return NULL;
	}
	run = (struct run){ .segment = o->segment, .script = o->script, .bytes = o->bytes,
			    .base = dure_segment_base(o->segment) };
	if (!(o->input_flags & INPUT_READS_LATE))
		read_all(&run);
	if (!(o->input_flags & INPUT_CHECKS_LATE))
		check(&run);
	play(&run);
	check(&run);
	read_all(&run);
	leave(&run);
	if (dure_segment_close(o->segment) == 0)
		o->segment = NULL;
	return NULL;
}

static void use_in_thread(struct opening *o)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, use, o) || pthread_join(thread, NULL))
		abort();
	/* the thread had a lock or a transaction to the last: now nobody has */
	if (o->segment && dure_segment_close(o->segment) < 0)
		abort();
}

static void *new_bytes(size_t count)
{
	void *bytes;

	if (posix_memalign(&bytes, 64, count))
		abort();
	memset(bytes, 0, count);
	return bytes;
}

/* As long as its super block says, so that a sanitizer sees the first byte beyond. */
static size_t length_of(const unsigned char *bytes, size_t there)
{
	const struct dl_super *s = (const struct dl_super *)(const void *)bytes;

	if (there < sizeof *s || s->max_bytes > SEGMENT_BYTES_MAX)
		return there;
	return s->max_bytes < DL_SUPER_BYTES ? DL_SUPER_BYTES : (size_t)s->max_bytes;
}

static void open_buffer(struct opening *o, const unsigned char *bytes, int times)
{
	size_t length = length_of(bytes, o->bytes);

	o->options.backing = DURE_BACKING_BUFFER;
	o->options.size_bytes = length;
	o->options.buffer = new_bytes(length);
	memcpy(o->options.buffer, bytes, o->bytes < length ? o->bytes : length);
	o->bytes = length;
	for (int i = 0; i < times; i++)
		use_in_thread(o);
	free(o->options.buffer);
}

static void open_file(struct opening *o, const unsigned char *bytes, uint32_t flags)
{
	o->options.backing = DURE_BACKING_MEMORY_FILE;
	o->options.fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (o->options.fd < 0 || write(o->options.fd, bytes, o->bytes) != (ssize_t)o->bytes)
		abort();
	o->flags = flags;
	use_in_thread(o);
	close(o->options.fd);
}

static void open_somehow(struct opening *o, uint8_t mode, const unsigned char *bytes)
{
	switch (mode % MODE_COUNT) {
	case MODE_FILE_READ:
		open_file(o, bytes, DURE_READ_ONLY);
		break;
	case MODE_FILE_WRITE:
		open_file(o, bytes, 0);
		break;
	case MODE_FILE_VIEW:
		open_file(o, bytes, DURE_COPY_ON_WRITE);
		break;
	case MODE_BUFFER_AGAIN:
		open_buffer(o, bytes, 2);
		break;
	default:
		open_buffer(o, bytes, 1);
		break;
	}
}

/* The rest of the input is the segment. */
static void open_raw(struct opening *o, uint8_t mode, int gets_super)
{
	size_t there = o->script.left < SEGMENT_BYTES_MAX ? o->script.left : SEGMENT_BYTES_MAX;
	unsigned char *bytes = new_bytes(there + DL_SUPER_BYTES);

	if (there)
		memcpy(bytes, o->script.at, there);
	if (gets_super) {
		struct dl_super *s = (struct dl_super *)(void *)bytes;
		memcpy(bytes, image_at(0)->bytes, sizeof *s);
		s->max_bytes = there & ~(size_t)4095;
		super_repair(s, 1);
	}
	o->script.left = 0;
	o->bytes = there;
	open_somehow(o, mode, bytes);
	free(bytes);
}

static void open_damaged(struct opening *o, uint8_t mode, const struct image *image,
			 unsigned damages)
{
	struct patient p = { .image = image, .file_bytes = image->file_bytes,
			     .max_bytes = image->max_bytes };
	struct damage damage;

	p.bytes = new_bytes(p.max_bytes);
	memcpy(p.bytes, image->bytes, p.max_bytes);
	for (; damages && o->script.left >= DAMAGE_BYTES; damages--) {
		damage_read(&damage, o->script.at);
		damage_do(&p, &damage);
		o->script.at += DAMAGE_BYTES;
		o->script.left -= DAMAGE_BYTES;
	}
	bool is_file = mode % MODE_COUNT >= MODE_FILE_READ && mode % MODE_COUNT <= MODE_FILE_VIEW;
	o->bytes = is_file ? p.file_bytes : p.max_bytes;
	open_somehow(o, mode, p.bytes);
	free(p.bytes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	images_load();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct opening o = { .options = { .sz = sizeof o.options } };

	if (size < HEADER_BYTES)
		return 0;
	o.script = (struct script){ .at = data + HEADER_BYTES, .left = size - HEADER_BYTES };
	o.input_flags = data[3];
	if (data[1] & INPUT_IS_RAW)
		open_raw(&o, data[1] & INPUT_MODE_MASK, data[2] & 1);
	else
		open_damaged(&o, data[1], image_at(data[0]), data[2] % DAMAGES_MAX);
	return 0;
}
