/* SPDX-License-Identifier: MIT */
/*
 * proc.h - what the kernel tells about processes, namespaces and files in memory
 *
 * A process is read through one descriptor of its directory in /proc: when it ends, and its
 * pid is given to another, the descriptor answers -ESRCH or -ENOENT and never the other's
 * facts. As in file.h, a result below 0 is -errno, and no sentence is made here.
 */
#ifndef DUREI_OS_PROC_H
#define DUREI_OS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* text that grows as it is needed, used again and again; all zero to begin with */
struct durei_buffer {
	char *bytes;
	size_t size;
};

/* a directory, for the names below; as at: DUREI_HERE for absolute paths */
enum { DUREI_HERE = -100 };
int durei_directory_open(int at, const char *path);

/* a whole file as text with a 0 behind it; returns its length, -EFBIG beyond max */
int durei_text_read(int at, const char *path, size_t max, struct durei_buffer *buffer);
int durei_link_read(int at, const char *path, char *text, size_t text_bytes);
/* for reading, never waiting, no link followed; unnoticed: its time of access stays too */
int durei_file_open_at(int at, const char *path);
int durei_file_open_unnoticed(int at, const char *path);
/* Calls visit for each entry but . and .. until it returns non-zero, and returns that. */
int durei_names_visit(int at, const char *path, int (*visit)(const char *name, void *context),
		      void *context);

struct durei_node {
	uint64_t device, inode;
	uint64_t size_bytes, allocated_bytes;
	uint64_t changed_ns, written_ns, read_ns;	/* wall clock */
	uint32_t mode;			/* with the bits of its type */
	uint32_t owner, group, links;
	uint32_t is_regular, is_directory;
};

/* follow: a last symbolic link */
int durei_node_stat(int at, const char *path, bool follow, struct durei_node *ret);
/* the file system's magic number, of what path leads to; path is absolute */
int durei_filesystem_of(const char *path, uint64_t *ret_magic);

enum {
	DUREI_MAGIC_TMPFS = 0x01021994,
	DUREI_MAGIC_MQUEUE = 0x19800202,
	DUREI_MAGIC_PROC = 0x9fa0,
};
#define DUREI_MAGIC_HUGETLBFS UINT64_C(0x958458f6)

struct durei_space_counts {
	uint64_t total_bytes, free_bytes, total_files, free_files;
};

int durei_space_count(const char *path, struct durei_space_counts *ret);

/* bytes of another process' memory, as many as wanted or an error */
int durei_memory_read(int process, uint64_t address, void *buffer, size_t bytes);

/* the device that memfds, shared anonymous and System V memory lie on; 0: not known */
uint64_t durei_memory_device(void);

uint64_t durei_wall_ns(void);
uint64_t durei_ticks_per_second(void);

/* the calling thread's own namespace, and entering another; needs CAP_SYS_ADMIN in both */
int durei_ipc_namespace_open(int at, const char *path);
int durei_ipc_namespace_enter(int fd);

/* a mount of the message queues that nobody else sees; needs CAP_SYS_ADMIN */
int durei_mqueue_mount(void);

/*
 * 1: the kernel grants a lease that excludes all others, so nobody in any namespace has the
 * file open or mapped; 0: somebody has. -EACCES: only the owner may ask, or CAP_LEASE.
 */
int durei_file_is_alone(int at, const char *path, uint64_t device, uint64_t inode);

struct durei_semaphore {
	uint32_t last_pid;		/* as seen from here; 0: not of this PID namespace, or none */
	uint32_t value, waiting, waiting_zero;
};

struct durei_sem_set {
	uint32_t count;
	uint32_t owner, creator_user;
	uint64_t changed_s, used_s;
};

int durei_sem_stat(int id, struct durei_sem_set *ret);
int durei_sem_read(int id, uint32_t index, struct durei_semaphore *ret);

struct durei_msg_queue {
	uint32_t owner, creator_user;
	uint32_t count;
	uint64_t changed_s, sent_s, received_s;
	uint32_t last_sender, last_receiver;
};

int durei_msg_stat(int id, struct durei_msg_queue *ret);

/* a POSIX queue, opened with durei_file_open: its sizes */
struct durei_mqueue {
	uint64_t messages, messages_max, message_bytes_max;
};

int durei_mqueue_read(int fd, struct durei_mqueue *ret);

#endif
