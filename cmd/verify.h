/* What the verbs of `confd verify` share: their options. */
#ifndef CONFD_CMD_VERIFY_H
#define CONFD_CMD_VERIFY_H

#include "cmd/applet.h"

/* Options of all verbs; each has rows for those that it takes. */
struct verify_opts {
	struct common_opts common;
	bool json;
	bool online; /* fetch-collateral */
	const char *out;
	const char *mirror;
	const char *ca;
	const char *at;
	const char *manifest;
	const char *policy;
	struct opt_list expect;
	struct opt_list trust_root;
	const char *group; /* bundle */
	const char *purpose;
	const char *vcek; /* snp */
	const char *chain;
	const char *certs_table;
	const char *crl;
	const char *collateral; /* tdx */
	const char *event_log;
	struct opt_list rim; /* gpu */
	struct opt_list ocsp;
	const char *nonce;
	const char *quote; /* vtpm */
	const char *signature;
	const char *pcrs;
	const char *td_quote;
	const char *tee; /* collect */
	const char *sim_root;
	const char *report_data;
	const char *gpu_helper;
	const char *tsm_root;
};

/* The verbs.  Each prints steps and verdict, and returns what the exit code is
 * made from: OK, a refusal (E_CRYPTO, E_POLICY), E_STALE where something could
 * not be checked, or why nothing was judged at all. */
enum status verify_snp_run(void *opts, const struct opt_args *args,
			   struct err *err);
enum status verify_tdx_run(void *opts, const struct opt_args *args,
			   struct err *err);
enum status verify_gpu_run(void *opts, const struct opt_args *args,
			   struct err *err);
enum status verify_vtpm_run(void *opts, const struct opt_args *args,
			    struct err *err);
enum status verify_bundle_run(void *opts, const struct opt_args *args,
			      struct err *err);
enum status verify_service_run(void *opts, const struct opt_args *args,
			       struct err *err);

/* What these two print is not a verdict. */
enum status verify_collect_run(void *opts, const struct opt_args *args,
			       struct err *err);
enum status verify_fetch_run(void *opts, const struct opt_args *args,
			     struct err *err);

#endif
