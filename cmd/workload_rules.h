/* What the manifest lets a worker group run: a request against the group's
 * entry, member by member.  Nothing is allowed by silence. */
#ifndef CONFD_CMD_WORKLOAD_RULES_H
#define CONFD_CMD_WORKLOAD_RULES_H

#include "attest/manifest.h"
#include "cmd/workload_request.h"
#include "cmd/workload_scan.h"
#include "sandbox/spec.h"

/* All but the image: adapters, models, cache_salt, runtime, logs.
 *
 * E_POLICY	not allowed; the text names the member of the manifest.
 * E_CONF	allowed, but not built yet. */
enum status workload_rules_check(const struct manifest_worker *by,
				 const struct workload_request *r,
				 struct err *err);

/* Whether images of this kind ("command:", "dir:") stand there, so that it
 * is worth to find out. */
bool workload_rules_want(const struct manifest_worker *by, const char *kind);

/* Whether what was found out is among the images.  E_POLICY, with what would
 * have to stand there. */
enum status workload_rules_image(const struct manifest_worker *by,
				 const struct workload_request *r,
				 const struct workload_facts *f,
				 struct err *err);

/* What becomes of the output, where workload_rules_check() is OK. */
enum spec_logs workload_rules_logs(const struct manifest_worker *by,
				   const struct workload_request *r);

#endif
