/* SPDX-License-Identifier: MIT */
/*
 * topic.pml - a publication is freed once, and under nobody who reads it
 *
 * Why      A subscriber takes no lock: it pins what it reads in its own row, while a publisher ends
 *          what is kept and looks at the rows. Who comes first, who dies where, and who frees at
 *          last what was pinned is a question of single steps. The crash tests see each state of
 *          one victim; this sees each order of several.
 * What     src/message/retire.c [RETIRE1] to [RETIRE3]; src/message/subscribe.c: pin, find, unpin.
 *          One publication that is kept; a publisher that retires it; a subscriber that drops, and
 *          one that blocks publishers until it has gone on. A store that has no fence before the
 *          next load is one that comes after it: so the faults are orders. A log is one step: the
 *          crash matrix is for those. Last, when all have ended, somebody retires again.
 * Checked  Nobody reads what has been freed; it is freed once; without a death as soon as nobody
 *          can see it, otherwise when somebody looks again.
 * Faults   -DFAULT_LOOK_FIRST    a subscriber looks at `oldest` before its pin is to be seen
 *          -DFAULT_PINS_FIRST    a publisher looks at the pins before `oldest` is to be seen
 *          -DFAULT_NEXT_FIRST    one who blocks lets publishers go on before its pin is to be seen
 *          -DFAULT_SILENT        who takes a pin away does not say so
 *          -DFAULT_DEAF          who unlocks does not look whether somebody has said so
 *          -DFAULT_DEAD_READ     the pin of a dead subscriber counts
 */
#define SUBSCRIBERS 2		/* 0 drops, 1 blocks */
#define PUBLISHER 2
#define LAST 3
#define NOBODY 4
#ifndef DEATHS
#define DEATHS 1
#endif

bool pins[SUBSCRIBERS], has_gone_on, dead[4];
bool oldest, reclaimed, orphan, sweep;	/* words of the topic; oldest: it is kept no more */
byte freed, deaths, ended;
byte lock = NOBODY;

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; dead[me] = true; goto died } :: skip fi
#define IS_FREE (lock == NOBODY || dead[lock])

#ifdef FAULT_DEAD_READ
#define IS_READ(i) pins[i]
#else
#define IS_READ(i) (pins[i] && !dead[i])	/* [RETIRE3] */
#endif

/* The pins, one after the other. */
inline look_at_pins()
{
	found = IS_READ(0);
	found = found || IS_READ(1)
}

inline sweep_orphan()
{
	sweep = false;
	MAY_DIE;
	look_at_pins();
	MAY_DIE;
	atomic {
		if
		:: orphan && !found -> orphan = false; freed++
		:: else
		fi
	}
}

inline sweep_soon()
{
	do
	:: sweep ->
		atomic {
			if
			:: IS_FREE -> lock = me; has_lock = true
			:: else -> has_lock = false
			fi
		};
		if
		:: has_lock -> sweep_orphan(); lock = NOBODY
		:: else -> break
		fi
	:: else -> break
	od
}

inline unlock()
{
	lock = NOBODY;
#ifndef FAULT_DEAF
	MAY_DIE;
	sweep_soon()				/* [RETIRE2] */
#endif
}

inline retire()
{
#ifdef FAULT_PINS_FIRST
	look_at_pins();
	oldest = true;
#else
	oldest = true;				/* step 1 */
	MAY_DIE;
	look_at_pins();				/* step 2 */
#endif
	MAY_DIE;
	atomic {				/* step 3 */
		if
		:: reclaimed
		:: else ->
			reclaimed = true;
			if
			:: found -> orphan = true
			:: else -> freed++
			fi
		fi
	}
}

proctype subscriber(byte me)
{
	bool found, has_lock, is_kept, blocks = me == 1;

#ifdef FAULT_LOOK_FIRST
	is_kept = !oldest;
	pins[me] = true;
#else
#ifdef FAULT_NEXT_FIRST
	if :: blocks -> has_gone_on = true :: else fi;
#endif
	pins[me] = true;			/* [SUBSCRIBE2] */
#endif
	MAY_DIE;
	if :: blocks -> has_gone_on = true :: else fi;
	MAY_DIE;
#ifndef FAULT_LOOK_FIRST
	is_kept = !oldest;
#endif
	if
	:: is_kept || blocks ->			/* it reads */
		assert(freed == 0);
		MAY_DIE;
		assert(freed == 0)
	:: else					/* it was overtaken */
	fi;
	pins[me] = false;
	MAY_DIE;
	if
	:: oldest ->
#ifndef FAULT_SILENT
		sweep = true;
#endif
		MAY_DIE;
		sweep_soon()
	:: else
	fi;
died:
	ended++
}

proctype publisher(byte me)
{
	bool found, has_lock;

	/* one who blocks has gone on, or is gone */
	has_gone_on || dead[1];
	atomic { IS_FREE -> lock = me };
	MAY_DIE;
	retire();
	MAY_DIE;
	unlock();
died:
	ended++
}

/* Somebody who retires, later. */
proctype last(byte me)
{
	bool found, has_lock;

	atomic { ended == SUBSCRIBERS + 1 };
	assert(deaths || freed == 1);
	atomic { IS_FREE -> lock = me };
	retire();
	sweep_orphan();
	unlock();
	assert(freed == 1);
died:
	skip
}

init {
	atomic {
		run subscriber(0);
		run subscriber(1);
		run publisher(PUBLISHER);
		run last(LAST)
	}
}
