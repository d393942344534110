/* SPDX-License-Identifier: MIT */
/*
 * cases.c - inputs that no fuzzer has to find: each small damage, one at a time
 *
 * What     of every image: the file cut at each page, and within the first page at each line;
 *          each byte of the super block inverted, with its checksum wrong for it, and each
 *          word of it changed, with a right checksum; each word of the tables and of the
 *          library's own data in the heap set to 0, to ~0, to its neighbours, and changed by
 *          little. Where unused memory is all zeros, one image stands for all.
 * Method   A case is a header, one damage and the same script of calls each time: a little of
 *          everything, so that what was damaged is used.
 */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "input.h"

enum { PAGE = 4096, LINE = 64, FILE_IMAGE = 7 };

/* call | kind, arguments: see change.c */
static const uint8_t script[] = {
	7 | 1 << 3,			/* recover */
	0, 0, 0, 1 | 1 << 3, 0, 3 | 5 << 3,	/* reserve small blocks, and a run */
	1 | 2 << 3, 0, 7,		/* publish one */
	1 | 1 << 3, 1, 0,		/* cancel one */
	2, 0, 2, 1, 2, 6,		/* free from three places */
	3, 3, 3 | 1 << 3, 4, 5,		/* objects, one with a constructor that allocates */
	3 | 6 << 3, 0,			/* one is destroyed */
	4, 1, 4, 31, 4 | 3 << 3, 2, 4 | 4 << 3, 3,	/* put, put a new key, add, remove */
	5, 9, 1, 1, 5 | 4 << 3, 0, 0, 1,	/* a transaction: write, lock, ... */
	4 | 7 << 3, 5,			/* ... many new keys, so that tables grow */
	5 | 6 << 3, 0, 0, 0,		/* commit */
	6, 0, 6 | 2 << 3, 0, 6, 2,	/* lock, unlock, lock */
	6 | 16 << 3, 0, 4, 6 | 16 << 3, 0, 13,	/* share, take a unit; change up, keep none */
	6 | 16 << 3, 0, 8, 6 | 16 << 3, 0, 6,	/* upgradable, two units; post one */
	7 | 2 << 3,			/* trim */
	7 | 3 << 3, 0, 0, 1,		/* grow */
	7 | 6 << 3,			/* leave, and come back */
	4 | 6 << 3, 0,			/* destroy the map */
};

struct making {
	struct fuzz_case c;
	void (*visit)(const struct fuzz_case *c, void *context);
	void *context;
	uint8_t image;
};

static void make(struct making *m, enum mode mode, const struct damage *damage)
{
	struct fuzz_case *c = &m->c;

	c->bytes[0] = m->image;
	c->bytes[1] = (uint8_t)mode;
	c->bytes[2] = 1;
	c->bytes[3] = 0;
	damage_write(damage, c->bytes + HEADER_BYTES);
	memcpy(c->bytes + HEADER_BYTES + DAMAGE_BYTES, script, sizeof script);
	c->count = HEADER_BYTES + DAMAGE_BYTES + sizeof script;
	m->visit(c, m->context);
}

static void cut(struct making *m, uint64_t bytes)
{
	struct damage d = { .kind = SPOT_LENGTH, .value = bytes };

	for (int mode = MODE_FILE_READ; mode <= MODE_FILE_VIEW; mode++) {
		snprintf(m->c.name, sizeof m->c.name, "image %u cut to %llu bytes, mode %d", m->image,
			 (unsigned long long)bytes, mode);
		make(m, (enum mode)mode, &d);
	}
}

static void cut_everywhere(struct making *m)
{
	const struct image *image = image_at(m->image);

	for (uint64_t bytes = 0; bytes <= image->file_bytes; bytes += PAGE)
		cut(m, bytes);
	for (uint64_t bytes = 0; m->image == FILE_IMAGE && bytes < PAGE; bytes += LINE)
		cut(m, bytes + 1);
}

static void invert_super_bytes(struct making *m)
{
	for (unsigned byte = 0; byte < sizeof(struct dl_super); byte++) {
		struct damage d = { .kind = SPOT_AT, .how = HOW_XOR, .which = (uint16_t)(byte / 8),
				    .value = UINT64_C(0xff) << byte % 8 * 8 };
		snprintf(m->c.name, sizeof m->c.name, "image %u, byte %u of the super block inverted",
			 m->image, byte);
		make(m, MODE_BUFFER, &d);
		make(m, MODE_FILE_READ, &d);
	}
}

static const struct {
	enum damage_how how;
	uint64_t value;
	const char *name;
} changes[] = {
	{ HOW_SET, 0, "set to 0" },
	{ HOW_SET, UINT64_MAX, "set to ~0" },
	{ HOW_ADD, 1, "one more" },
	{ HOW_ADD, UINT64_MAX, "one less" },
	{ HOW_XOR, UINT64_C(1) << 31, "bit 31 inverted" },
	{ HOW_XOR, UINT64_C(1) << 63, "bit 63 inverted" },
	{ HOW_SET, 64, "set to 64" },
	{ HOW_ADD, PAGE, "a page more" },
};

enum { CHANGES = sizeof changes / sizeof *changes };

static void change_super_words(struct making *m)
{
	for (unsigned word = 0; word < image_at(m->image)->spots[SPOT_SUPER].count; word++)
		for (unsigned i = 0; i < CHANGES; i++) {
			struct damage d = { .kind = SPOT_SUPER, .how = (uint8_t)changes[i].how,
					    .which = (uint16_t)word, .value = changes[i].value };
			snprintf(m->c.name, sizeof m->c.name,
				 "image %u, word %u of the super block %s, checksum right", m->image,
				 word, changes[i].name);
			make(m, MODE_BUFFER, &d);
			make(m, MODE_FILE_WRITE, &d);
		}
}

/* As a buffer, whose lanes are all somebody's who is gone, and as a file, where one asks. */
static void make_both(struct making *m, const struct damage *d)
{
	make(m, d->which % 8 ? MODE_BUFFER : MODE_BUFFER_AGAIN, d);
	make(m, d->which % 8 ? MODE_FILE_WRITE : MODE_FILE_VIEW, d);
}

static void change_word(struct making *m, unsigned word, unsigned change)
{
	struct damage d = { .kind = SPOT_AT, .how = (uint8_t)changes[change].how,
			    .which = (uint16_t)word, .value = changes[change].value };

	snprintf(m->c.name, sizeof m->c.name, "image %u, word at +%#x %s", m->image, word * 8,
		 changes[change].name);
	make_both(m, &d);
}

static void copy_neighbour(struct making *m, unsigned word, int distance)
{
	struct damage d = { .kind = SPOT_AT, .how = HOW_COPY, .which = (uint16_t)word,
			    .value = (uint64_t)((int)word + distance) };

	snprintf(m->c.name, sizeof m->c.name, "image %u, word at +%#x set to its neighbour at %+d",
		 m->image, word * 8, distance * 8);
	make_both(m, &d);
}

static uint64_t word_of(const struct image *image, unsigned word)
{
	uint64_t value;

	memcpy(&value, image->bytes + word * (size_t)8, 8);
	return value;
}

static void change_words(struct making *m)
{
	const struct image *image = image_at(m->image);
	const struct dl_super *s = (const struct dl_super *)(const void *)image->bytes;
	unsigned end = (unsigned)(image->file_bytes / 8);

	for (unsigned word = DL_STATE_OFFSET / 8; word + 1 < end; word++) {
		bool is_table = word < s->data_offset / 8;
		if (!word_of(image, word)) {
			if (is_table && m->image == FILE_IMAGE)
				change_word(m, word, 1);
			if (word_of(image, word - 1))
				copy_neighbour(m, word, -1);
			continue;
		}
		for (unsigned i = 0; i < CHANGES; i++)
			change_word(m, word, i);
		copy_neighbour(m, word, 1);
		copy_neighbour(m, word, -1);
	}
}

void cases_each(void (*visit)(const struct fuzz_case *c, void *context), void *context)
{
	struct making m = { .visit = visit, .context = context };

	unsigned images = images_load();

	for (m.image = 0; m.image < images; m.image++) {
		cut_everywhere(&m);
		if (m.image == 1 || m.image == FILE_IMAGE) {
			invert_super_bytes(&m);
			change_super_words(&m);
		}
		change_words(&m);
	}
}
