/* One chat with an OpenAI-compatible endpoint: for `confd demo --ask`. */
#ifndef CONFD_CMD_DEMO_ASK_H
#define CONFD_CMD_DEMO_ASK_H

#include "core/io/loop.h"

/* Ask the first model that the endpoint (HOST:PORT, plain) lists, and print
 * its answer on stdout. */
enum status demo_ask(struct loop *l, const char *endpoint, const char *text,
		     struct err *err);

#endif
