/* SPDX-License-Identifier: MIT */
/*
 * host.h - the picture of a host, while it is taken
 *
 * Objects are found in four ways (System V tables, directories, what processes have mapped or
 * open, locks) and are one object when kind of identity, IPC namespace or device, and number
 * agree. Everything lies in arrays that grow; others name it by index. Texts lie in an arena
 * that goes with the picture.
 */
#ifndef DUREI_INSPECT_HOST_H
#define DUREI_INSPECT_HOST_H

#include <dure/host.h>
#include <stdbool.h>

#include "os/proc.h"

/* What makes an object that object. */
struct durei_identity {
	uint32_t sysv_kind;		/* DURE_HOST_SYSV_..., or 0: a file */
	uint64_t space;			/* IPC namespace, or device */
	uint64_t number;		/* id, or inode */
};

struct durei_host_object {
	struct dure_host_object o;
	struct durei_identity identity;
	uint64_t next;			/* in the same bucket, + 1; 0: none */
	uint64_t last_use;		/* latest in uses[], + 1; 0: none */
	bool is_asked;			/* size, owner and so on are known */
};

struct durei_host_process {
	struct dure_host_process p;
	uint64_t start_ticks;
	bool is_kernel;			/* a thread of the kernel: it has nothing */
};

struct durei_host_mapping {
	uint32_t process;		/* pid */
	uint64_t start, end, offset;
	uint64_t object;
};

struct durei_host_namespace {		/* IPC */
	uint64_t inode;
	uint32_t process;		/* one that is in it */
	bool is_entered;
	const char *label;
};

struct durei_host_directory {		/* what is seen as /dev/shm, or a hugetlbfs */
	uint64_t device;
	uint64_t mount_namespace;	/* 0: our own */
	char path[300];
	const char *label;
	bool is_huge;
};

struct durei_list {
	void *items;
	uint64_t count, room;
};

struct durei_text_block;

struct dure_host {
	uint32_t flags, kinds;
	struct durei_list objects, processes, uses, mappings, waits, namespaces, directories;
	struct durei_list notes;	/* const char * */
	uint64_t *buckets;
	uint64_t bucket_count;		/* a power of two */
	struct durei_text_block *texts;
	struct durei_buffer buffer;	/* of the file that is being read */
	uint64_t memory_device;
	uint64_t boot_ns;		/* wall clock */
	struct dure_host_summary summary;
	uint32_t unreadable;
	bool sees_all_pids;		/* no process is hidden, by its namespace or by /proc */
	int proc;			/* /proc */
	int home;			/* the IPC namespace to come back to, or -1 */
};

/* room for one more, zeroed; NULL: no memory */
void *durei_list_add(struct durei_list *list, size_t item_bytes);

#define OBJECT(host, index) (&((struct durei_host_object *)(host)->objects.items)[index])
#define PROCESS(host, index) (&((struct durei_host_process *)(host)->processes.items)[index])

/* a copy that lives as long as the picture; NULL: no memory */
const char *durei_host_text(dure_host *host, const char *text);
int durei_host_note(dure_host *host, const char *format, ...) DURE_FORMAT(2, 3);

static inline bool durei_host_wants(const dure_host *host, uint32_t kind)
{
	return !host->kinds || (host->kinds >> kind & 1);
}

/* the object of that identity, made if need be (o.kind 0 says it is new); NULL: no memory */
struct durei_host_object *durei_host_object(dure_host *host, const struct durei_identity *identity);
/* the same, never made */
struct durei_host_object *durei_host_find(const dure_host *host,
					  const struct durei_identity *identity);
/* what a file says of itself */
void durei_host_fill(struct durei_host_object *object, const struct durei_node *node);

/* the use of an object by a process, made if need be; NULL: no memory */
struct dure_host_use *durei_host_use(dure_host *host, struct durei_host_object *object,
				     uint32_t process);

/* by pid; NULL: none */
struct durei_host_process *durei_host_process(const dure_host *host, uint32_t pid);
struct durei_host_process *durei_host_inner_process(const dure_host *host, uint64_t pid_namespace,
						    uint32_t inner_pid);

/* the parts of a look, in this order; 0 or -errno */
int durei_host_look_processes(dure_host *host);	/* who there is, and in which namespaces */
int durei_host_look_sysv(dure_host *host);
int durei_host_look_files(dure_host *host);
int durei_host_look_locks(dure_host *host);
int durei_host_look_uses(dure_host *host);	/* what processes have mapped and open */
int durei_host_look_waits(dure_host *host);

/* the pieces that have parsers worth trying by themselves */
struct durei_map_line {
	uint64_t start, end, offset, device, inode;
	bool is_shared, is_writable;
	const char *path;		/* in the line */
};
bool durei_map_line_read(char *line, struct durei_map_line *ret);

struct durei_lock_line {
	bool is_waiting, is_exclusive;
	uint32_t process;		/* 0: not said */
	uint64_t device, inode;
};
bool durei_lock_line_read(const char *line, struct durei_lock_line *ret);

/* "docker 0123456789ab", "nginx.service" or ""; from the text of /proc/PID/cgroup */
void durei_cgroup_label(const char *cgroups, char *label, size_t label_bytes);

/* pid, name and so on from the text of /proc/PID/stat; false: it is not one */
bool durei_stat_read(char *text, struct durei_host_process *ret);

/* Is the n-th number of a futex system call's line the address of a word? */
struct durei_syscall_line {
	uint64_t number, arguments[6];
};
bool durei_syscall_line_read(const char *line, struct durei_syscall_line *ret);

#endif
