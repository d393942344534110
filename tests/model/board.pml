/* SPDX-License-Identifier: MIT */
/*
 * board.pml - readers find the latest whole value, whoever writes or dies
 *
 * Why      A reader has no lock, and no writer waits for it: that what it has copied was whole is
 *          told by how far `version` has grown. One version more, and it may be torn.
 * What     src/message/board.c [BOARDC1] [BOARDC2] and its sleeping, layout/board.h. Writers write
 *          values of two words; the reader copies the latest, and waits for a newer one.
 * Sleep    On `news` as it was seen, in one step as the kernel does it. When nothing else can
 *          happen and somebody has died, the reader looks again: that is the slice.
 * Checked  A value that counts is whole, is that of its version, and none is older than the one
 *          before; the reader comes to see the last one.
 * Faults   -DFAULT_ONE_MORE       a copy counts for as many versions as there are places
 *          -DFAULT_VERSION_FIRST  a value is the latest before its words are there
 *          -DFAULT_NEWS_FIRST     who waits is told before the value is the latest
 *          -DFAULT_IN_PLACE       a writer that follows a dead one writes over the latest value
 */
#define VALUES 3
#define WRITERS 2
#define WRITES 2
#define NOBODY 2
#ifndef DEATHS
#define DEATHS 1
#endif
#define AT(v) ((v) % VALUES)

byte first[VALUES], second[VALUES];
byte version, lock = NOBODY, news, deaths, ended;
bool waited, asleep, dead[WRITERS];

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; dead[me] = true; goto died } :: skip fi

/* one cas of the word */
inline tell()
{
	atomic { tells = waited; waited = false; news++ }
}

proctype writer(byte me)
{
	byte next, i;
	bool tells;

	for (i : 1 .. WRITES) {
#ifdef FAULT_IN_PLACE
		atomic {
			(lock == NOBODY || dead[lock]) ->
			next = version + (lock == NOBODY -> 1 : 0);
			lock = me
		}
#else
		atomic { (lock == NOBODY || dead[lock]) -> lock = me }
		next = version + 1;
#endif
		MAY_DIE;
#ifdef FAULT_VERSION_FIRST
		version = next;
#endif
		first[AT(next)] = next * WRITERS + me;
		MAY_DIE;
		second[AT(next)] = next * WRITERS + me;
		MAY_DIE;
#ifdef FAULT_NEWS_FIRST
		tell();
		MAY_DIE;
#endif
		version = next;
		MAY_DIE;
#ifndef FAULT_NEWS_FIRST
		tell();
		MAY_DIE;
#endif
		lock = NOBODY;
		MAY_DIE;
		if :: tells -> asleep = false :: else fi
	}
died:
	ended++
}

proctype reader()
{
	byte seen, latest, x, y, now, last;

	do
	:: seen = news;
		now = version;
		if
		:: now > last ->
			latest = now;
			x = first[AT(latest)];
			y = second[AT(latest)];
			now = version;
#ifdef FAULT_ONE_MORE
			if
			:: now - latest < VALUES ->
#else
			if
			:: now - latest < VALUES - 1 ->
#endif
				assert(x / WRITERS == latest && y == x);
				last = latest
			:: else
			fi
		:: now == last ->
			atomic {
				if
				:: news == seen -> waited = true; asleep = true
				:: else -> asleep = false
				fi
			}
			if
			:: !asleep
			:: atomic { asleep && ended == WRITERS && version == last -> break }
			:: atomic { timeout && deaths -> asleep = false }
			fi
		fi
	od
}

init {
	atomic { run writer(0); run writer(1); run reader() }
}
