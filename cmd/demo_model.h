/* The built-in model server of `confd demo`: OpenAI-compatible, streaming,
 * deterministic, and no model at all; it says so in every answer. */
#ifndef CONFD_CMD_DEMO_MODEL_H
#define CONFD_CMD_DEMO_MODEL_H

#include "core/slice.h"
#include "core/status.h"

#define DEMO_MODEL_NAME "confd-demo"

/* Serve on 127.0.0.1:port until SIGTERM. */
enum status demo_model_run(uint16_t port, struct err *err);

#endif
