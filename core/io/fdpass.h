/* One descriptor over an AF_UNIX socket (SCM_RIGHTS), with one byte of data
 * to carry it. */
#ifndef CONFD_CORE_IO_FDPASS_H
#define CONFD_CORE_IO_FDPASS_H

#include "core/status.h"

/* Send a duplicate of pass_fd, which stays the caller's.  E_AGAIN when a
 * non-blocking socket is full, E_IO when the other end is gone. */
enum status fdpass_send(int sock, int pass_fd, struct err *err);

/* Receive one, close-on-exec.  E_AGAIN as above; E_IO at the end of the
 * stream; E_PARSE when a byte came without exactly one descriptor (what came
 * is closed). */
enum status fdpass_recv(int sock, int *fd, struct err *err);

#endif
