/* SPDX-License-Identifier: MIT */
/*
 * rwlock.pml - readers in lanes and a writer that looks for them, with death at every step
 *
 * Why      Each shows itself first and looks then. That one of two sees the other, that the
 *          flag which spares the search is never lost, and that nobody sleeps for ever is a
 *          matter of all orders, not of those that a test happens to run.
 * What     src/lock/rwlock.c and share.c: `word`, the flags of `drain` and the count of readers
 *          that left, a share per reader. `turn` is left out: there is one writer at a time, and
 *          the next one begins when it has ended or died. Memory is sequentially consistent
 *          here: every fence_full of the code stands where a store is followed by a load.
 * Sleep    A sleeper is woken when the word it looks at changes; the code's flags and wake-up
 *          calls for that are those of every futex, and are not the question. Death of whom it
 *          waits for wakes it too (segment/wait.c).
 * Death    A reader may die at each of its steps, and a writer; somebody mends it then.
 * Faults   -DFAULT_LOOK_FIRST       a reader looks before it shows itself
 *          -DFAULT_FLAG_LATE        the writer clears the flag and does not look again
 *          -DFAULT_ASKERS_FORGOTTEN a writer lets nobody in at its end, and clears the flag
 *          -DFAULT_NOT_TOLD         a reader that leaves tells nobody
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef READS
#define READS 1
#endif
#ifndef WRITES
#define WRITES 2
#endif

mtype = { NONE, HELD, WAITING };

mtype share[READERS] = NONE;
bool reading[READERS];		/* ghosts: who is inside */
bool writing;
bool word;			/* names a writer */
bool flag_readers, flag_askers;
byte left;			/* counts readers that left while a writer was there */
byte mended;			/* deaths are known when this has changed */

inline let_in_askers()
{
	if
	:: flag_askers ->
		flag_askers = false;
		flag_readers = true;
		i = 0;
		do
		:: i < READERS ->
			/* one cas */
			atomic { if :: share[i] == WAITING -> share[i] = HELD :: else fi };
			i++
		:: else -> break
		od
	:: else
	fi
}

inline look_for_readers()
{
	found = false;
	i = 0;
	do
	:: i < READERS ->
		if :: share[i] == HELD -> found = true :: else fi;
		i++
	:: else -> break
	od
}

inline tell_writer()
{
#ifndef FAULT_NOT_TOLD
	if :: word -> atomic { left++ } :: else fi
#else
	skip
#endif
}

/* What it does with its share when it is killed: held by others' recovery. */
inline die_reading()
{
	atomic { reading[me] = false; dead = true };
	share[me] = NONE;
	if :: word -> atomic { left++ } :: else fi;
	goto end
}

proctype reader(byte me)
{
	byte times = 0;
	bool dead = false, seen;

	do
	:: times == READS -> break
	:: else ->
		times++;
#ifdef FAULT_LOOK_FIRST
		seen = word;
		share[me] = HELD;
#else
		share[me] = HELD;		/* show_share */
#endif
		if :: !flag_readers -> flag_readers = true :: else fi;
		if :: die_reading() :: skip fi;
#ifdef FAULT_LOOK_FIRST
		if
		:: !seen -> reading[me] = true
		:: else -> goto ask_it
		fi;
#else
		atomic {
			if
			:: !word -> reading[me] = true
			:: else -> goto ask_it
			fi
		};
#endif
		goto inside;
ask_it:
		share[me] = WAITING;		/* ask */
		tell_writer();
		flag_askers = true;
		if :: die_reading() :: skip fi;
wait_it:
		/* sleeps while the writer is there and has not let us in */
		(share[me] == HELD || !word);
		if
		:: atomic { share[me] == HELD -> reading[me] = true }
		:: atomic { share[me] != HELD && !word -> skip };
			share[me] = HELD;	/* try_share once more */
			if :: !flag_readers -> flag_readers = true :: else fi;
			atomic {
				if
				:: !word -> reading[me] = true
				:: else -> skip
				fi
			};
			if
			:: reading[me] -> skip
			:: else -> goto ask_it
			fi
		:: atomic { share[me] != HELD && word -> goto wait_it }
		fi;
inside:
		assert(!writing);
		if :: die_reading() :: skip fi;
		atomic { reading[me] = false };
		share[me] = NONE;		/* unlock_shared */
		tell_writer()
	od;
end:	skip
}

/* The writer that died is mended: its word is freed, whatever it was doing. */
inline die_writing()
{
	atomic { writing = false };
	word = false;
	goto next
}

proctype writer()
{
	byte times = 0, i, seen;
	bool found;

next:
	do
	:: times == WRITES -> break
	:: else ->
		times++;
		word = true;			/* turn is ours */
		if :: die_writing() :: skip fi;
look:
		seen = left;
		if
		:: !flag_readers -> goto alone
		:: else
		fi;
		look_for_readers();
		if
		:: found -> goto sleep_it
		:: else
		fi;
		flag_readers = false;
#ifndef FAULT_FLAG_LATE
		look_for_readers();
		if
		:: !found -> goto alone
		:: else
		fi;
		flag_readers = true;
#else
		goto alone;
#endif
sleep_it:
		if :: die_writing() :: skip fi;
		(left != seen);			/* readers' deaths are counted, too */
		goto look;
alone:
		atomic { writing = true };
		i = 0;
		do
		:: i < READERS -> assert(!reading[i]); i++
		:: else -> break
		od;
		if :: die_writing() :: skip fi;
		atomic { writing = false };
#ifdef FAULT_ASKERS_FORGOTTEN
		flag_askers = false;
		flag_readers = false;
#else
		let_in_askers();
#endif
		if :: die_writing() :: skip fi;
		word = false
	od
}

init
{
	byte n = 0;

	atomic {
		run writer();
		do
		:: n < READERS -> run reader(n); n++
		:: else -> break
		od
	}
}
