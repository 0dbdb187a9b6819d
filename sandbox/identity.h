/* Who the processes of a sandbox are, and what they may not. */
#ifndef CONFD_SANDBOX_IDENTITY_H
#define CONFD_SANDBOX_IDENTITY_H

#include "sandbox/spec.h"

/* Bytes; less than any core dump has, and the one value with which the kernel
 * starts no program to take it. */
#define IDENTITY_CORE_LIMIT 1

/* Become root of the sandbox, where it has one (it was started by root). */
enum status identity_enter(bool has_root, struct err *err);

/* The process limits. */
enum status identity_limit(const struct sandbox_limits *limits,
			   struct err *err);

/* Become the workload's user, with no capability now or later, no new
 * privileges, and an end with the parent's. */
enum status identity_drop(bool has_root, struct err *err);

#endif
