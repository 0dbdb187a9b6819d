/* Options of whatever attests: what goes into evidence beside the report. */
#ifndef CONFD_CMD_TEE_OPTS_H
#define CONFD_CMD_TEE_OPTS_H

#include "core/opts.h"

/* clang-format off */
#define TEE_COLLATERAL_ROW(type, member)                                    \
	{ .name = "collateral", .arg = "DIR",                               \
	  .help = "what the maker says about this machine's chips",         \
	  .kind = OPT_STR, OPT_AT(type, member) }
#define TEE_GPU_HELPER_ROW(type, member)                                    \
	{ .name = "gpu-helper", .arg = "FILE",                              \
	  .help = "program that has the GPUs sign (confd-gpu-helper)",      \
	  .kind = OPT_STR, OPT_AT(type, member) }
#define TEE_TSM_ROOT_ROW(type, member)                                      \
	{ .name = "tsm-root", .arg = "DIR",                                 \
	  .help = "for tests: where configfs-tsm is, in place of Linux's",  \
	  .kind = OPT_STR, OPT_AT(type, member) }
/* clang-format on */

#endif
