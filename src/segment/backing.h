/* SPDX-License-Identifier: MIT */
/*
 * backing.h - where a segment's bytes are: one set of operations per kind
 *
 * Why      Seven kinds of memory, one life: a segment is built nameless, named when complete,
 *          found again, mapped, reserved in pieces, and removed. What differs between kinds
 *          is here; open.c is written once.
 */
#ifndef DUREI_SEGMENT_BACKING_H
#define DUREI_SEGMENT_BACKING_H

#include <stdbool.h>

#include "segment/handle.h"

/* What dure_segment_open was asked for, checked and with defaults filled in. */
struct durei_request {
	const char *name;		/* "" when the backing has none */
	uint32_t flags;
	struct dure_segment_options options;
	bool wants_lifetime;		/* options.lifetime was given */
	char path[512];			/* of the file or link; "" when the backing has none */
};

struct durei_backing {
	enum dure_backing kind;
	const char *title;		/* in sentences: "POSIX shared memory" */
	uint32_t lifetimes;		/* bit per enum dure_lifetime it can give */
	uint32_t default_lifetime;
	bool is_sparse;			/* tables may be sized generously */
	bool grows;			/* max_bytes is more than size_bytes by default */
	bool is_fixed;			/* size_bytes is all there is, tables included */
	bool has_locks;			/* a file tells who is alive */

	/* checks and completes the request: path, huge page size */
	int (*prepare)(struct durei_request *request);
	/* the place for a new segment, nameless: sets fd, sysv_id, path of seg */
	int (*make)(dure_segment *seg, const struct durei_request *request, uint64_t bytes);
	/* gives it its name in one step; -EEXIST */
	int (*publish)(dure_segment *seg, const struct durei_request *request);
	/* takes back what make has made, when the rest failed; may be NULL */
	void (*unmake)(dure_segment *seg);
	/* finds an existing one: sets fd, sysv_id, path; -ENOENT */
	int (*find)(dure_segment *seg, const struct durei_request *request);
	/* reads the super block of what was found, before anything is mapped */
	int (*read_super)(dure_segment *seg, struct dl_super *ret);
	/* maps super.max_bytes, as much of it as there can be: base, mapped_bytes */
	int (*map)(dure_segment *seg);
	void (*unmap)(dure_segment *seg);
	/* backs a range with storage; what is there already stays */
	int (*reserve)(dure_segment *seg, uint64_t offset, uint64_t bytes);
	/* gives storage back; -EOPNOTSUPP */
	int (*release)(dure_segment *seg, uint64_t offset, uint64_t bytes);
	/* the offset up to which reading is safe now */
	uint64_t (*backed_bytes)(dure_segment *seg);
	/* a new description of the file that carries the locks */
	int (*open_lock_file)(dure_segment *seg, bool writable);
	/* bytes the kernel reserves at a time */
	uint64_t (*grain_bytes)(const struct durei_request *request);
};

/*
 * Chooses the backing for a request, completes the request's lifetime and mode, and lets the
 * backing prepare it. -EINVAL -EOPNOTSUPP
 */
int durei_backing_choose(struct durei_request *request, const struct durei_backing **ret);

/* dure_segment_open's arguments, checked */
int durei_request_read(const char *name, uint32_t flags,
		       const struct dure_segment_options *options, struct durei_request *request,
		       const struct durei_backing **ret_backing);

extern const struct durei_backing durei_backing_posix;
extern const struct durei_backing durei_backing_file;
extern const struct durei_backing durei_backing_huge;
extern const struct durei_backing durei_backing_memory_file;
extern const struct durei_backing durei_backing_sysv;
extern const struct durei_backing durei_backing_link;	/* System V behind a name */
extern const struct durei_backing durei_backing_buffer;
extern const struct durei_backing durei_backing_private;

/* POSIX: the path of a name in options.directory; -EINVAL with a sentence */
int durei_posix_path(const struct durei_request *request, char *path, size_t path_bytes);
#define DUREI_POSIX_PREFIX "dure."
#define DUREI_POSIX_DIRECTORY "/dev/shm"
enum { DUREI_NAME_MAX = 200 };

/* says why reserving failed, with the mount, its size and the remedy; returns -code */
int durei_no_space(const dure_segment *seg, int code, uint64_t bytes);

/* the descriptor of a file segment, made sure to be still ours; -ESTALE */
int durei_backing_fd(dure_segment *seg);

/* remembers which file fd is, so that durei_backing_fd knows it again */
int durei_backing_remember(dure_segment *seg, const char *path);

/*
 * The ADMIN byte of a lock file: held while a name or a file changes hands. Unlocked by
 * durei_byte_unlock or with the description. -EBUSY after some seconds
 */
int durei_admin_lock(int fd, const char *path);

/* does anybody use the segment whose locks are on this file: participants, readers, a view */
bool durei_is_in_use(int fd);

/* how an error of open(2) or the like on the request's path is said; returns -code */
int durei_path_error(const struct durei_request *request, const char *verb, int code);

/* a nameless file made complete by one link, shared by all kinds that are files */
int durei_new_file(dure_segment *seg, const struct durei_request *request);
/* takes a new file away that has a name already, where there is no O_TMPFILE */
void durei_unmake_file(dure_segment *seg);
/* names it path; -EEXIST */
int durei_name_file(dure_segment *seg, const struct durei_request *request, const char *path);
uint64_t durei_grain_small(const struct durei_request *request);

#endif
