/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - records from a sender to a receiver, without a lock, and their successors
 *
 * Why      A record is there by its first word, tail and head are only told; the sender wakes a
 *          sleeper without a fence of its own; and who takes over a dead end must find where to
 *          go on. All of it depends on the order of a few stores, for the other side and for
 *          heirs.
 * What     src/message/ring.c, ring_open.c [RINGC2], layout/ring.h [RING1] to [RING3]; one record
 *          is one place. A processor keeps back the record's word and tail, and no longer than
 *          the next record. An end whose thread dies is taken over by the next one.
 * Sleep    On the receiver's word, in one step as the kernel does it. When nothing else can happen
 *          and somebody has died, the sleeper looks again: that is the slice.
 * Checked  The receiver finds each record once, in order and whole, but for the one that it died
 *          with; it does not sleep for ever.
 * Faults   -DFAULT_TAIL_FIRST  tail grows before the record's word is there
 *          -DFAULT_ZERO_LATE   the word behind a record is cleared after the record is there
 *          -DFAULT_NO_TAKE_UP  a successor goes on where tail says
 *          -DFAULT_NO_FENCE    who goes to sleep does not make the other processor show its stores
 *          -DFAULT_LOOK_FIRST  it looks for a record before it says that it sleeps
 */
#define PLACES 3
#define RECORDS 4
#ifndef DEATHS
#define DEATHS 2
#endif
#define AT(n) ((n) % PLACES)

bool word[PLACES];			/* a record is there */
byte data[PLACES];			/* its number + 1, and the sender's life */
byte tail, head, deaths, life;
bool sleeps, asleep;
byte noted;				/* ghost: records received */

/* what the sender's processor has not shown yet */
bool has_word, has_tail;
byte word_at, tail_to;

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; goto died } :: skip fi

inline show_all()
{
	if :: has_word -> word[word_at] = true; has_word = false :: else fi;
	if :: has_tail -> tail = tail_to; has_tail = false :: else fi
}

active proctype processor()
{
end:
	do
#ifdef FAULT_TAIL_FIRST
	:: atomic { has_tail -> tail = tail_to; has_tail = false }
	:: atomic { has_word && !has_tail -> word[word_at] = true; has_word = false }
#else
	:: atomic { has_word -> word[word_at] = true; has_word = false }
	:: atomic { has_tail && !has_word -> tail = tail_to; has_tail = false }
#endif
	od
}

active proctype sender()
{
	byte mine, i;

begin:
	/* a dead one's stores are all shown */
	atomic { !has_word && !has_tail -> life++; mine = tail }
#ifndef FAULT_NO_TAKE_UP
	if :: word[AT(mine)] -> mine++ :: else fi;
	MAY_DIE;
#endif
	tail = mine;
	do
	:: mine == RECORDS -> break
	:: else ->
		(mine + 2 <= head + PLACES && !has_word && !has_tail);
		data[AT(mine)] = life * 16 + mine + 1;
		MAY_DIE;
#ifdef FAULT_ZERO_LATE
		atomic { word_at = AT(mine); has_word = true }
		MAY_DIE;
		(!has_word) -> word[AT(mine + 1)] = false;
#else
		word[AT(mine + 1)] = false;
		MAY_DIE;
#ifdef FAULT_TAIL_FIRST
		atomic { tail_to = mine + 1; has_tail = true }
		MAY_DIE;
		atomic { word_at = AT(mine); has_word = true }
#else
		atomic { word_at = AT(mine); has_word = true }
#endif
#endif
		MAY_DIE;
#ifndef FAULT_TAIL_FIRST
		atomic { tail_to = mine + 1; has_tail = true }
#endif
		mine++;
		MAY_DIE;
		if
		:: sleeps ->
			sleeps = false;
			MAY_DIE;
			asleep = false
		:: else
		fi
	od;
	goto done;
died:
	goto begin;
done:
	skip
}

active proctype receiver()
{
	byte mine, seen;

begin:
	mine = head;
	do
	:: mine == RECORDS -> break
	:: mine < RECORDS && word[AT(mine)] ->
		seen = data[AT(mine)];
		assert(seen % 16 == mine + 1);
		MAY_DIE;
		assert(data[AT(mine)] == seen);
		assert(noted == mine || noted == mine + 1);
		noted = mine + 1;
		MAY_DIE;
		head = mine + 1;
		mine++
	:: mine < RECORDS && !word[AT(mine)] ->
#ifdef FAULT_LOOK_FIRST
		sleeps = true;
#else
		sleeps = true;
#ifndef FAULT_NO_FENCE
		atomic { show_all() }
#endif
		if :: word[AT(mine)] -> sleeps = false; goto go_on :: else fi;
#endif
		MAY_DIE;
		atomic {
			if
			:: sleeps -> asleep = true
			:: else -> goto go_on
			fi
		}
		if
		:: !asleep
		:: atomic { timeout && deaths -> assert(word[AT(mine)]); asleep = false }
		fi;
		sleeps = false;
go_on:
		skip
	od;
	assert(noted == RECORDS);
	goto done;
died:
	goto begin;
done:
	skip
}
