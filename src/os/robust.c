/* SPDX-License-Identifier: MIT */
/*
 * robust.c - asking the kernel to mark a word when this thread dies
 *
 * Why      The kernel tells of a thread's death in two ways. File locks go with the process,
 *          but only after its memory has been torn down: 100 ms per GiB. The robust futex
 *          list is walked first: some 60 microseconds after SIGKILL. It is one list per
 *          thread, and the libc owns its head; so our entry is put into the libc's list.
 * Layout   An entry is a pointer to the next entry. The kernel finds an entry's word at
 *          entry + offset, one offset for the whole list (set by the libc: -32 for glibc and
 *          -28 for musl on 64 bits, -20 and -12 on 32). So the word has a fixed place and the
 *          entry goes where the offset asks for it, inside DUREI_LIFE_BYTES.
 *          A doubly linked list has the back pointer directly before the entry, in glibc and
 *          musl alike; glibc on 32 bits links singly.
 * Rules    [ROBUST1] an entry is linked and unlinked by its own thread only
 *          [ROBUST2] the word is set before linking and cleared after unlinking, so a death
 *                    in between only costs the quick notice; the file lock still tells
 *          [ROBUST3] we never use list_op_pending: with it, the kernel could mark a word
 *                    that has been given to another thread meanwhile
 * Death    after step      is left behind                     who mends it
 *          1 entry.next    nothing that anybody sees          -
 *          2 next.prev     a back pointer to an entry that    nobody: the kernel walks
 *                          is not in the list                 forwards only
 *          3 head.next     linked: the word will be marked    the kernel
 * Limits   The kernel walks 2048 entries; ours is linked when the thread holds few others.
 */
#include "os/robust.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fault.h"

/* as in linux/futex.h */
struct list_head {
	uintptr_t first;
	long offset;
	uintptr_t pending;
};

enum {
	OFFSET_NEAREST = -12,				/* musl on 32 bits */
	OFFSET_FARTHEST = -(int)(DUREI_LIFE_BYTES - sizeof(uintptr_t)),
	PI_MARK = 1,					/* bit 0 of a link, not part of it */
};

#if defined(__GLIBC__) && !defined(__LP64__)
static const bool links_back = false;
#else
static const bool links_back = true;
#endif

static struct list_head *list_of_this_thread(void)
{
	struct list_head *head = NULL;
	size_t bytes = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &bytes) < 0 || bytes != sizeof *head)
		return NULL;
	return head;
}

/* musl registers a thread's list when the thread locks its first robust mutex. */
static void make_libc_register_its_list(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	if (pthread_mutex_init(&mutex, &attributes) == 0) {
		if (pthread_mutex_lock(&mutex) == 0)
			pthread_mutex_unlock(&mutex);
		pthread_mutex_destroy(&mutex);
	}
	pthread_mutexattr_destroy(&attributes);
}

static uintptr_t *entry_at(uintptr_t link)
{
	return (uintptr_t *)(link & ~(uintptr_t)PI_MARK);
}

/* The libc's code shares these words with us: neither may keep them in registers. */
static void link_store(uintptr_t *link, uintptr_t value)
{
	__atomic_store_n((volatile uintptr_t *)link, value, __ATOMIC_RELEASE);
}

static uintptr_t link_load(const uintptr_t *link)
{
	return __atomic_load_n((const volatile uintptr_t *)link, __ATOMIC_RELAXED);
}

int durei_robust_link(uint32_t *life)
{
	int fault = durei_fault("robust_list");

	if (fault)
		return -fault;
	struct list_head *head = list_of_this_thread();
	if (!head) {
		make_libc_register_its_list();
		head = list_of_this_thread();
	}
	if (!head || head->offset > OFFSET_NEAREST || head->offset < OFFSET_FARTHEST)
		return -EOPNOTSUPP;

	uintptr_t *entry = (uintptr_t *)((char *)life - head->offset);
	uintptr_t first = link_load(&head->first);
	link_store(entry, first);				/* step 1 */
	if (links_back) {
		link_store(entry - 1, (uintptr_t)&head->first);
		if (entry_at(first) != &head->first)
			link_store(entry_at(first) - 1, (uintptr_t)entry); /* step 2 */
	}
	link_store(&head->first, (uintptr_t)entry);		/* step 3 */
	return 0;
}

/* Who links to entry: by the back pointer, or by walking from the head. */
static uintptr_t *link_to(struct list_head *head, uintptr_t *entry)
{
	if (links_back)
		return entry_at(link_load(entry - 1));
	uintptr_t *link = &head->first;
	while (entry_at(link_load(link)) != entry) {
		link = entry_at(link_load(link));
		if (link == &head->first)
			return NULL;
	}
	return link;
}

void durei_robust_unlink(uint32_t *life)
{
	struct list_head *head = list_of_this_thread();

	if (!head)
		return;
	uintptr_t *entry = (uintptr_t *)((char *)life - head->offset);
	uintptr_t next = link_load(entry);
	uintptr_t *link = link_to(head, entry);
	if (!link)
		return;
	link_store(link, next);
	if (links_back && entry_at(next) != &head->first)
		link_store(entry_at(next) - 1, (uintptr_t)link);
}

uint32_t durei_thread_id(void)
{
	return (uint32_t)syscall(SYS_gettid);
}
