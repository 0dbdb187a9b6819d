/* Outcomes.  Every function that can fail returns an enum status and takes a
 * struct err; the status is for the program, the text for the person. */
#ifndef CONFD_CORE_STATUS_H
#define CONFD_CORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
enum [[nodiscard]] status {
	OK = 0,
	E_NOMEM,	/* no memory; only for sizes a peer chose */
	E_IO,		/* a system call failed, or a stream broke */
	E_AGAIN,	/* not now: wait for the next event */
	E_PARSE,	/* bytes not of the form the source gives */
	E_LIMIT,	/* well formed, but larger than we take */
	E_CRYPTO,	/* a signature, tag or certificate is wrong */
	E_POLICY,	/* genuine, but not what the manifest allows */
	E_STALE,	/* not judged: collateral missing or out of date */
	E_NOTFOUND,	/* no such thing here */
	E_CONFLICT,	/* somebody changed it first, or it exists already */
	E_USAGE,	/* the command line is wrong */
	E_CONF,		/* a configuration or manifest file is wrong */
	E_PERM,		/* the caller may not do this */
	E_UNAVAIL,	/* a service that we need does not answer */
};
/* clang-format on */

#define ERR_TEXT_MAX 480

struct err {
	enum status code;
	char text[ERR_TEXT_MAX]; /* one line, no secrets, no control bytes */
};

/* Record a failure and return its code.  Control bytes in the formatted text
 * are replaced by '?', so text of a peer cannot forge a line. */
enum status err_set(struct err *err, enum status code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Record a failed system call: E_PERM for EACCES and EPERM, E_NOTFOUND for
 * ENOENT, else E_IO; ": " and strerror(errno) are appended. */
enum status err_errno(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Put "context: " in front of the text that is there; returns err->code. */
enum status err_wrap(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Process exit code of an outcome (DESIGN: 0 ok, 1 failed, 2 verification
 * refused, 3 not judged, 64 usage, 69 unavailable, 74 I/O, 77 permission,
 * 78 configuration). */
int status_exit_code(enum status code);

/* Short stable name, such as "parse" or "policy"; for logs and JSON. */
const char *status_name(enum status code);

/* The one macro that returns: pass a failure up as it is. */
#define TRY(call)                          \
	do {                               \
		enum status try_ = (call); \
		if (try_ != OK)            \
			return try_;       \
	} while (0)

#endif
