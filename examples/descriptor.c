/* SPDX-License-Identifier: MIT */
/*
 * descriptor - a segment without a name, passed over a Unix socket
 *
 * Nobody but who gets the descriptor can find it, and no name is left behind whoever dies: the
 * kernel takes the memory back with the last user. The receiver here is a forked child that has
 * closed everything else; over a named socket it could be any process.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "descriptor: %s\n", dure_last_error());
	exit(1);
}

/* Room for one descriptor beside one byte, as sendmsg wants it. */
struct parcel {
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec data;
	struct msghdr message;
};

static struct msghdr *wrap(struct parcel *p)
{
	memset(p, 0, sizeof *p);
	p->data.iov_base = &p->byte;
	p->data.iov_len = 1;
	p->message.msg_iov = &p->data;
	p->message.msg_iovlen = 1;
	p->message.msg_control = p->control;
	p->message.msg_controllen = sizeof p->control;
	return &p->message;
}

static int send_descriptor(int socket, int fd)
{
	struct parcel parcel;
	struct cmsghdr *c = CMSG_FIRSTHDR(wrap(&parcel));

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(socket, &parcel.message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int socket)
{
	struct parcel parcel;
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, wrap(&parcel), MSG_CMSG_CLOEXEC) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&parcel.message);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static int reply(int socket)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *seg;
	char *text;

	options.fd = receive_descriptor(socket);
	if (options.fd < 0)
		return 1;
	must(dure_segment_open(NULL, DURE_OPEN, &options, &seg));
	close(options.fd);
	must(dure_object_find(seg, "text", DURE_TYPE(char), (void **)&text, NULL));
	printf("the receiver finds: %s\n", text);
	strcpy(text, "well received");
	return dure_segment_close(seg);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	int sockets[2], status;
	dure_segment *seg;
	char *text;

	/* the child is made before the segment: it inherits nothing of it */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		return 1;
	if (fork() == 0) {
		close(sockets[0]);
		return reply(sockets[1]);
	}
	close(sockets[1]);
	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "text", DURE_TYPE(char), 64, NULL, NULL, (void **)&text));
	strcpy(text, "greetings from the sender");
	if (send_descriptor(sockets[0], dure_segment_fd(seg)) < 0)
		return 1;
	wait(&status);
	printf("the sender finds: %s\n", text);
	must(dure_segment_close(seg));
	return status;
}
