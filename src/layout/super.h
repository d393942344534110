/* SPDX-License-Identifier: MIT */
/*
 * super.h - the first page of a segment: what it is, where things are, how it fares
 *
 * Layout   0x000  struct dl_super   written once before the segment has a name, checksummed
 *          0x200  struct dl_state   the few words that everybody shares
 *          then, each at the offset the super block names:
 *            lane_status   8 bytes per lane: who owns it
 *            groups        1 byte per 512 pages: where looking is worth while
 *            slots         128 bytes per process
 *            pages         8 bytes per page: what it is (layout/page.h)
 *            lanes         4 KiB per thread (layout/lane.h)
 *            data          the pages themselves
 *          The tables are sized for max_bytes. On a file they are sparse: only what lies
 *          below a high-water mark, or describes pages below limit_bytes, is backed and may be
 *          touched.
 * Rules    [SUPER1] dl_super never changes after the segment got its name
 *          [SUPER2] every process checks it once, copies it, and uses the copy
 *          [SUPER3] offsets are bytes from the segment's start; 0 is no place
 * Writers  beside each field of dl_state.
 */
#ifndef DUREI_LAYOUT_SUPER_H
#define DUREI_LAYOUT_SUPER_H

#include <assert.h>
#include <stddef.h>

#include "cell/cell.h"

/* The first byte is no ASCII, and the line ends show a copy in text mode, as in PNG. */
#define DL_MAGIC "\x89" "dure\r\n"	/* and the terminating 0: 8 bytes */

enum {
	DL_BYTE_ORDER = 0x01020304,
	DL_VERSION_MAJOR = 1,
	DL_VERSION_MINOR = 0,

	DL_SUPER_BYTES = 4096,
	DL_STATE_OFFSET = 512,
	DL_NAME_BYTES = 128,
	DL_GROUP_PAGES = 512,		/* 512 page words are one 4 KiB page of the table */
	DL_PAGE_SHIFT_MIN = 12,
	DL_PAGE_SHIFT_MAX = 16,
	DL_SLOTS_MAX = 4096,
	DL_LANES_MAX = 65535,		/* ids are 16 bits, 0 is nobody */
};

#define DL_BYTES_MAX (UINT64_C(1) << 47)	/* offsets share words with up to 16 other bits */

/* no feature bits are in use in version 1.0 */
#define DL_FEATURES_COMPATIBLE UINT64_C(0)
#define DL_FEATURES_READ_ONLY UINT64_C(0)
#define DL_FEATURES_INCOMPATIBLE UINT64_C(0)

struct dl_super {
	uint8_t magic[8];
	uint32_t byte_order;
	uint16_t version_major;		/* another major: not ours */
	uint16_t version_minor;
	uint64_t features_compatible;	/* unknown bits do no harm */
	uint64_t features_read_only;	/* unknown bits: look, but do not write */
	uint64_t features_incompatible;	/* unknown bits: hands off */
	uint64_t max_bytes;		/* of the segment with all its tables */
	uint32_t page_shift;
	uint32_t slot_count;
	uint32_t lane_count;		/* lane 0 is not used; ids are 1 .. lane_count - 1 */
	uint32_t group_count;
	uint64_t lane_status_offset;
	uint64_t groups_offset;
	uint64_t slots_offset;
	uint64_t pages_offset;
	uint64_t lanes_offset;
	uint64_t data_offset;
	uint64_t hash_seed;
	uint64_t created_ns;		/* wall clock, for people */
	uint8_t uuid[16];
	uint32_t lifetime;		/* enum dure_lifetime */
	uint32_t backing;		/* enum dure_backing */
	uint32_t mode;			/* permission bits asked for */
	uint32_t creator_process;	/* for people */
	uint32_t creator_user;
	uint32_t index_bits;		/* log2 of the object directory's partitions */
	uint8_t creator_name[16];
	uint8_t name[DL_NAME_BYTES];
	uint64_t checksum;		/* hash_bytes(0, this struct up to here) */
};

static_assert(sizeof(struct dl_super) == 320, "no padding");
static_assert(sizeof(struct dl_super) <= DL_STATE_OFFSET, "dl_super ends before dl_state");
static_assert(offsetof(struct dl_super, max_bytes) == 40, "no padding: 32- and 64-bit agree");
static_assert(offsetof(struct dl_super, lane_status_offset) == 64, "no padding");
static_assert(offsetof(struct dl_super, uuid) == 128, "no padding");
static_assert(offsetof(struct dl_super, checksum) == 312, "no padding");

struct dl_state {
	/* where pages end today; raised by whoever grows the segment */
	_Alignas(64) struct cell64 limit_bytes;
	/* the most pages ever in use; raised by whoever claims pages */
	struct cell64 pages_high_water;
	/* pages in use now; a statistic: a death between page word and here may falsify it */
	struct cell64 pages_used;

	/* a lane (id) that wants everybody to stand still, or 0: segment/gate.c */
	_Alignas(64) struct cell32 gate;

	/* below these the tables are backed; raised before first use */
	_Alignas(64) struct cell32 slot_high;
	struct cell32 lane_high;
	/* counts calls for help: who sees it changed gives up pages it merely hoards */
	struct cell32 pressure;
	struct cell32 spare;

	/* the object directory; written once, before the segment has a name */
	_Alignas(64) struct cell64 directory;

	/* file segments only (segment/checkpoint.c) */
	_Alignas(64) struct cell64 is_clean;
	struct cell64 boot_low;		/* the boot id, in two words */
	struct cell64 boot_high;

	/* for whom a touch of the file is worth while (segment/poll.c) */
	_Alignas(64) struct cell64 polled;
};

static_assert(sizeof(struct dl_state) == 6 * 64, "six cache lines");
static_assert(DL_STATE_OFFSET + sizeof(struct dl_state) <= DL_SUPER_BYTES, "one page");

/* one attached process; all but state is for people to read */
struct dl_slot {
	struct cell64 state;		/* DL_SLOT_ATTACHED | generation << 8; written by whoever
					   holds the slot's lock byte */
	uint32_t process;		/* in its own PID namespace */
	uint32_t user;
	uint64_t pid_namespace;
	uint64_t attached_ns;		/* wall clock */
	uint8_t name[16];
	uint64_t reserved[10];
};

static_assert(sizeof(struct dl_slot) == 128, "two cache lines");

enum {
	DL_SLOT_FREE = 0,
	DL_SLOT_ATTACHED = 1,
	DL_SLOT_STATE_MASK = 0xff,
	DL_SLOT_GENERATION_SHIFT = 8,
};

/*
 * Bytes of the backing file that are locked, far behind any data. The kernel's locks are the
 * truth about life and death; nothing is stored there.
 */
#define DL_LOCK_SLOTS (UINT64_C(1) << 62)	/* + slot: exclusive while the process lives */
#define DL_LOCK_READERS (DL_LOCK_SLOTS - 2)	/* shared by read-only users */
#define DL_LOCK_FROZEN (DL_LOCK_SLOTS - 3)	/* shared by copy-on-write views */
#define DL_LOCK_ADMIN (DL_LOCK_SLOTS - 4)	/* exclusive while a name changes hands */

#endif
