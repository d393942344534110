/* SPDX-License-Identifier: MIT */
/*
 * semaphore.pml - two words that change together, whoever dies in between
 *
 * Why      A unit is in the semaphore or in a lane's share, never in both and never in none,
 *          also when the lane is killed between two stores, others change the semaphore
 *          meanwhile, and who mends it is killed, too. The crash tests see each state of one
 *          victim; this sees each order of several.
 * What     src/lock/share.c: change, settle, decide and giving back; src/lock/semaphore.c: a
 *          change for good, which has no name. Each lane takes a unit; one posts it, the other
 *          ends with it; a stranger posts a new one. `serial` does not come round here [SHARE, Limits].
 * Checked  When all have ended or died and have been mended: nobody has units, and the value is
 *          what it was, and one more. At each look of a mender, no more units than there are.
 * Faults   -DFAULT_UNSETTLED     a name is replaced without settling the change it names
 *          -DFAULT_UNDECIDED     a mender takes a cut change for one that has not happened
 *          -DFAULT_LATE          a share gets its new units when the semaphore has changed
 */
#define LANES 2
#ifndef DEATHS
#define DEATHS 1		/* of a lane or a mender, besides the lane that ends */
#endif
#define START 1
#define NOBODY LANES		/* who a change without a name is by */

mtype = { NONE, HELD, CHANGING, CHANGED };

typedef name { byte value; byte by; byte serial };
typedef share_of { mtype state; byte serial; byte before; byte after };

name word;
share_of shares[LANES];
byte deaths;
byte ended;			/* lanes that are mended, or have ended by themselves */

#define UNITS(n) (shares[n].state == CHANGED -> shares[n].after : shares[n].before)
#define SAME(a) (word.value == a.value && word.by == a.by && word.serial == a.serial)
#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; goto died } :: skip fi

inline copy_word()
{
	d_step { seen.value = word.value; seen.by = word.by; seen.serial = word.serial }
}

/* [SHARE1]: two looks at the share and the word, then one cas of the share's state */
inline settle()
{
#ifndef FAULT_UNSETTLED
	if
	:: seen.by != NOBODY ->
		d_step { state = shares[seen.by].state; serial = shares[seen.by].serial };
		if
		:: state == CHANGING && serial == seen.serial ->
			if
			:: SAME(seen) ->
				d_step {
					if
					:: shares[seen.by].state == CHANGING &&
					   shares[seen.by].serial == serial ->
						shares[seen.by].state = CHANGED
					:: else
					fi
				}
			:: else
			fi
		:: else
		fi
	:: else
	fi
#else
	skip
#endif
}

/* minus or plus of the value; the share then has `units_after`. ok: it has happened */
inline change(who, minus, plus, units_after)
{
	copy_word();
	own = shares[who].serial + 1;
	before = UNITS(who);
	d_step { shares[who].before = before; shares[who].after = before };
	d_step { shares[who].state = HELD; shares[who].serial = own };
	MAY_DIE;
#ifndef FAULT_LATE
	shares[who].after = units_after;		/* step 1 */
	MAY_DIE;
#endif
	shares[who].state = CHANGING;			/* step 2 */
	ok = false;
	do
	:: seen.value < minus -> shares[who].state = HELD; break
	:: else ->
		settle();
		MAY_DIE;
		atomic {				/* step 3 */
			if
			:: SAME(seen) ->
				word.value = seen.value + plus - minus;
				word.by = who;
				word.serial = own;
				ok = true
			:: else ->
				seen.value = word.value;
				seen.by = word.by;
				seen.serial = word.serial
			fi
		};
		if
		:: ok -> break
		:: else
		fi
	od;
	MAY_DIE;
#ifdef FAULT_LATE
	if :: ok -> shares[who].after = units_after :: else fi;
#endif
	if
	:: ok -> shares[who].state = CHANGED		/* step 4 */
	:: else
	fi
}

proctype participant(byte me)
{
	name seen;
	mtype state;
	byte serial, own, before;
	bool ok;

	change(me, 1, 0, 1);
	MAY_DIE;
	if
	:: me != 0 -> goto died		/* a thread ends with what it has: the same as dying */
	:: else
	fi;
	if
	:: ok -> change(me, 0, 1, 0)
	:: else
	fi;
	MAY_DIE;
	shares[me].state = NONE;
	ended++;
	goto end;
died:
	run mender(me);
end:	skip
}

/* It may die as well; then another begins anew. */
proctype mender(byte dead)
{
	name seen;
	mtype state;
	byte serial, own, before;
	bool ok;

	if
	:: shares[dead].state == NONE -> goto mended
	:: else
	fi;
	do						/* decide */
	:: atomic { shares[dead].state == CHANGING ->
		state = CHANGING;
		serial = shares[dead].serial };
#ifdef FAULT_UNDECIDED
		ok = false;
#else
		ok = (word.by == dead && word.serial == serial);
#endif
		MAY_DIE;
		atomic {
			if
			:: shares[dead].state == CHANGING && shares[dead].serial == serial ->
				shares[dead].state = (ok -> CHANGED : HELD)
			:: else
			fi
		}
	:: else -> break
	od;
	assert(UNITS(dead) + word.value <= START + 1);
	MAY_DIE;
	if
	:: UNITS(dead) > 0 ->
		before = UNITS(dead);
		change(dead, 0, before, 0)
	:: else
	fi;
	MAY_DIE;
	shares[dead].state = NONE;
mended:
	ended++;
	goto end;
died:
	run mender(dead);
end:	skip
}

/* A change without a name [SEM2]. */
proctype stranger()
{
	name seen;
	mtype state;
	byte serial;
	bool ok = false;

	copy_word();
	do
	:: ok -> break
	:: else ->
		settle();
		atomic {
			if
			:: SAME(seen) ->
				word.value = seen.value + 1;
				word.by = NOBODY;
				word.serial = 0;
				ok = true
			:: else ->
				seen.value = word.value;
				seen.by = word.by;
				seen.serial = word.serial
			fi
		}
	od;
	ended++
}

init
{
	byte n = 0;

	atomic {
		word.value = START;
		word.by = NOBODY;
		do
		:: n < LANES -> shares[n].state = NONE; run participant(n); n++
		:: else -> break
		od;
		run stranger()
	};
	(ended == LANES + 1);
	assert(word.value == START + 1)
}
