/* One chat with an OpenAI-compatible endpoint: for `confd demo`. */
#ifndef CONFD_CMD_DEMO_ASK_H
#define CONFD_CMD_DEMO_ASK_H

#include "core/buf.h"
#include "core/io/loop.h"

/* Ask the first model that the endpoint (HOST:PORT, plain) lists, and print
 * its answer on stdout.  E_AGAIN when *halt becomes true meanwhile; else as
 * http_client_call; E_UNAVAIL for any other status than 200. */
enum status demo_ask(struct loop *l, const char *endpoint, const char *text,
		     const bool *halt, struct err *err);

/* Append the name of that model; errors the same. */
enum status demo_ask_model(struct loop *l, const char *endpoint,
			   const bool *halt, struct buf *out, struct err *err);

#endif
