/* SPDX-License-Identifier: MIT */
/*
 * cell.h - a word in shared memory, and the only ways to touch it
 *
 * Why      Two audiences read what we store. Live processes read concurrently: for them the
 *          hardware's order matters, which is what acquire and release are for. The heirs of
 *          a killed process read afterwards: a thread killed between two instructions leaves
 *          a prefix of its stores, so for them only the compiler's order matters. A release
 *          store serves both, so it is the default; nothing here is sequentially consistent
 *          but fence_full().
 * Rules    [CELL1] a word that decides anything is a cell and is touched through this file
 *          [CELL2] every access names its order; there is no default order
 *          [CELL3] volatile keeps the compiler from merging, splitting or inventing accesses;
 *                  it is no substitute for the order
 *          [CELL4] a 64-bit cell is 8-aligned and one access, also in 32-bit programs
 * Relaxed  loads say at their use why a stale value does no harm.
 */
#ifndef DUREI_CELL_CELL_H
#define DUREI_CELL_CELL_H

#include <stdbool.h>
#include <stdint.h>

struct cell8 { uint8_t raw; };
struct cell32 { uint32_t raw; };
struct cell64 { _Alignas(8) uint64_t raw; };

_Static_assert(__atomic_always_lock_free(8, 0), "a 64-bit access must be one instruction");
_Static_assert(sizeof(struct cell64) == 8 && _Alignof(struct cell64) == 8, "[CELL4]");

/*
 * One block per width; a macro so that the three cannot drift apart.
 * cas: true when *expected was there and has been replaced; otherwise *expected is what was.
 */
#define DUREI_CELL(bits)                                                                          \
	static inline uint##bits##_t cell##bits##_load_rlx(const struct cell##bits *c)            \
	{                                                                                         \
		return __atomic_load_n((const volatile uint##bits##_t *)&c->raw,                  \
				       __ATOMIC_RELAXED);                                         \
	}                                                                                         \
	static inline uint##bits##_t cell##bits##_load_acq(const struct cell##bits *c)            \
	{                                                                                         \
		return __atomic_load_n((const volatile uint##bits##_t *)&c->raw,                  \
				       __ATOMIC_ACQUIRE);                                         \
	}                                                                                         \
	static inline void cell##bits##_store_rel(struct cell##bits *c, uint##bits##_t v)         \
	{                                                                                         \
		__atomic_store_n((volatile uint##bits##_t *)&c->raw, v, __ATOMIC_RELEASE);        \
	}                                                                                         \
	static inline bool cell##bits##_cas(struct cell##bits *c, uint##bits##_t *expected,       \
					    uint##bits##_t desired)                               \
	{                                                                                         \
		return __atomic_compare_exchange_n((volatile uint##bits##_t *)&c->raw, expected,  \
						   desired, false, __ATOMIC_ACQ_REL,              \
						   __ATOMIC_ACQUIRE);                             \
	}                                                                                         \
	static inline uint##bits##_t cell##bits##_swap(struct cell##bits *c, uint##bits##_t v)    \
	{                                                                                         \
		return __atomic_exchange_n((volatile uint##bits##_t *)&c->raw, v,                 \
					   __ATOMIC_ACQ_REL);                                     \
	}                                                                                         \
	static inline uint##bits##_t cell##bits##_or(struct cell##bits *c, uint##bits##_t v)      \
	{                                                                                         \
		return __atomic_fetch_or((volatile uint##bits##_t *)&c->raw, v,                   \
					 __ATOMIC_ACQ_REL);                                       \
	}                                                                                         \
	static inline uint##bits##_t cell##bits##_and(struct cell##bits *c, uint##bits##_t v)     \
	{                                                                                         \
		return __atomic_fetch_and((volatile uint##bits##_t *)&c->raw, v,                  \
					  __ATOMIC_ACQ_REL);                                      \
	}                                                                                         \
	static inline uint##bits##_t cell##bits##_add(struct cell##bits *c, uint##bits##_t v)     \
	{                                                                                         \
		return __atomic_fetch_add((volatile uint##bits##_t *)&c->raw, v,                  \
					  __ATOMIC_ACQ_REL);                                      \
	}

DUREI_CELL(8)
DUREI_CELL(32)
DUREI_CELL(64)
#undef DUREI_CELL

/* Raises a cell to at least v; what a crash leaves is the old or the new value. */
static inline void cell64_raise(struct cell64 *c, uint64_t v)
{
	uint64_t seen = cell64_load_rlx(c);	/* relaxed: the cas below checks it */

	while (seen < v && !cell64_cas(c, &seen, v))
		;
}

static inline void cell32_raise(struct cell32 *c, uint32_t v)
{
	uint32_t seen = cell32_load_rlx(c);

	while (seen < v && !cell32_cas(c, &seen, v))
		;
}

/*
 * Parts two groups of plain stores for the heirs of a killed thread: no instruction is
 * emitted, the compiler may not move a store across. Used where user bytes are written in
 * place between two cells.
 */
static inline void fence_crash(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Loads before it stay before loads after it: the second half of an optimistic read. */
static inline void fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* Stores before it stay before stores after it: the second half of a writer's "look again". */
static inline void fence_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* For store-then-load handshakes only; each use names the two accesses it parts. */
static inline void fence_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A breath in a spin loop. */
static inline void cell_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
