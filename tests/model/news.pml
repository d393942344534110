/* SPDX-License-Identifier: MIT */
/*
 * news.pml - who waits for a message is woken, and nobody else
 *
 * Why      Nobody makes a system call for one who is awake; one is woken for each message; and
 *          whoever was woken does not know whether others sleep. A wake-up that is lost shows
 *          only when one waits for ever.
 * What     src/message/wait.c, send.c, receive.c; layout/news.h: the word of those who wait for
 *          messages. Senders send one each, receivers want one each.
 * Sleep    On the word as it was left under the lock, in one step as the kernel does it. When
 *          nothing else can happen and somebody has died, sleepers look again: that is the slice.
 * Checked  All living receivers get one, while there are some; without a death nobody needs a slice.
 * Faults   -DFAULT_NOT_PASSED    who was woken does not wake the next one
 *          -DFAULT_FLAG_DROPPED  nor say that others may sleep
 *          -DFAULT_FLAG_LATE     who finds nothing says so after unlocking
 */
#define RECEIVERS 2
#define SENDERS 2
#define NOBODY 4
#ifndef DEATHS
#define DEATHS 1
#endif

byte lock = NOBODY, count, step, deaths;
bool waited, asleep[RECEIVERS], dead[4], ended[4];

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; dead[me] = true; goto died } :: skip fi
#define LOCK atomic { (lock == NOBODY || dead[lock]) -> lock = me }

inline wake_one()
{
	atomic {
		if
		:: asleep[0] -> asleep[0] = false
		:: asleep[1] -> asleep[1] = false
		:: !asleep[0] && !asleep[1] -> skip
		fi
	}
}

proctype sender(byte me)
{
	bool tells;

	LOCK;
	MAY_DIE;
	count++;				/* commit */
	MAY_DIE;
	atomic {
		tells = waited;
		if :: waited -> waited = false; step = (step + 1) % 4 :: else fi
	}
	MAY_DIE;
	lock = NOBODY;
	MAY_DIE;
	if :: tells -> wake_one() :: else fi;
died:
	ended[me] = true
}

proctype receiver(byte me)
{
	bool slept, tells;
	byte seen;

again:
	LOCK;
	MAY_DIE;
	if
	:: count > 0 ->
		count--;				/* commit */
		MAY_DIE;
		tells = false;
		if
		:: slept ->
#ifndef FAULT_FLAG_DROPPED
			waited = true;
#endif
#ifndef FAULT_NOT_PASSED
			tells = count > 0
#else
			skip
#endif
		:: else
		fi;
		MAY_DIE;
		lock = NOBODY;
		MAY_DIE;
		if :: tells -> wake_one() :: else fi;
		goto done
	:: else
	fi;
#ifdef FAULT_FLAG_LATE
	lock = NOBODY;
	atomic { waited = true; seen = step }
#else
	atomic { waited = true; seen = step }
	MAY_DIE;
	lock = NOBODY;
#endif
	MAY_DIE;
	atomic {
		if
		:: waited && step == seen -> asleep[me] = true
		:: else -> goto again
		fi
	}
end_sleep:
	if
	:: !asleep[me]
	:: atomic { asleep[me] && deaths < DEATHS -> deaths++; dead[me] = true; asleep[me] = false; goto died }
	:: atomic { timeout && deaths && count > 0 -> asleep[me] = false }	/* slice */
	fi;
	/* woken, and killed before it acts on it */
	MAY_DIE;
	slept = true;
	goto again;
died:
	skip;
done:
	ended[me] = true
}

#define RESTS(i) (asleep[i] || ended[i])

init {
	atomic {
		run receiver(0);
		run receiver(1);
		run sender(2);
		run sender(3)
	}
	/* nobody sleeps while there is something, and nobody else to do anything */
	atomic {
		ended[2] && ended[3] && RESTS(0) && RESTS(1) ->
		assert(deaths || count == 0 || !(asleep[0] || asleep[1]))
	}
}
