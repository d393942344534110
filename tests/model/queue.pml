/* SPDX-License-Identifier: MIT */
/*
 * queue.pml - a message is taken, settled and given back, whoever dies
 *
 * Why      What a dead receiver has taken is put back by whoever looks next; what it was in the
 *          middle of taking or acknowledging is undone by whoever gets the lock next. Both must
 *          come in this order, and neither may touch what a living one has.
 * What     src/message/shelf.c [SHELF1] to [SHELF3], receive.c, settle.c; tx/log.c as far as it is
 *          two words that are remembered. Receivers take one message after the other and
 *          acknowledge it. Who gets the lock of a dead one has undone its log.
 * Checked  Who has taken a message has it until it has acknowledged it, or is dead; each message is
 *          consumed once, by the last who looks at the latest.
 * Faults   -DFAULT_LOCK_FIRST    the lock of the dead is had before its log is dealt with
 *          -DFAULT_UNLOGGED      what is changed is not remembered
 *          -DFAULT_COMMIT_FIRST  a message is taken before it says by whom
 *          -DFAULT_GUESSED       who has had a message for long is taken for dead
 */
#define RECEIVERS 2
#define LAST 2
#define NOBODY 3
#define MESSAGES 2
#ifndef DEATHS
#define DEATHS 2
#endif

mtype = { WAITING, TAKEN, GONE };

mtype state[MESSAGES] = WAITING;
byte holder[MESSAGES] = NOBODY;
byte consumed[MESSAGES];		/* ghost */
byte lock = NOBODY, deaths, ended;
bool dead[3];

/* a lane's log: one message as it was */
bool open[3];
byte log_message[3], log_holder[3];
mtype log_state[3];

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; dead[me] = true; goto died } :: skip fi

inline undo(x)
{
	if
	:: open[x] ->
		state[log_message[x]] = log_state[x];
		holder[log_message[x]] = log_holder[x];
		open[x] = false
	:: else
	fi
}

inline take_lock()
{
#ifdef FAULT_LOCK_FIRST
	atomic { (lock == NOBODY || dead[lock]) -> gone = lock; lock = me };
#else
	atomic {
		(lock == NOBODY || dead[lock]) ->
		if :: lock != NOBODY -> undo(lock) :: else fi;
		lock = me
	}
#endif
}

inline begin(m)
{
#ifndef FAULT_UNLOGGED
	atomic {
		log_message[me] = m;
		log_state[me] = state[m];
		log_holder[me] = holder[m];
		open[me] = true
	}
#else
	skip
#endif
}

#ifdef FAULT_GUESSED
#define IS_GONE(x) (x != me)
#else
#define IS_GONE(x) dead[x]
#endif

/* Each in a change of its own: one step. */
inline give_back(m)
{
	atomic {
		if
		:: state[m] == TAKEN && holder[m] != NOBODY && IS_GONE(holder[m]) ->
			state[m] = WAITING;
			holder[m] = NOBODY
		:: else
		fi
	}
}

inline take()
{
	mine = MESSAGES;
	give_back(0);
	give_back(1);
	if
	:: state[0] == WAITING -> mine = 0
	:: state[0] != WAITING && state[1] == WAITING -> mine = 1
	:: else
	fi;
	if
	:: mine != MESSAGES ->
		begin(mine);
		MAY_DIE;
		state[mine] = TAKEN;
		MAY_DIE;
#ifdef FAULT_COMMIT_FIRST
		open[me] = false;
		MAY_DIE;
		holder[mine] = me
#else
		holder[mine] = me;
		MAY_DIE;
		open[me] = false		/* commit */
#endif
	:: else
	fi
}

inline acknowledge()
{
	assert(state[mine] == TAKEN && holder[mine] == me);
	begin(mine);
	MAY_DIE;
	holder[mine] = NOBODY;
	MAY_DIE;
	state[mine] = GONE;
	MAY_DIE;
	atomic { open[me] = false; consumed[mine]++ }
}

inline unlock()
{
#ifdef FAULT_LOCK_FIRST
	atomic { if :: gone != NOBODY -> undo(gone) :: else fi };
#endif
	lock = NOBODY
}

proctype receiver(byte me)
{
	byte mine, gone;

	do
	:: true ->
		take_lock();
		MAY_DIE;
		take();
		MAY_DIE;
		unlock();
		if :: mine == MESSAGES -> break :: else fi;
		MAY_DIE;
		take_lock();
		MAY_DIE;
		acknowledge();
		MAY_DIE;
		unlock()
	:: true -> break
	od;
	/* it ends without anything taken: so it counts as gone */
	dead[me] = true;
died:
	ended++
}

/* When all have ended. */
proctype last(byte me)
{
	byte mine, gone;

	ended == RECEIVERS;
	deaths = DEATHS;
	do
	:: true ->
		take_lock();
		take();
		if :: mine == MESSAGES -> break :: else fi;
		acknowledge();
		unlock()
	od;
	assert(consumed[0] == 1 && consumed[1] == 1);
died:
	skip
}

init {
	atomic { run receiver(0); run receiver(1); run last(LAST) }
}
