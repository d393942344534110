/* SPDX-License-Identifier: MIT */
/*
 * dure/service.h - requests and replies: several servers, several clients
 *
 *	dure_service *service;
 *	r = dure_service_open(segment, "prices", DURE_CREATE | DURE_OPEN, NULL, &service);
 *
 * A client:
 *	r = dure_service_call(service, "tea", 4, NULL, buffer, sizeof buffer, &bytes, timeout_ns);
 *
 * A server:
 *	struct dure_request request = { .sz = sizeof request };
 *	r = dure_service_take(service, NULL, buffer, sizeof buffer, &request, DURE_FOREVER);
 *	...
 *	r = dure_service_reply(service, &request, reply, reply_bytes, 0);
 *
 * A request goes to one server, by priority and type as in a queue (dure/queue.h), and its reply
 * to the thread that has asked, whoever else asks. Nothing is lost in silence:
 *
 *	a server dies	the request is at its place again, for another server; after attempts_max
 *			servers the call ends with -EOWNERDEAD
 *	a server refuses	the call ends with -ECONNREFUSED
 *	no server takes it within lives_ns	the call ends with -ENOTCONN
 *	a client dies, or its thread ends	its request is dropped if no server has it; else the
 *			reply is, and the server is told DURE_UNWANTED. Its memory comes back
 *	a client gives up	the same
 *
 * A reply is given inside a transaction of the server's together with what it stands for: both
 * have happened, or another server has the request.
 *
 * Common to all functions here: Threads: any of the process; a call lasts as long as the thread
 * that has asked, and a request stays with the thread that has taken it. Transactions: they are
 * part of them, and the service is locked to the end of one. Signals: not from a handler. Fork:
 * the child's handle answers -ESTALE; it opens the service again. Death: each call has happened or
 * has not. A stopped process blocks others only while it is inside a call, or has the service in
 * an open transaction; a stopped server keeps its request.
 */
#ifndef DURE_SERVICE_H
#define DURE_SERVICE_H

#include <dure/queue.h>

DURE_BEGIN

typedef struct dure_service dure_service;

/* limits of what waits or is with a server; 0 is none */
struct dure_service_options {
	size_t sz;
	uint64_t requests_max;
	uint64_t bytes_max;		/* of all requests, and 64 more for each; blocks that were
					   handed over count as 64 */
	uint64_t request_bytes_max;
};

/*
 * dure_service_open - make a service by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options (may be NULL) count when it is made. Servers and
 * clients open it in the same way.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL -EBUSY (being destroyed) -EDEADLK (inside a
 *          transaction) -ENOSPC -ENOMEM -EUSERS -EUCLEAN -EROFS -ESTALE
 * Death    the service exists, with its name, or nothing of it does.
 */
DURE_API int dure_service_open(dure_segment *segment, const char *name, uint32_t flags,
			       const struct dure_service_options *options, dure_service **ret);

/* dure_service_close - forget this handle; the service stays, and so do calls and requests that
   this process has. NULL is allowed */
DURE_API void dure_service_close(dure_service *service);

/* dure_service_shut - nothing more is asked: -ESHUTDOWN. What was asked can be answered; servers
   are told -ESHUTDOWN when there is nothing more. Returns 0; -EDEADLK -EROFS -ESTALE */
DURE_API int dure_service_shut(dure_service *service);

/*
 * dure_service_destroy - free a service, its calls and its name
 *
 * Returns  0; -ENOENT -EBUSY (it is open somewhere) -EINVAL -ENOSPC -EDEADLK (inside a
 *          transaction) -EROFS -ESTALE -EUCLEAN
 * Death    it is there and cannot be opened, or gone: destroy again.
 */
DURE_API int dure_service_destroy(dure_segment *segment, const char *name);

enum {
	/* flags of ask and reply */
	DURE_CALL_BLOCK = 1,		/* data is a block this process has reserved: it is handed
					   over, not copied; after a failure it is still reserved */
};

/* how something is asked; zeros are the defaults */
struct dure_ask {
	size_t sz;
	int64_t type;			/* default 1 */
	uint32_t priority;
	uint32_t attempts_max;		/* servers that may die of it; 0: any number */
	int64_t lives_ns;		/* until a server must have taken it; 0: for ever */
	uint32_t flags;			/* DURE_CALL_BLOCK; DURE_QUEUE_SPIN or DURE_QUEUE_SLEEP */
	uint32_t reserved;
};

/* a call that was made */
struct dure_call {
	size_t sz;
	uint64_t id;			/* grows with each request */
	dure_ref place;			/* for the library */
	uint64_t bytes;			/* of the reply */
	dure_ref ref;			/* look: the reply's bytes, until the call is forgotten */
	uint32_t flags;			/* how its reply is waited for: DURE_QUEUE_SPIN or
					   DURE_QUEUE_SLEEP; ask sets it to what ask.flags say */
	uint32_t reserved;
};

/*
 * dure_service_ask - make a request; the reply is waited for later
 *
 * Waits at most timeout_ns for room within the service's limits. how may be NULL.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (no room) -EMSGSIZE (it would never fit the limits) -EINVAL
 *          (type, priority, flags; data is no reserved block) -ENOSPC (the segment is full)
 *          -ESHUTDOWN -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    there is no call: a request of the dead is dropped.
 */
DURE_API int dure_service_ask(dure_service *service, const void *data, size_t bytes,
			      const struct dure_ask *how, int64_t timeout_ns,
			      struct dure_call *ret);

/*
 * dure_service_await - wait for the reply, and end the call
 *
 * Waits at most timeout_ns. After 0 and the codes that tell of the call's end it is over, and
 * cannot be waited for again; after all others it goes on. call->bytes is set to the reply's
 * length.
 *
 * Returns  0; -EOWNERDEAD -ECONNREFUSED -ENOTCONN (the call has ended so)
 *          -EAGAIN -ETIMEDOUT (no reply yet) -EMSGSIZE (the buffer is too small: the reply stays)
 *          -EPERM (this process has no such call) -EINVAL -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    its reply and its memory go.
 */
DURE_API int dure_service_await(dure_service *service, struct dure_call *call, void *buffer,
				size_t buffer_bytes, int64_t timeout_ns);

/* dure_service_look - wait for the reply, and see where it lies: call->ref, call->bytes. It stays
   until dure_service_forget. Returns as await */
DURE_API int dure_service_look(dure_service *service, struct dure_call *call, int64_t timeout_ns);

/* dure_service_forget - end a call: its reply goes, and a request that no server has. Returns 0;
   -EPERM -EINVAL -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE */
DURE_API int dure_service_forget(dure_service *service, const struct dure_call *call);

/*
 * dure_service_call - ask, and wait for the reply
 *
 * Waits at most timeout_ns in all; after a failure the call is forgotten. ret_bytes may be NULL.
 *
 * Returns  as ask and await. After -ETIMEDOUT a server may do it all the same.
 * Death    as ask.
 */
DURE_API int dure_service_call(dure_service *service, const void *data, size_t bytes,
			       const struct dure_ask *how, void *buffer, size_t buffer_bytes,
			       int64_t timeout_ns, size_t *ret_bytes);

/* a request that was taken */
struct dure_request {
	size_t sz;
	uint64_t id;
	int64_t type;
	uint32_t priority;
	uint32_t attempts;		/* how often it has been taken, this time included */
	uint64_t bytes;
	dure_ref place;			/* for the library */
	dure_ref ref;			/* the request's bytes, until it is answered */
};

/*
 * dure_service_take - take the next request
 *
 * Waits at most timeout_ns. which (dure/queue.h) selects by type, and may be NULL. buffer may be
 * NULL: then nothing is copied, and ret->ref leads to the bytes.
 *
 * Returns  0, DURE_TRUNCATED; -EAGAIN -ETIMEDOUT (none came) -EMSGSIZE (the buffer is too small;
 *          the request stays) -ESHUTDOWN -EINVAL -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    the request is at its place, with this attempt counted or not.
 */
DURE_API int dure_service_take(dure_service *service, const struct dure_queue_select *which,
			       void *buffer, size_t buffer_bytes, struct dure_request *ret,
			       int64_t timeout_ns);

/*
 * dure_service_reply - answer a request that was taken
 *
 * flags: DURE_CALL_BLOCK. By any thread of the process that has taken it.
 *
 * Returns  0; DURE_UNWANTED (the client is gone or has given up: request and reply are dropped, a
 *          block stays reserved); -EPERM (this process has not taken it, or not any more) -EINVAL
 *          -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is answered, or at its place for another server.
 */
DURE_API int dure_service_reply(dure_service *service, const struct dure_request *request,
				const void *data, size_t bytes, uint32_t flags);

/* dure_service_refuse - end the client's call with -ECONNREFUSED. Returns as reply */
DURE_API int dure_service_refuse(dure_service *service, const struct dure_request *request);

/* dure_service_requeue - give a request back to its place, for another server. Returns as reply,
   but for DURE_UNWANTED */
DURE_API int dure_service_requeue(dure_service *service, const struct dure_request *request);

/*
 * dure_service_fd - a descriptor to poll
 *
 * It belongs to the handle, and becomes readable when a request, or a reply to a call of this
 * handle that was waited for, may have come, and when a process that used the segment is gone.
 * Then take or await (or look), with timeout 0, until all of them answer -EAGAIN: that makes it
 * quiet. Nothing that comes after is missed. It is readable at first. One thread at a time uses
 * a handle that has one.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -EROFS -ESTALE
 */
DURE_API int dure_service_fd(dure_service *service);

struct dure_service_info {
	size_t sz;
	uint64_t requests, bytes;	/* waiting, and with servers */
	uint64_t taken;			/* of these: with servers */
	uint64_t answered;		/* that clients have not ended yet */
	uint64_t requests_high;		/* the most there ever were */
	uint64_t asked, replied;	/* since the beginning */
	uint64_t returned;		/* given back by, or in the name of, their servers */
	uint64_t dropped;		/* no server had them: too late, or the client gone */
	uint64_t waits;			/* times that a server or client had to sleep */
	uint64_t requests_max, bytes_max, request_bytes_max;
	uint32_t is_shut;
	uint32_t users;			/* living processes that have it open */
};

/* dure_service_info - figures of a service; while others change it, they may not fit together.
   Returns 0; -EINVAL -ESTALE */
DURE_API int dure_service_info(dure_service *service, struct dure_service_info *info);

DURE_END

#endif
