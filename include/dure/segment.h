/* SPDX-License-Identifier: MIT */
/*
 * dure/segment.h - shared memory that outlives its users' deaths
 *
 * A segment is one region of memory with a name, a format and participants. Every process
 * that opens it sees the same bytes, at its own address. Inside it are a heap
 * (dure/block.h), named objects (dure/object.h), locks (dure/mutex.h), transactions
 * (dure/tx.h) and containers (dure/map.h).
 *
 * Whichever process is killed, at whichever instruction: the others go on at once, every
 * operation has happened entirely or not at all, and what the dead one held comes back.
 *
 * Common to all functions here: Threads: any, unless said otherwise. Signals: not from a
 * handler. Fork: the child's handles answer -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_SEGMENT_H
#define DURE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>

DURE_BEGIN

typedef struct dure_segment dure_segment;

/* timeouts, everywhere: nanoseconds from now on the monotonic clock */
#define DURE_FOREVER INT64_C(-1)
#define DURE_MS(n) ((int64_t)(n) * 1000000)
#define DURE_S(n) ((int64_t)(n) * 1000000000)

/* how to open; at least one of the first two */
enum {
	DURE_CREATE = 1u << 0,		/* make it; without DURE_OPEN: only if it is not there */
	DURE_OPEN = 1u << 1,		/* use it if it is there */
	DURE_READ_ONLY = 1u << 2,	/* look, without taking a participant's place */
	DURE_COPY_ON_WRITE = 1u << 3,	/* a private scratch view: writes stay in this process */
};

/* what holds the bytes */
enum dure_backing {
	DURE_BACKING_DEFAULT = 0,	/* POSIX, or SYSV for process lifetime; on open: either */
	DURE_BACKING_POSIX = 1,		/* a file in /dev/shm, or in options.directory */
	DURE_BACKING_SYSV = 2,		/* System V shared memory: options.key */
	DURE_BACKING_FILE = 3,		/* a file: the name is its path */
	DURE_BACKING_MEMORY_FILE = 4,	/* memfd: created without a name, or options.fd */
	DURE_BACKING_HUGE = 5,		/* a file on a hugetlbfs: the name is its path */
	DURE_BACKING_BUFFER = 6,	/* the caller's memory: options.buffer */
	DURE_BACKING_PRIVATE = 7,	/* this process' own memory, shared with nobody */
};

/* how long the bytes stay */
enum dure_lifetime {
	DURE_LIFETIME_DEFAULT = 0,	/* what the backing gives: see dure_segment_open */
	DURE_LIFETIME_PROCESS = 1,	/* until the last user is gone, however it went */
	DURE_LIFETIME_KERNEL = 2,	/* until removed, or the machine restarts */
	DURE_LIFETIME_FILESYSTEM = 3,	/* until removed */
};

/* options.flags */
enum {
	DURE_SEGMENT_RESERVE = 1u << 0,	/* reserve all of size_bytes at creation */
	DURE_SEGMENT_GROW = 1u << 1,	/* grow by itself, up to max_bytes */
	DURE_SEGMENT_HUGE = 1u << 2,	/* huge pages: transparent, or hugetlb for memfd and SYSV */
	DURE_SEGMENT_LOCK = 1u << 3,	/* keep what is reserved now in memory (mlock) */
	DURE_SEGMENT_DUMP = 1u << 4,	/* let core dumps contain it */
};

struct dure_segment_options {
	size_t sz;			/* sizeof(struct dure_segment_options) */
	uint64_t size_bytes;		/* room for data; default 64 MiB. Reserved as it is needed.
					   BUFFER: of the buffer, tables included */
	uint64_t max_bytes;		/* dure_segment_grow's limit; default 16 times, at least 1 GiB */
	uint32_t backing;		/* enum dure_backing */
	uint32_t lifetime;		/* enum dure_lifetime */
	uint32_t mode;			/* permissions, exactly, whatever the umask; default 0600 */
	uint32_t flags;			/* DURE_SEGMENT_... */
	uint32_t processes_max;		/* places for processes; default by size, up to 1024 */
	uint32_t threads_max;		/* places for threads; default by size, up to 1024 */
	const char *directory;		/* POSIX: instead of /dev/shm. Borrowed for the call */
	int32_t key;			/* SYSV: from ftok(3), or 0 for a private segment */
	int32_t id;			/* SYSV: open by identifier when key is 0 */
	int32_t fd;			/* MEMORY_FILE: a descriptor to open from. Stays the caller's */
	uint32_t reserved;
	void *buffer;			/* BUFFER: aligned to 64. Borrowed until the segment is
					   closed */
};

/*
 * dure_segment_open - make a segment, or join it
 *
 * name is a plain file name (letters, digits and ".", "_", "-", at most 200) for POSIX and
 * process lifetime; a path for FILE and HUGE; NULL for the others. options may be NULL.
 *
 *	backing		lifetimes			found again by
 *	POSIX		kernel				name
 *	DEFAULT		process, on request		name (a System V segment behind a link)
 *	SYSV		kernel, process			key or id
 *	FILE		filesystem			path
 *	HUGE		kernel				path
 *	MEMORY_FILE	process				descriptor, or by fork
 *	BUFFER		the memory's		its address
 *	PRIVATE		process				nobody
 *
 * A segment gets its name when it is complete; a creator that dies before leaves nothing.
 * With both DURE_CREATE and DURE_OPEN exactly one caller creates. Opening recovers what an
 * earlier holder of the same place left behind.
 *
 * A BUFFER is taken into sole possession: its caller vouches that no other process uses these
 * bytes now (a copied segment is such a buffer). DURE_COPY_ON_WRITE needs a segment that
 * nobody has open for writing, and keeps writers out while the view exists.
 *
 * Returns  0 (opened), DURE_CREATED, DURE_RESTORED (opened from its last checkpoint);
 *          -ENOENT -EEXIST -EACCES -EINVAL -ENOSPC -ENOMEM -EPROTO (no segment, or another
 *          version) -EUCLEAN (damaged) -ENOTRECOVERABLE (lost with a reboot, no checkpoint)
 *          -EUSERS (no place left) -EBUSY (copy-on-write) -EFBIG -EOPNOTSUPP -EMFILE -E2BIG
 * Death    at any point: nothing half-made is ever visible.
 */
DURE_API int dure_segment_open(const char *name, uint32_t flags,
			       const struct dure_segment_options *options, dure_segment **ret);

/*
 * dure_segment_close - leave; the shared state is not touched
 *
 * NULL is allowed. All pointers into the segment are void afterwards. Threads of this process
 * that used it keep its memory mapped until they end or call dure_thread_detach.
 * The last user of a file segment writes it to the disk and marks it clean.
 *
 * Returns  0; -EBUSY while the calling thread is in a transaction or holds a lock.
 * Fork     allowed on a stale handle: it only unmaps.
 * Death    like leaving.
 */
DURE_API int dure_segment_close(dure_segment *segment);

/*
 * dure_thread_detach - give back what the calling thread keeps in the segment
 *
 * Happens by itself when a thread ends. The thread attaches again with its next call.
 *
 * Returns  0; -EBUSY while it is in a transaction or holds a lock.
 */
DURE_API int dure_thread_detach(dure_segment *segment);

/*
 * dure_segment_reattach - after fork, make the child a participant of its own
 *
 * In the child, all handles to the segment answer -ESTALE until then. The addresses stay the
 * same, so pointers made before the fork remain good. Locks held by the parent's threads stay
 * the parent's.
 *
 * Returns  0; -EINVAL when the handle is not a forked one; otherwise as dure_segment_open.
 */
DURE_API int dure_segment_reattach(dure_segment *segment);

/*
 * dure_segment_recover - look for dead participants now and deal with all they left
 *
 * Nobody has to call this: whoever needs what a dead process held recovers it. It is for
 * programs that want memory of the dead back before they run out of it.
 *
 * Returns  how many dead threads were dealt with; -EROFS -ESTALE.
 */
DURE_API int dure_segment_recover(dure_segment *segment);

/*
 * dure_segment_grow - raise the capacity while everybody uses the segment
 *
 * size_bytes is the new capacity, at most max_bytes; a smaller one than now changes nothing.
 * No mapping and no pointer moves, in no process.
 *
 * Returns  0; -EFBIG (beyond max_bytes) -ENOSPC -EROFS -ESTALE
 */
DURE_API int dure_segment_grow(dure_segment *segment, uint64_t size_bytes);

/*
 * dure_segment_trim - give unused memory back to the system
 *
 * ret_bytes (may be NULL) gets how much that was.
 *
 * Returns  0; -EOPNOTSUPP -EROFS -ESTALE
 */
DURE_API int dure_segment_trim(dure_segment *segment, uint64_t *ret_bytes);

enum {
	DURE_ADVISE_NORMAL = 0,
	DURE_ADVISE_RANDOM = 1,
	DURE_ADVISE_SEQUENTIAL = 2,
	DURE_ADVISE_WILL_NEED = 3,
	DURE_ADVISE_HUGE = 4,		/* transparent huge pages, please */
	DURE_ADVISE_NO_HUGE = 5,
	DURE_ADVISE_NO_DUMP = 6,
	DURE_ADVISE_DUMP = 7,
};

/* dure_segment_advise - how this process will use the segment. Returns 0; -EINVAL -EOPNOTSUPP */
DURE_API int dure_segment_advise(dure_segment *segment, uint32_t advice);

/*
 * dure_segment_prefault - reserve size_bytes' worth of pages now and make them present
 *
 * Afterwards neither allocation nor access waits for the kernel, up to bytes of data.
 *
 * Returns  0; -ENOSPC -ENOMEM -EROFS -ESTALE
 */
DURE_API int dure_segment_prefault(dure_segment *segment, uint64_t bytes);

/* dure_segment_lock_memory - keep the reserved part in memory (mlock), or no longer.
   Returns 0; -ENOMEM -EPERM (RLIMIT_MEMLOCK: the sentence says how much is missing) */
DURE_API int dure_segment_lock_memory(dure_segment *segment, uint32_t lock);

enum { DURE_PROTECT_READ = 1u << 0, DURE_PROTECT_WRITE = 1u << 1 };

/*
 * dure_segment_protect - what this process' own instructions may do with the mapping
 *
 * Without DURE_PROTECT_WRITE every changing call of the library answers -EROFS.
 *
 * Returns  0; -EINVAL -EACCES -EBUSY (a thread of this process is attached)
 */
DURE_API int dure_segment_protect(dure_segment *segment, uint32_t protection);

/*
 * dure_segment_checkpoint - keep the present state of a file segment through power loss
 *
 * Waits until no thread is inside a transaction or holds a lock, keeps everybody from
 * beginning anew, writes the image beside the file (name.checkpoint), and puts it in place
 * of the previous one in one step. After a reboot an unclean segment is opened from it.
 *
 * Returns  0; -EOPNOTSUPP (not a file segment) -EDEADLK (the caller holds a lock)
 *          -ETIMEDOUT -ENOSPC -EIO -EROFS -ESTALE
 * Death    the previous checkpoint stays.
 */
DURE_API int dure_segment_checkpoint(dure_segment *segment, int64_t timeout_ns);

/*
 * dure_segment_clone - a consistent copy of a live segment as a file segment at path
 *
 * Returns  0; -EEXIST, otherwise as dure_segment_checkpoint.
 * Death    the path appears complete or not at all.
 */
DURE_API int dure_segment_clone(dure_segment *segment, const char *path, int64_t timeout_ns);

struct dure_segment_info {
	size_t sz;
	uint64_t size_bytes;		/* room for data */
	uint64_t max_bytes;
	uint64_t mapped_bytes;		/* of address space in this process */
	uint64_t page_bytes;		/* the heap's pages */
	uint64_t created_ns;		/* wall clock */
	uint32_t backing;
	uint32_t lifetime;
	uint32_t mode;
	uint32_t access;		/* 0 or DURE_READ_ONLY or DURE_COPY_ON_WRITE */
	uint32_t processes;		/* attached now */
	uint32_t processes_max;
	uint32_t threads;		/* attached now */
	uint32_t threads_max;
	int32_t sysv_id;		/* -1 unless System V */
	uint32_t slot;			/* this process' place */
	uint8_t uuid[16];
	char name[128];
};

/* dure_segment_info - facts about an open segment; fills what info->sz covers.
   Returns 0; -EINVAL */
DURE_API int dure_segment_info(dure_segment *segment, struct dure_segment_info *info);

/* dure_segment_fd - the descriptor behind it, to pass over a Unix socket (borrowed).
   Returns the descriptor; -EOPNOTSUPP (SYSV, BUFFER, PRIVATE) -ESTALE */
DURE_API int dure_segment_fd(dure_segment *segment);

/* dure_segment_base - where the segment is in this process (borrowed until close) */
DURE_API void *dure_segment_base(dure_segment *segment);

/*
 * dure_segment_exists - is there a complete segment of that name
 * options choose backing, directory or key as in dure_segment_open.
 * Returns 1, 0; -EINVAL -EACCES
 */
DURE_API int dure_segment_exists(const char *name, const struct dure_segment_options *options);

enum { DURE_REMOVE_FORCE = 1u << 0 };	/* also while it is in use: users keep what they have */

/*
 * dure_segment_remove - take the name away
 *
 * Users keep the segment until they close it; nobody finds it any more.
 *
 * Returns  0; -ENOENT -EACCES -EBUSY (in use, and not DURE_REMOVE_FORCE) -EPROTO (the name
 *          is not a segment's: never removed) -EINVAL
 */
DURE_API int dure_segment_remove(const char *name, uint32_t flags,
				 const struct dure_segment_options *options);

struct dure_segment_entry {
	size_t sz;
	char name[256];			/* as dure_segment_open takes it; "" for SYSV */
	char path[512];			/* of the file, or of the link */
	uint32_t backing;
	uint32_t lifetime;
	int32_t sysv_id;		/* -1 unless System V */
	uint32_t is_stale;		/* a name whose memory is gone already */
};

/*
 * dure_segment_list - call visit for every segment in the directory and in the IPC namespace
 *
 * directory NULL is /dev/shm. A visit that returns non-zero ends the list.
 *
 * Returns  0, or what visit returned; -ENOENT -EACCES
 */
DURE_API int dure_segment_list(const char *directory,
			       int (*visit)(const struct dure_segment_entry *entry, void *context),
			       void *context);

typedef struct dure_watch dure_watch;

struct dure_participant {
	size_t sz;
	uint32_t slot;			/* place in the segment */
	uint32_t process;		/* pid in its own PID namespace */
	uint64_t generation;		/* slot and generation name one process for ever */
	uint64_t pid_namespace;
	uint32_t user;
	uint32_t is_alive;
	uint64_t attached_ns;		/* wall clock */
	char name[16];
};

/*
 * dure_watch_open - a descriptor that becomes readable when a participant dies or leaves
 *
 * Returns  0 (dure_watch_fd is to be polled for reading); -EMFILE -ENOMEM -EOPNOTSUPP (no
 *          file behind the segment) -EROFS -ESTALE
 */
DURE_API int dure_watch_open(dure_segment *segment, dure_watch **ret);
DURE_API int dure_watch_fd(dure_watch *watch);

/*
 * dure_watch_next - who it was
 *
 * Returns  1 (died: what it held has been dealt with), 0 (nobody, so far; the descriptor is
 *          quiet again); -ESTALE
 */
DURE_API int dure_watch_next(dure_watch *watch, struct dure_participant *ret);
DURE_API void dure_watch_close(dure_watch *watch);

DURE_END

#endif
