/* SPDX-License-Identifier: MIT */
/*
 * dure/file_lock.h - locks on files, whole or in ranges, that end with their holder
 *
 * A dure_file is an open file description of one's own (OFD), and its locks belong to it: not
 * to the process, as those of fcntl(2)'s F_SETLK do, which end as soon as any descriptor of the
 * file is closed anywhere in it. They exclude each other and F_SETLK's locks; flock(2)'s are
 * others. They are advisory: they bind those who ask.
 *
 *	Holders. Two dure_files exclude each other, in one process, too. Threads that use the
 *	same dure_file hold its locks together: to exclude each other, each opens its own.
 *	A dead holder's locks are the kernel's to take away, at once: nobody is guessed dead.
 *	What the file holds may then be half changed; there is no DURE_OWNER_DIED here, so a
 *	program that must know keeps a mark in the file.
 *	Waiting. DURE_FOREVER waits in the kernel's queue and goes on at once. The kernel knows
 *	no queue with a time limit, so a finite timeout looks again and again: after 50 us at
 *	first, then after an eighth of the time waited so far, at most 0.5 ms. That is its latency
 *	after an unlock or a death; there is no order among those who wait, so readers that come
 *	and go all the time can keep such a writer out. Circles of waiters are not found: two
 *	that both hold a range shared and both want it exclusively wait for ever.
 *	Names. A dure_file whose file had a name when it was opened answers -ESTALE when that
 *	has been removed or replaced: who opens the name now gets another file. So a lock file
 *	may be removed, by the one who holds it exclusively.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler; a signal does not end
 * a wait. Fork: the child answers -ESTALE, and opens the file itself. It shares the parent's
 * description, so the parent's locks last until both have closed it, ended or called exec: a
 * child that does neither calls dure_file_close first thing, which takes no lock away from the
 * parent. Death: the locks end with the last process that has the description.
 */
#ifndef DURE_FILE_LOCK_H
#define DURE_FILE_LOCK_H

#include <dure/rwlock.h>

DURE_BEGIN

typedef struct dure_file dure_file;

struct dure_file_options {
	size_t sz;			/* sizeof(struct dure_file_options) */
	uint32_t mode;			/* of a file that is made, exactly, whatever the umask;
					   default 0600 */
	uint32_t reserved;
};

/*
 * dure_file_open - open a regular file to lock it, or make it
 *
 * flags: DURE_CREATE, DURE_OPEN, or both; DURE_OPEN | DURE_READ_ONLY needs no right to write,
 * and takes shared locks only. options may be NULL. A file that is made is empty, and gets its
 * name when its mode is right.
 *
 * Returns  0 (opened), DURE_CREATED; -ENOENT -EEXIST -EACCES -EROFS -EINVAL (no regular file)
 *          -ENOSPC -EMFILE -ENOMEM -EBUSY (others make and remove it all the time) -EIO
 *          -EOPNOTSUPP -E2BIG
 * Death    nothing, or the whole file.
 */
DURE_API int dure_file_open(const char *path, uint32_t flags,
			    const struct dure_file_options *options, dure_file **ret);

/*
 * dure_file_open_fd - the same for the regular file that a descriptor refers to
 *
 * The descriptor stays the caller's. The locks do not belong to it: the file is opened anew,
 * through /proc. flags: 0 or DURE_READ_ONLY.
 *
 * Returns  0; -EACCES -EROFS -EINVAL -EMFILE -ENOMEM -EIO -EOPNOTSUPP
 */
DURE_API int dure_file_open_fd(int fd, uint32_t flags, dure_file **ret);

/*
 * dure_file_close - give all its locks back; NULL is allowed
 *
 * Not while another thread uses it.
 *
 * Returns  0; -EINVAL
 * Fork     in the child: closes what it has inherited; the parent keeps its locks.
 */
DURE_API int dure_file_close(dure_file *file);

/*
 * dure_file_fd - its descriptor, to read and write what is locked; close-on-exec
 *
 * It may be copied, sent, or kept across exec(2): the locks last as long as any copy. It is
 * closed by dure_file_close.
 *
 * Returns  the descriptor; -EINVAL -ESTALE
 */
DURE_API int dure_file_fd(const dure_file *file);

/*
 * dure_file_lock - lock bytes from offset on, waiting at most timeout_ns (0: try)
 *
 * bytes 0 means to the end, however far the file may grow; so 0, 0 is the whole file. The bytes
 * need not exist. mode: DURE_SHARED or DURE_EXCLUSIVE.
 *
 * What the dure_file has locked of the range already is converted: from shared to exclusive
 * (waiting for the others, still shared) or back (at once). It is never unlocked in between,
 * and stays as it was when this fails.
 *
 * Returns  0; -EAGAIN (timeout 0) -ETIMEDOUT -EINVAL -EROFS (exclusively, and opened to read)
 *          -ESTALE (the name is gone: open it anew) -EOPNOTSUPP (the file system has no locks, or
 *          their server does not answer) -ENOMEM -EIO
 * Death    while waiting: leaves no trace. While holding: the next one goes on.
 */
DURE_API int dure_file_lock(dure_file *file, uint64_t offset, uint64_t bytes, enum dure_lock_mode mode,
			    int64_t timeout_ns);

/*
 * dure_file_unlock - give bytes from offset on back; bytes 0: to the end
 *
 * Parts of what was locked may be unlocked, and several ranges at once.
 *
 * Returns  0; -EPERM (the dure_file has locked nothing there) -EINVAL -ENOMEM -ESTALE -EIO
 */
DURE_API int dure_file_unlock(dure_file *file, uint64_t offset, uint64_t bytes);

struct dure_file_holder {
	size_t sz;
	uint64_t offset, bytes;		/* what it has locked; bytes 0: to the end */
	uint32_t mode;			/* enum dure_lock_mode */
	uint32_t is_of_process;		/* an F_SETLK lock */
	uint32_t process;		/* pid as seen from here, 0: not to be seen */
	uint32_t processes;		/* that have the description: more after a fork */
	char name[16];			/* the command of process */
};

/*
 * dure_file_lock_holder - who keeps such a lock away, as far as the kernel tells; only a look
 *
 * Searches /proc for the holder. Not to be seen are processes of other users and of other PID
 * namespaces, and other machines.
 *
 * Returns  1 (ret filled; there may be more), 0 (nobody); -EINVAL -ESTALE -EOPNOTSUPP -EIO
 */
DURE_API int dure_file_lock_holder(dure_file *file, uint64_t offset, uint64_t bytes,
				   enum dure_lock_mode mode,
				   struct dure_file_holder *ret);

DURE_END

#endif
