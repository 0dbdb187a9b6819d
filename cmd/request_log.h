/* The log line of a request, of both proxies. */
#ifndef CONFD_CMD_REQUEST_LOG_H
#define CONFD_CMD_REQUEST_LOG_H

#include "proxy/outcome.h"

/* A warning when it failed on the way, else for debugging.  The done() of
 * their settings; ctx is not used. */
void request_log(void *ctx, const struct outcome *o);

#endif
