/* SPDX-License-Identifier: MIT */
/*
 * dure/fifo.h - pipes with a name, and a server with clients on top of them
 *
 * A FIFO is opened without hanging, and only if it is one. Its descriptors are the caller's, for
 * dure_pipe_read, dure_pipe_write, read, write, poll and close(2).
 *
 * A server reads requests from a well-known FIFO; each client has one of its own for the answers.
 * Who is alive is told by file locks and by the pipes themselves: FIFOs of the dead are removed by
 * whoever comes upon them, and nobody waits for a dead side.
 *
 * Common to all functions here: Threads: any for descriptors, one at a time for a server or a
 * client. Signals: not from a handler; none is raised. Fork: descriptors are inherited; servers and
 * clients answer -ESTALE, and the child closes them soon: until then the parent looks alive.
 */
#ifndef DURE_FIFO_H
#define DURE_FIFO_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>
#include <dure/pipe.h>

DURE_BEGIN

/* instead of a descriptor of a directory: the current one */
enum { DURE_FIFO_HERE = -100 };

enum {
	DURE_FIFO_READ = 1u << 0,
	DURE_FIFO_WRITE = 1u << 1,
	DURE_FIFO_NONBLOCKING = 1u << 2,	/* read(2) and write(2) do not wait */
};

/*
 * dure_fifo_make - make a FIFO, with exactly this mode, whatever the umask
 *
 * A relative path is relative to the directory.
 *
 * Returns  0; -EEXIST -ENOENT (no such directory) -EACCES -ENOSPC -EINVAL -EPERM -ENOMEM -EMFILE -EIO
 */
DURE_API int dure_fifo_make(int directory, const char *path, uint32_t mode);

/*
 * dure_fifo_open - open a FIFO without hanging
 *
 *	DURE_FIFO_READ		at once, whether or not anybody writes. dure_pipe_read then waits for
 *				the first writer, and returns 0 when the last one has gone
 *	DURE_FIFO_WRITE		waits at most timeout_ns for a reader
 *	both			at once, and it is never at its end: a server's way to read, without
 *				a storm of ends between one client and the next
 *
 * Returns  the descriptor, close-on-exec; -EAGAIN -ETIMEDOUT (nobody reads) -ENOENT -EACCES -EINVAL
 *          (not a FIFO) -EMFILE -ENOMEM -EIO
 */
DURE_API int dure_fifo_open(int directory, const char *path, uint32_t flags, int64_t timeout_ns);

/* dure_fifo_remove - take a FIFO's name away; those who have it open keep it. Returns 0; -EINVAL
   (not a FIFO: never removed) -ENOENT -EACCES -EPERM -EMFILE -ENOMEM -EIO */
DURE_API int dure_fifo_remove(int directory, const char *path);

typedef struct dure_fifo_server dure_fifo_server;
typedef struct dure_fifo_client dure_fifo_client;

/* the longest request; answers may have up to DURE_FIFO_ANSWER_MAX */
enum { DURE_FIFO_REQUEST_MAX = 4072, DURE_FIFO_ANSWER_MAX = 64 << 20 };

struct dure_fifo_options {
	size_t sz;			/* sizeof(struct dure_fifo_options) */
	uint32_t mode;			/* of the FIFO that is made; default 0600 */
	uint32_t reserved;
};

struct dure_fifo_request {
	size_t sz;			/* sizeof(struct dure_fifo_request) */
	uint64_t client;		/* who asks */
	uint32_t number;		/* of its requests, from 1 */
	uint32_t reserved;
};

/*
 * dure_fifo_server_open - serve at path
 *
 * Makes the well-known FIFO, complete and in one step, in the place of one whose server is dead,
 * and removes what dead clients left beside it.
 *
 * Returns  0; -EBUSY (a living server has it) -EEXIST (there is something that is no FIFO) -ENOENT
 *          -EACCES -ENOSPC -EINVAL -EMFILE -ENOMEM -EPERM -EOPNOTSUPP -EIO -E2BIG
 * Death    at any point: the next server finds it so, and replaces the FIFO.
 */
DURE_API int dure_fifo_server_open(const char *path, const struct dure_fifo_options *options,
				   dure_fifo_server **ret);

/* dure_fifo_server_fd - readable when there are requests (borrowed). -EINVAL -ESTALE */
DURE_API int dure_fifo_server_fd(dure_fifo_server *server);

/*
 * dure_fifo_server_next - the next request
 *
 * Returns  its length, and who asks in *ret; -EMSGSIZE (longer than bytes: it is dropped) -EAGAIN
 *          -ETIMEDOUT -EINVAL -ENOMEM -EIO -ESTALE
 */
DURE_API int dure_fifo_server_next(dure_fifo_server *server, void *request, size_t bytes,
				   int64_t timeout_ns, struct dure_fifo_request *ret);

/*
 * dure_fifo_server_answer - answer a request
 *
 * Waits at most timeout_ns for a client that does not read; an answer that is not complete by then
 * is dropped by the client.
 *
 * Returns  0; -EPIPE (the client is dead; its FIFO has been removed) -EAGAIN -ETIMEDOUT -EACCES (its
 *          FIFO does not let the server write) -EMSGSIZE -EINVAL -EMFILE -ENOMEM -EIO -ESTALE
 */
DURE_API int dure_fifo_server_answer(dure_fifo_server *server,
				     const struct dure_fifo_request *request, const void *data,
				     size_t bytes, int64_t timeout_ns);

/* dure_fifo_server_close - remove the FIFO, and go. Clients that wait are told. NULL is allowed. */
DURE_API void dure_fifo_server_close(dure_fifo_server *server);

/*
 * dure_fifo_client_open - become a client of the server at path
 *
 * Waits at most timeout_ns until there is a server, and makes the client's own FIFO beside its.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (there is no server) -ENOENT (no such directory) -EACCES -EINVAL
 *          -ENOSPC -EMFILE -ENOMEM -EPERM -EBUSY -EOPNOTSUPP -EIO -E2BIG
 * Death    the server removes its FIFO, at the latest the next one.
 */
DURE_API int dure_fifo_client_open(const char *path, const struct dure_fifo_options *options,
				   int64_t timeout_ns, dure_fifo_client **ret);

/* dure_fifo_client_fd - readable when there is an answer (borrowed). -EINVAL -ESTALE */
DURE_API int dure_fifo_client_fd(dure_fifo_client *client);

/*
 * dure_fifo_client_send - send a request of up to DURE_FIFO_REQUEST_MAX bytes
 *
 * Returns  its number, at least 1; -EPIPE (the server is dead: open a new client) -EMSGSIZE -EAGAIN
 *          -ETIMEDOUT -EINVAL -ENOMEM -EIO -ESTALE
 */
DURE_API int dure_fifo_client_send(dure_fifo_client *client, const void *data, size_t bytes,
				   int64_t timeout_ns);

/*
 * dure_fifo_client_receive - receive the next answer
 *
 * ret_number (may be NULL) gets the number of the request that it answers.
 *
 * Returns  its length; -EPIPE (the server is dead, and there is no answer) -EMSGSIZE (longer than
 *          bytes: it is dropped) -EAGAIN -ETIMEDOUT -EINVAL -ENOMEM -EIO -ESTALE
 */
DURE_API int dure_fifo_client_receive(dure_fifo_client *client, void *answer, size_t bytes,
				      int64_t timeout_ns, uint32_t *ret_number);

/*
 * dure_fifo_client_ask - send a request, receive its answer
 *
 * Answers to earlier requests that come first are dropped.
 *
 * Returns  as dure_fifo_client_receive and dure_fifo_client_send. -ETIMEDOUT, too, when the request
 *          was sent and the answer has not come.
 */
DURE_API int dure_fifo_client_ask(dure_fifo_client *client, const void *request,
				  size_t request_bytes, void *answer, size_t bytes,
				  int64_t timeout_ns);

/* dure_fifo_client_close - remove its FIFO. NULL is allowed. */
DURE_API void dure_fifo_client_close(dure_fifo_client *client);

DURE_END

#endif
