/* SPDX-License-Identifier: MIT */
/*
 * terminal.c - pseudo-terminals
 *
 * How      The program's side is had from ours by TIOCGPTPEER, without a path: it works in
 *          containers that have another /dev/pts.
 * Death    descriptors, which the kernel closes.
 */
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "os/fault.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int configure(int fd, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	int fault = durei_fault("tcsetattr");
	struct termios t;

	if (fault)
		return -fault;
	if (tcgetattr(fd, &t) < 0)
		return -errno;
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
	t.c_cc[VEOF] = DUREI_TERMINAL_EOF;
	if (tcsetattr(fd, TCSANOW, &t) < 0 || ioctl(fd, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

static int unlock(int ours)
{
	int fault = durei_fault("unlockpt");

	if (fault)
		return -fault;
	return grantpt(ours) < 0 || unlockpt(ours) < 0 ? -errno : 0;
}

/* The program's side, or negative. */
static int other_side(int ours)
{
	int fault = durei_fault("tiocgptpeer");
	int its = fault ? -1 : ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fault ? -fault : its < 0 ? -errno : its;
}

int durei_terminal_open(uint16_t rows, uint16_t columns, int *ret_ours, int *ret_its)
{
	int fault = durei_fault("openpt");
	int ours, its, r;

	if (fault)
		return -fault;
	ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ours < 0)
		return -errno;
	r = unlock(ours);
	its = r < 0 ? r : other_side(ours);
	r = its < 0 ? its : configure(its, rows, columns);
	if (r < 0) {
		if (its >= 0)
			close(its);
		close(ours);
		return r;
	}
	*ret_ours = ours;
	*ret_its = its;
	return 0;
}
