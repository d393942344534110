/* SPDX-License-Identifier: MIT */
/*
 * image.h - segments at a moment, and where in them something is worth damaging
 *
 * An input of fuzz_open does not hold a segment's bytes: it names one of the images in
 * images.bin and says what is to be changed in it. So an input is short, nearly each of them
 * gets past the checks at the door, and each bit of it means something.
 */
#ifndef TESTS_FUZZ_IMAGE_H
#define TESTS_FUZZ_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "layout/super.h"

enum { IMAGES_MAX = 16, SPOTS_MAX = 8192 };

/* what a damage is done to */
enum spot_kind {
	SPOT_SUPER,		/* a word of the super block; its checksum is made right again */
	SPOT_GEOMETRY,		/* one of its four numbers; the offsets are made right as well */
	SPOT_STATE,		/* a word of dl_state */
	SPOT_STATUS,		/* a lane's status */
	SPOT_GROUP,		/* a group's hint */
	SPOT_SLOT,		/* a word of a process' place */
	SPOT_PAGE,		/* a page's word */
	SPOT_LANE,		/* a word of a lane before its log */
	SPOT_LOG,		/* a word of a lane's log */
	SPOT_BLOCK_STATE,	/* the state of a block */
	SPOT_INDEX,		/* a word of an index: header and partitions */
	SPOT_TABLE,		/* a word of a table of slots */
	SPOT_ENTRY,		/* a word of an entry: an object, or a key of a map */
	SPOT_DATA,		/* any word of the data */
	SPOT_ANY,		/* any word at all */
	SPOT_LOG_ENTRY,		/* adds an entry to a lane's log, and opens it */
	SPOT_LOCK,		/* a lock word of an index, as a lane would write it */
	SPOT_LENGTH,		/* bytes of the file */
	SPOT_AT,		/* the word with number which, whatever it is */
	SPOT_KIND_COUNT,
};

/* one of them; 12 bytes in an input */
struct damage {
	uint8_t kind;		/* enum spot_kind */
	uint8_t how;		/* enum damage_how */
	uint16_t which;		/* spot of that kind */
	uint64_t value;
};

enum damage_how {
	HOW_SET,
	HOW_XOR,
	HOW_ADD,
	HOW_SET_LOW,		/* 32 bits */
	HOW_SET_HIGH,
	HOW_SET_BYTE,		/* value: byte | its number << 8 */
	HOW_COPY,		/* from the spot of the same kind with number value */
	HOW_PAGE_WORD,		/* value: kind | class << 8 | lane << 16 | count << 24 */
	HOW_BLOCK,		/* the offset of a block in use, number value; top 16 bits stay */
	HOW_TABLE,		/* a block's offset, number value / 64, with value % 64 bits */
	HOW_COUNT,
};

enum { DAMAGE_BYTES = 12 };

struct spots {
	uint32_t offsets[SPOTS_MAX];
	unsigned count;
};

struct image {
	unsigned char *bytes;		/* max_bytes of them */
	size_t file_bytes, max_bytes;
	struct spots spots[SPOT_KIND_COUNT];
	struct spots blocks;		/* starts of blocks in use */
};

/* all of images.bin, read once; aborts when it cannot be read */
unsigned images_load(void);
const struct image *image_at(unsigned number);

/* a copy of an image under damage */
struct patient {
	const struct image *image;
	unsigned char *bytes;		/* aligned to 64 */
	size_t max_bytes;		/* of the array bytes */
	size_t file_bytes;		/* of it that are there */
};

void damage_read(struct damage *ret, const uint8_t bytes[DAMAGE_BYTES]);
void damage_write(const struct damage *damage, uint8_t bytes[DAMAGE_BYTES]);
void damage_do(struct patient *patient, const struct damage *damage);

/* recomputes the offsets (relays), then the checksum */
void super_repair(struct dl_super *super, int relays);

#endif
