/* A small event log as TDX firmware writes it (CCEL), for tests that need one
 * which leads to a quote's registers. */
#ifndef CONFD_TEST_ATTEST_TEE_LOG_FORGE_H
#define CONFD_TEST_ATTEST_TEE_LOG_FORGE_H

#include "attest/tee/eventlog.h"

/* Append the log: an event each for RTMR0, RTMR1 and RTMR2, and none for
 * RTMR3. */
void log_forge(struct buf *out);

/* The registers that it leads to. */
void log_forge_registers(uint8_t rtmr[static EVENTLOG_RTMRS][48]);

#endif
