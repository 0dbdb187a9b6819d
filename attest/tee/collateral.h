/* A folder with what the makers say about this machine's chips: certificates,
 * revocation lists, reference values.  What does not come with a report is
 * taken from there, and travels with the evidence.
 *
 * Each thing has a few names that a file may have, all in collateral.c; they
 * are those of the makers' services and of `confd verify`.  Files are read
 * anew each time, so that somebody else may keep them up to date; nothing in
 * them is believed here, but what is malformed is noticed before a verifier
 * does. */
#ifndef CONFD_ATTEST_TEE_COLLATERAL_H
#define CONFD_ATTEST_TEE_COLLATERAL_H

#include "attest/evidence.h"

#define COLLATERAL_PATH_MAX 4096 /* bytes of a file's path, with its NUL */

/* E_CONF, with what to do, unless it is a folder that can be read. */
enum status collateral_check(const char *folder, struct err *err);

/* Add to the evidence, which has its report and GPUs, what the folder has for
 * its TEE and for them.  What is there already stays.
 *
 * E_CONF	a file is malformed, too large or cannot be read, or there are
 *		two of one thing; names it. */
enum status collateral_add(const char *folder, struct evidence *e,
			   struct err *err);

/* The file of one thing: text is a name in a bundle's collateral, such as
 * "tcb_info" of "tdx"; of "gpu" "driver" and "vbios".
 *
 * E_NOTFOUND	there is none.
 * E_CONF	there are two. */
enum status collateral_find(const char *folder, const char *tee,
			    const char *text,
			    char path[static COLLATERAL_PATH_MAX],
			    struct err *err);

#endif
