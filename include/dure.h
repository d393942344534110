/* SPDX-License-Identifier: MIT */
/*
 * dure.h - crash-safe shared memory and inter-process communication for C on Linux
 *
 * What is not in the headers below is not part of the interface.
 *
 *	Order of arguments: the object, inputs (a length after its pointer), options, timeout,
 *	then outputs.
 *	Results: int; negative is -errno and nothing happened, otherwise it happened (dure/error.h).
 *	Options: structs that begin with size_t sz; zero in a field means default.
 *	Times: int64_t nanoseconds, monotonic; DURE_FOREVER waits, 0 tries once.
 *	Threads: a handle may be used by all threads of its process at once.
 *	Fork: a child's handles answer -ESTALE until dure_segment_reattach.
 *	Signals: nothing here may be called from a signal handler, but for dure_strerror.
 *	Death: every function's comment says what a process killed inside it leaves behind.
 *
 * The library starts no threads, installs no handlers, prints nothing, and reads no environment,
 * but for PATH when it looks for a program.
 */
#ifndef DURE_H
#define DURE_H

#include <dure/barrier.h>
#include <dure/bitmap.h>
#include <dure/block.h>
#include <dure/board.h>
#include <dure/condition.h>
#include <dure/container.h>
#include <dure/coprocess.h>
#include <dure/deque.h>
#include <dure/error.h>
#include <dure/event.h>
#include <dure/fifo.h>
#include <dure/file_lock.h>
#include <dure/filter.h>
#include <dure/handshake.h>
#include <dure/host.h>
#include <dure/inspect.h>
#include <dure/lanes.h>
#include <dure/limit.h>
#include <dure/list.h>
#include <dure/map.h>
#include <dure/mapping.h>
#include <dure/mutex.h>
#include <dure/ring.h>
#include <dure/rwlock.h>
#include <dure/semaphore.h>
#include <dure/semset.h>
#include <dure/service.h>
#include <dure/named.h>
#include <dure/object.h>
#include <dure/ordered.h>
#include <dure/pipe.h>
#include <dure/poll.h>
#include <dure/posix.h>
#include <dure/priority.h>
#include <dure/process.h>
#include <dure/queue.h>
#include <dure/ref.h>
#include <dure/scoped.h>
#include <dure/segment.h>
#include <dure/string.h>
#include <dure/seqlock.h>
#include <dure/spinlock.h>
#include <dure/sysv.h>
#include <dure/topic.h>
#include <dure/tx.h>
#include <dure/vector.h>
#include <dure/wait.h>

#endif
