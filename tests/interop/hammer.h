/* SPDX-License-Identifier: MIT */
/*
 * hammer.h - what the hammers of all builds, and their referee, find in the segment
 *
 * Why      The same source is built for several libcs, word sizes, compilers and optimisation
 *          levels, and all of them work on one segment: these structs must be the same bytes
 *          in every build.
 * Rules    Fields of fixed width; every struct aligned to 8 by hand, as a 32-bit x86 compiler
 *          aligns a uint64_t in a struct to 4 only.
 */
#ifndef TESTS_INTEROP_HAMMER_H
#define TESTS_INTEROP_HAMMER_H

#include <dure.h>
#include <stdbool.h>

enum {
	PLACES = 2,
	ACCOUNTS = 6,			/* few: the next kill should find a lock that is wanted */
	ACCOUNT_START = 1000,
	LISTS = 3,
	LIST_LENGTH_MAX = 40,
	THINGS = 12,
	MAP_KEYS = 60,
	TOKENS = 50,
};

struct account {
	_Alignas(8) dure_mutex lock;
	uint64_t balance;
};

struct list {
	_Alignas(8) dure_mutex lock;
	dure_ref first;
};

/* a block of a list; filled behind with bytes that tell whether it is the maker's still */
struct node {
	dure_ref next;
	uint64_t bytes;
	uint64_t filling;
};

/* two words that are equal while nobody holds the lock */
struct pair {
	_Alignas(8) dure_mutex lock;
	uint64_t a, b;
};

/* written by the worker of that place only; read by the referee */
struct place {
	_Alignas(8) uint64_t operations;
	uint64_t mended;		/* locks it got from a dead holder */
};

struct ground {
	struct account accounts[ACCOUNTS];
	struct list lists[LISTS];
	struct pair pair;
	struct place places[PLACES];
	uint64_t empty_blocks;		/* live when there is nothing but the fixed parts */
	uint64_t token_blocks;		/* of these: of the tokens, as they are made */
};

_Static_assert(sizeof(struct account) == 24 && sizeof(struct node) == 24, "the same everywhere");
_Static_assert(sizeof(struct ground) == 24 * ACCOUNTS + 24 * LISTS + 32 + 16 * PLACES + 16,
	       "the same everywhere");
_Static_assert(_Alignof(struct ground) == 8, "the same everywhere");

/* tokens.c. 0, -errno. move: nothing else than a circle, or nothing there, may stop it */
int tokens_open(dure_segment *segment, bool makes);
void tokens_close(void);
int tokens_move(uint64_t lot, bool commits);
/* TOKENS; anything else is wrong. Nobody else is there */
uint64_t tokens_count(void);
int tokens_destroy(void);
int tokens_make_anew(void);

#endif
