/* Shell completion, made from the applet table. */
#ifndef CONFD_CMD_COMPLETION_H
#define CONFD_CMD_COMPLETION_H

#include "core/status.h"

/* Print the script for "bash", "zsh" or "fish" to stdout; E_USAGE for
 * another shell. */
enum status completion_print(const char *shell, struct err *err);

#endif
