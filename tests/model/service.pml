/* SPDX-License-Identifier: MIT */
/*
 * service.pml - a client learns what has become of its call, as soon as it is known
 *
 * Why      A request is taken, given back by a death, taken by another; its client sleeps all the
 *          while, on one word and the lives of some servers. Whichever server has it when it dies,
 *          the client must not wait for the slice.
 * What     src/message/call.c [CALLC1] [CALLC3], await.c [SERVICE1] [SERVICE2], reply.c. What is
 *          done under the lock is one step: queue.pml has its insides. The client gives back what
 *          the dead have; so does a server that looks for work.
 * Sleep    On the call's word as it was left under the lock, and on the lives of those in `watched`,
 *          in one step as the kernel does it. Only when a server has died between a change and
 *          waking the client, the client looks again when nothing else can happen: the slice.
 * Checked  The call ends: by one reply, or because as many servers have died with it as it was
 *          to survive; never by both.
 * Faults   -DFAULT_NOT_TOLD    who takes a request does not tell the client, which watches others
 *          -DFAULT_LIST_READ   who takes it looks into the list that has itself in it already
 *          -DFAULT_UNCOUNTED   a death is not counted: one server too many may die of it
 *          -DFAULT_SILENT      a reply is not told
 */
#define SERVERS 3
#define NOBODY 3
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#define DEATHS 3

mtype = { WAITING, TAKEN, ANSWERED, FAILED };

mtype state = WAITING;
byte holder = NOBODY, takes, taker = NOBODY;	/* taker: the list of lanes that took last, of one */
byte watched = NOBODY;
byte deaths, replies, had;			/* had: ghost, servers that have had it */
bool waited, asleep, dead[SERVERS], untold;

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; goto died } :: skip fi

/* [CALLC1] the flag out of the word; waking follows */
inline tell()
{
	tells = waited;
	waited = false
}

inline wake()
{
	if :: tells -> asleep = false; tells = false :: else fi
}

inline give_back()
{
	if
	:: state == TAKEN && dead[holder] ->
		holder = NOBODY;
		if
		:: takes >= ATTEMPTS -> state = FAILED; tell()
		:: else -> state = WAITING
		fi
	:: else
	fi
}

proctype server(byte me)
{
	bool tells;

	do
	:: atomic { state == ANSWERED || state == FAILED -> break }
	:: atomic { deaths < DEATHS -> deaths++; goto died }
	:: atomic {
		state == WAITING || (state == TAKEN && dead[holder]) ->
		give_back();
		if
		:: state == WAITING ->
			state = TAKEN;
			holder = me;
			had++;
			assert(had <= ATTEMPTS);
#ifndef FAULT_UNCOUNTED
			takes++;
#endif
#ifdef FAULT_LIST_READ
			taker = me;
			if :: taker != me -> tell() :: else fi
#else
			taker = me;
#ifndef FAULT_NOT_TOLD
			if :: watched != me -> tell() :: else fi
#endif
#endif
		:: else
		fi
	   }
		if
		:: tells -> MAY_DIE; wake()
		:: else
		fi;
		MAY_DIE;
		if
		:: atomic {
			state == TAKEN && holder == me ->
			state = ANSWERED;
			holder = NOBODY;
			replies++;
#ifndef FAULT_SILENT
			tell()
#endif
		   }
		   if
		   :: tells -> MAY_DIE; wake()
		   :: else
		   fi
		:: else
		fi
	od;
	goto done;
died:
	atomic {
		dead[me] = true;
		untold = untold || tells;
		if :: watched == me -> asleep = false :: else fi
	}
done:
	skip
}

proctype client()
{
	bool tells;

again:
	atomic {
		give_back();
		if
		:: state == ANSWERED || state == FAILED -> goto ended
		:: else ->
			waited = true;
			watched = (holder != NOBODY -> holder : taker)
		fi
	}
	/* between unlocking and sleeping */
	atomic {
		if
		:: waited && !(watched != NOBODY && dead[watched]) -> asleep = true
		:: waited && watched != NOBODY && dead[watched] -> goto look_again
		:: else -> goto again
		fi
	}
	if
	:: !asleep
	:: atomic { asleep && state == WAITING && dead[0] && dead[1] && dead[2] -> goto alone }
	:: atomic { timeout && untold -> asleep = false }
	fi;
	goto again;
look_again:
	/* the dead one is nobody's any more */
	atomic {
		if :: taker == watched -> taker = NOBODY :: else fi;
		goto again
	}
ended:
	assert(state == ANSWERED || deaths >= ATTEMPTS);
	assert(replies == (state == ANSWERED -> 1 : 0));
alone:
	skip
}

init {
	atomic { run server(0); run server(1); run server(2); run client() }
}
