/* SPDX-License-Identifier: MIT */
/*
 * mutex.pml - the lock word and the life word: taking, sleeping, dying, mending
 *
 * Why      A lock whose holder is killed is freed by whoever needs it; who mends may be killed,
 *          too, and several may want to mend. The crash tests see each state that one victim
 *          leaves; this sees each order of several threads, with deaths at every step.
 * What     src/lock/word.c, held.c, src/segment/wait.c and recover.c: each lane takes the lock and
 *          gives it back. A lane is used once, so generations are left out; so is spinning.
 * Sleep    On the word as it was seen, and on the holder's life, in one step as the kernel does it.
 *          A wake-up goes to any one of those who sleep, also to one who has been killed and is
 *          not gone yet. When nothing else can happen, sleepers look again: that is the slice.
 * Death    kills at any step; later the kernel marks the life word and wakes one of its sleepers.
 * Checked  One is inside at a time; who comes after a dead one is told; what a mended one had is
 *          free; nobody sleeps for ever.
 * Faults   -DFAULT_LIST_LATE      a lane takes the word, and writes the lock into its list then
 *          -DFAULT_MENDED_TWICE   menders are not elected, and free by a store, not by a cas
 *          -DFAULT_NOT_TOLD       a mender frees a lock as if nothing had happened
 *          -DFAULT_FLAG_DROPPED   who has slept does not say that others may, and nobody looks again
 */
#define LANES 3
#ifndef DEATHS
#define DEATHS 2
#endif
#define FREE LANES

byte owner = FREE;
bool waited, died;			/* flags of the word */
bool listed[LANES];			/* held[] has the lock */
bool is_dead[LANES];			/* the kernel has marked the life word */
bool doomed[LANES];			/* killed, and not gone yet */
bool gone[LANES];
bool asleep[LANES];
byte sleeps_for[LANES];			/* whose life it watches */
bool mended[LANES], mending[LANES];
byte mender[LANES];
byte deaths, inside, spoilt;		/* ghosts: spoilt: dead ones inside that nobody was told of */
byte ended;

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; doomed[me] = true; goto dying } :: skip fi

/* one of those who sleep on the word, if any */
inline wake_one()
{
	atomic {
		if
		:: asleep[0] -> asleep[0] = false
		:: asleep[1] -> asleep[1] = false
		:: asleep[2] -> asleep[2] = false
		:: !asleep[0] && !asleep[1] && !asleep[2] -> skip
		fi
	}
}

/* of those who sleep for the life of x */
inline wake_for(x)
{
	atomic {
		if
		:: asleep[0] && sleeps_for[0] == x -> asleep[0] = false
		:: asleep[1] && sleeps_for[1] == x -> asleep[1] = false
		:: asleep[2] && sleeps_for[2] == x -> asleep[2] = false
		:: else -> skip
		fi
	}
}

#define IS_OPEN(x) (!mended[x] && (!mending[x] || is_dead[mender[x]]))

proctype lane(byte me)
{
	byte seen, victim;
	bool seen_waited, seen_died, told, slept, says;

again:
	MAY_DIE;
	atomic { seen = owner; seen_waited = waited; seen_died = died }
	if
	:: seen == FREE ->
#ifndef FAULT_LIST_LATE
		listed[me] = true;
		MAY_DIE;
#endif
		atomic {
			if
			:: owner == FREE && waited == seen_waited && died == seen_died ->
				owner = me;
#ifndef FAULT_FLAG_DROPPED
				waited = waited || slept;
#endif
				told = died
			:: else -> listed[me] = false; goto again
			fi
		}
#ifdef FAULT_LIST_LATE
		MAY_DIE;
		listed[me] = true;
#endif
		goto entered
	:: else -> skip
	fi;
	victim = seen;
	if
	:: is_dead[victim] -> goto mend
	:: else -> skip
	fi;
	/* the flag, then sleep if the word is still so and the holder has not been marked */
	atomic {
		if
		:: owner == seen && waited == seen_waited && died == seen_died -> waited = true
		:: else -> goto again
		fi
	}
	MAY_DIE;
	atomic {
		if
		:: owner == seen && waited && died == seen_died && !is_dead[victim] ->
			asleep[me] = true;
			sleeps_for[me] = victim
		:: else -> goto again
		fi
	}
	if
	:: !asleep[me] -> skip
	:: atomic { asleep[me] && deaths < DEATHS -> deaths++; doomed[me] = true; goto dying }
#ifndef FAULT_FLAG_DROPPED
	:: atomic { timeout -> asleep[me] = false }	/* the slice */
#endif
	fi;
	slept = true;
	goto again;

entered:
	/* [told]: once, by the one who comes next; he says that all is mended */
	atomic {
		inside++;
		assert(inside == 1);
		assert(told || spoilt == 0);
		spoilt = 0
	}
	if
	:: told -> died = false
	:: else -> skip
	fi;
	atomic {
		if
		:: deaths < DEATHS -> deaths++; inside--; spoilt = 1; doomed[me] = true; goto dying
		:: skip
		fi
	}
	atomic { inside--; says = waited; owner = FREE; waited = false }
	MAY_DIE;
	if
	:: says -> wake_one()
	:: else -> skip
	fi;
	MAY_DIE;
	listed[me] = false;
	goto done;

mend:
	/* the election: a dead mender's place is open again */
	atomic {
#ifndef FAULT_MENDED_TWICE
		if
		:: IS_OPEN(victim) -> mending[victim] = true; mender[victim] = me
		:: mended[victim] -> assert(owner != victim); goto again	/* all of it is freed */
		:: else -> (mended[victim] || is_dead[mender[victim]]); goto again
		fi
#else
		skip
#endif
	}
	MAY_DIE;
	if
	:: listed[victim] ->
#ifndef FAULT_MENDED_TWICE
		atomic {
			if
			:: owner == victim -> owner = FREE; waited = false;
#ifndef FAULT_NOT_TOLD
				died = true
#endif
			:: else -> skip
			fi
		}
#else
		seen = owner;
		MAY_DIE;
		if
		:: seen == victim -> atomic { owner = FREE; waited = false; died = true }
		:: else -> skip
		fi
#endif
		MAY_DIE;
		wake_one()
	:: else -> skip
	fi;
	MAY_DIE;
	/* all who sleep for that life, then it is done */
	atomic {
		if :: asleep[0] && sleeps_for[0] == victim -> asleep[0] = false :: else fi;
		if :: asleep[1] && sleeps_for[1] == victim -> asleep[1] = false :: else fi;
		if :: asleep[2] && sleeps_for[2] == victim -> asleep[2] = false :: else fi
	}
	MAY_DIE;
	mended[victim] = true;
	goto again;

dying:
	/* what it does from here on the kernel does */
	atomic { asleep[me] = false; is_dead[me] = true }
	wake_for(me);
	gone[me] = true;
done:
	ended++
}

init
{
	atomic { run lane(0); run lane(1); run lane(2) }
	ended == LANES;
	/* nobody alive is left waiting, and the lock is free or a dead one's */
	assert(owner == FREE || is_dead[owner])
}
