/* SPDX-License-Identifier: MIT */
/*
 * dure/mapping.h - files and memory mapped into the process, without the traps of mmap(2)
 *
 * A mapping is of a file (any descriptor, also of POSIX shared memory, memfd or hugetlbfs) or
 * anonymous; shared, or private (copy-on-write). Offsets need no alignment, nothing that is
 * mapped is replaced unless asked for, and bytes beyond the end of the file are not mapped: they
 * would be a SIGBUS. Offsets in calls on a mapping count from its beginning; bytes 0 means to
 * its end.
 *
 * Common to all functions here: Threads: any, but for dure_mapping_resize and dure_mapping_close,
 * which nobody may overlap with. Signals: not from a handler. Fork: the child inherits mapping and
 * handle. Death: a mapping ends with its process; what was stored in a shared one stays in the
 * file, as with write(2).
 */
#ifndef DURE_MAPPING_H
#define DURE_MAPPING_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_mapping dure_mapping;

/* options.flags; the last two also for dure_mapping_resize */
enum {
	DURE_MAPPING_PRIVATE = 1u << 0,		/* stores stay in this process; default: shared */
	DURE_MAPPING_READ_ONLY = 1u << 1,
	DURE_MAPPING_EXECUTE = 1u << 2,
	DURE_MAPPING_FIXED = 1u << 3,		/* at options.address or nowhere */
	DURE_MAPPING_REPLACE = 1u << 4,		/* at options.address, whatever is mapped there;
						   without LOCK, POPULATE, TRANSPARENT, EXTEND */
	DURE_MAPPING_HUGE = 1u << 5,		/* anonymous: on huge pages, which must be there */
	DURE_MAPPING_TRANSPARENT = 1u << 6,	/* on transparent huge pages, when there are some */
	DURE_MAPPING_LOCK = 1u << 7,		/* kept in memory */
	DURE_MAPPING_POPULATE = 1u << 8,	/* all pages present before it returns */
	DURE_MAPPING_NO_RESERVE = 1u << 9,	/* no swap space is reserved */
	DURE_MAPPING_EXTEND = 1u << 10,		/* storage for all of it, in a longer file */
	DURE_MAPPING_MOVE = 1u << 11,		/* resize: the address may change */
};

struct dure_mapping_options {
	size_t sz;
	uint32_t flags;			/* DURE_MAPPING_... */
	uint32_t reserved;
	void *address;			/* FIXED, REPLACE; else a wish */
	uint64_t huge_page_bytes;	/* HUGE: a power of two; default: the system's */
};

/*
 * dure_mapping_open - map a part of a file, or fresh zeros
 *
 * fd -1 maps anonymous memory. offset is any byte of the file; size_bytes 0 reaches to its end.
 * The descriptor stays the caller's, and may be closed; the mapping has one of its own, whose
 * closing ends the process' record locks (fcntl(2), F_SETLK) on the file, as any closing does.
 *
 * Returns  0; -EINVAL (size, address, alignment, flags; beyond the end of the file, without
 *          DURE_MAPPING_EXTEND) -EACCES (the descriptor is not open for it) -EBUSY (FIXED:
 *          something is mapped there) -ENOMEM (memory, address space, huge pages, or LOCK:
 *          the sentence says which limit) -ENOSPC (EXTEND, POPULATE) -EPERM -EMFILE -EIO
 *          -EOPNOTSUPP
 * Death    with EXTEND: the file may be longer, with zeros.
 */
DURE_API int dure_mapping_open(int fd, uint64_t offset, uint64_t size_bytes,
			       const struct dure_mapping_options *options, dure_mapping **ret);

/* dure_mapping_close - unmap. Nothing is synchronised. NULL is allowed */
DURE_API void dure_mapping_close(dure_mapping *mapping);

/* dure_mapping_address - of the first byte asked for (borrowed until close or resize); NULL for
   NULL */
DURE_API void *dure_mapping_address(const dure_mapping *mapping);
/* dure_mapping_size - in bytes, as asked for; 0 for NULL */
DURE_API uint64_t dure_mapping_size(const dure_mapping *mapping);

/*
 * dure_mapping_resize - make it longer or shorter
 *
 * flags: DURE_MAPPING_MOVE, DURE_MAPPING_EXTEND. A file is never made shorter. Shared anonymous
 * memory cannot grow: its new pages would be a SIGBUS (use a memfd).
 *
 * Returns  0; -EINVAL -ENOMEM (no room there, and not DURE_MAPPING_MOVE) -ENOSPC -EOPNOTSUPP -EIO
 *          -EACCES
 * Death    with EXTEND: the file may be longer, with zeros.
 */
DURE_API int dure_mapping_resize(dure_mapping *mapping, uint64_t size_bytes, uint32_t flags);

enum {
	DURE_MAPPING_LATER = 1u << 0,		/* begin it, and do not wait */
	DURE_MAPPING_INVALIDATE = 1u << 1,	/* other mappings shall see the file anew */
};

/*
 * dure_mapping_sync - have what was stored on the disk
 *
 * Returns  0; -EIO (the medium: what was stored may be lost) -EINVAL -EBUSY (INVALIDATE of locked
 *          pages) -ENOMEM
 */
DURE_API int dure_mapping_sync(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
			       uint32_t flags);

enum { DURE_PROTECT_EXECUTE = 1u << 2 };	/* besides DURE_PROTECT_READ, DURE_PROTECT_WRITE */

/*
 * dure_mapping_protect - what this process' own instructions may do with whole pages
 *
 * offset and bytes are multiples of the page size, counted from the first page; 0, 0 is all.
 *
 * Returns  0; -EINVAL -EACCES (the descriptor was not open for it) -ENOMEM
 */
DURE_API int dure_mapping_protect(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
				  uint32_t protection);

/* dure_mapping_lock - keep pages in memory, or no longer. Returns 0; -ENOMEM (RLIMIT_MEMLOCK: the
   sentence says how much) -EPERM -EINVAL -EAGAIN (they are not there) */
DURE_API int dure_mapping_lock(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
			       uint32_t lock);

/* advice, besides DURE_ADVISE_NORMAL to DURE_ADVISE_DUMP of dure/segment.h */
enum {
	DURE_ADVISE_DISCARD = 16,	/* private: zeros, or the file's bytes; whole pages */
	DURE_ADVISE_FREE = 17,		/* private: the same, when memory is short; whole pages */
	DURE_ADVISE_PUNCH = 18,		/* shared: a hole in the file; whole pages */
	DURE_ADVISE_NO_FORK = 19,	/* a child does not have it */
	DURE_ADVISE_FORK = 20,
	DURE_ADVISE_WIPE_ON_FORK = 21,	/* a child has zeros there; private anonymous */
	DURE_ADVISE_KEEP_ON_FORK = 22,
	DURE_ADVISE_MERGE = 23,		/* equal pages may be one (KSM) */
	DURE_ADVISE_NO_MERGE = 24,
	DURE_ADVISE_COLD = 25,		/* not needed soon */
	DURE_ADVISE_PAGE_OUT = 26,	/* out of memory now */
	DURE_ADVISE_POPULATE_READ = 27,	/* present, for reading; errors are said */
	DURE_ADVISE_POPULATE_WRITE = 28,/* present, for writing; errors are said */
	DURE_ADVISE_COLLAPSE = 29,	/* into huge pages, now */
	DURE_ADVISE_NO_REUSE = 30,	/* of a file: read once */
};

/*
 * dure_mapping_advise - how this part will be used
 *
 * DISCARD, FREE and PUNCH take offset and bytes as dure_mapping_protect does; the others take
 * every page that is touched.
 *
 * Returns  0; -EINVAL (not for this mapping) -EOPNOTSUPP (not with this kernel) -ENOMEM -ENOSPC
 *          (POPULATE: storage behind it) -EAGAIN -EACCES
 */
DURE_API int dure_mapping_advise(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
				 uint32_t advice);

/*
 * dure_file_advise - how a part of a file will be used, mapped or read; bytes 0: to its end
 *
 * DURE_ADVISE_NORMAL, RANDOM, SEQUENTIAL, WILL_NEED, NO_REUSE, or DISCARD (from the cache; what is
 * not on the disk yet stays).
 *
 * Returns  0; -EINVAL (descriptor, advice; a pipe has none) -EOPNOTSUPP
 */
DURE_API int dure_file_advise(int fd, uint64_t offset, uint64_t bytes, uint32_t advice);

/* dure_mapping_resident - how much of it is in memory now, in whole pages.
   Returns 0; -EINVAL -ENOMEM -EAGAIN */
DURE_API int dure_mapping_resident(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
				   uint64_t *ret_bytes);

/*
 * dure_mapping_read - copy out of a mapping whose file somebody may cut short
 * dure_mapping_write - copy into one
 *
 * Where plain loads and stores get SIGBUS, these say how far they came. No signal handler is
 * involved. At most 1 GiB at once.
 *
 * Returns  how many bytes were copied, fewer than asked for when the file ends there now;
 *          -ESTALE (none: the file ends before offset) -EINVAL (beyond the mapping) -EACCES (its
 *          protection) -EIO -EMFILE
 * Death    of dure_mapping_write: a part may have been copied, as with stores.
 */
DURE_API int dure_mapping_read(const dure_mapping *mapping, uint64_t offset, void *buffer,
			       size_t bytes);
DURE_API int dure_mapping_write(dure_mapping *mapping, uint64_t offset, const void *data,
				size_t bytes);

DURE_END

#endif
