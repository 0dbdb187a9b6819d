/* A profile's rows as a system call filter of this process and its
 * children. */
#ifndef CONFD_SANDBOX_SECCOMP_H
#define CONFD_SANDBOX_SECCOMP_H

#include "core/status.h"
#include "sandbox/profile.h"

/* Load it: there is no way back.  Sets no_new_privs.  Calls of another
 * architecture (int 0x80, x32) end the process; calls newer than this list,
 * and clone3, whose flags a filter cannot see, answer ENOSYS, so that the C
 * library falls back on what it had before.  E_IO, E_UNAVAIL when the kernel
 * has no filters. */
enum status seccomp_apply(const struct profile *p, struct err *err);

/* Version of libseccomp, for --version. */
const char *seccomp_library(void);

#endif
