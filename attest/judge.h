/* The judge of the attestation service: a process that parses and verifies
 * evidence, and nothing else.  It has no network, no files and no secrets;
 * it answers the keeper's MSG_CASE with MSG_VERDICT until the keeper is
 * gone. */
#ifndef CONFD_ATTEST_JUDGE_H
#define CONFD_ATTEST_JUDGE_H

#include "core/status.h"

/* Run on the channel fd, which becomes ours.  OK when the keeper ended. */
enum status judge_run(int fd, struct err *err);

#endif
