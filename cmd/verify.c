/* confd verify: judge evidence, and show every step. */
#include "cmd/verify.h"

#include "cmd/fetch.h"
#include "cmd/tee_opts.h"
#include "core/cleanup.h"

/* clang-format off */
#define ROW(n, a, k, m, ...) \
	{ .name = n, .arg = a, .kind = k, OPT_AT(struct verify_opts, m), \
	  .help = __VA_ARGS__ }
#define AT_ROW ROW("at", "TIME", OPT_STR, at, \
	"judge as of this time (RFC 3339, UTC) instead of now")
#define EXPECT_ROW ROW("expect", "NAME=VALUE", OPT_LIST, expect, \
	"a claim that must have this value; may be repeated")
#define JSON_ROW ROW("json", NULL, OPT_FLAG, json, \
	"print verdict, claims and trace as JSON")
#define MANIFEST_ROW ROW("manifest", "FILE", OPT_STR, manifest, \
	"judge by a policy of this manifest instead of the defaults")
#define POLICY_ROW ROW("policy", "NAME", OPT_STR, policy, \
	"the policy of --manifest that must accept it")
#define TRUST_ROW ROW("trust-root", "FILE", OPT_LIST, trust_root, \
	"for tests: trust this root too, beside the maker's own")

static const struct opt snp_rows[] = {
	AT_ROW,
	ROW("certs-table", "FILE", OPT_STR, certs_table,
	    "certificate table of an extended report (auxblob)"),
	ROW("chain", "FILE", OPT_STR, chain,
	    "certificates above the VCEK or VLEK: ASK or ASVK, and ARK"),
	ROW("crl", "FILE", OPT_STR, crl, "AMD's revocation list"),
	EXPECT_ROW,
	JSON_ROW,
	MANIFEST_ROW,
	POLICY_ROW,
	TRUST_ROW,
	ROW("vcek", "FILE", OPT_STR, vcek,
	    "certificate of the key that signed: VCEK or VLEK"),
};

static const struct opt tdx_rows[] = {
	AT_ROW,
	ROW("collateral", "DIR", OPT_STR, collateral,
	    "Intel's documents for the platform, by their names"),
	ROW("event-log", "FILE", OPT_STR, event_log,
	    "event log that must lead to the registers: CCEL or JSON"),
	EXPECT_ROW,
	JSON_ROW,
	MANIFEST_ROW,
	POLICY_ROW,
	TRUST_ROW,
};

static const struct opt gpu_rows[] = {
	AT_ROW,
	ROW("chain", "FILE", OPT_STR, chain,
	    "the device's five certificates, PEM", .flags = OPT_REQUIRED),
	EXPECT_ROW,
	JSON_ROW,
	MANIFEST_ROW,
	ROW("nonce", "HEX", OPT_STR, nonce,
	    "what the report was asked for with"),
	ROW("ocsp", "FILE", OPT_LIST, ocsp,
	    "OCSP response about a certificate; may be repeated"),
	POLICY_ROW,
	ROW("rim", "FILE", OPT_LIST, rim,
	    "reference values of driver or VBIOS; may be repeated"),
	TRUST_ROW,
};

static const struct opt vtpm_rows[] = {
	AT_ROW,
	ROW("chain", "FILE", OPT_STR, chain,
	    "of SNP: certificates above the VCEK: ASK and ARK"),
	ROW("collateral", "DIR", OPT_STR, collateral,
	    "of TDX: Intel's documents for the platform, by their names"),
	ROW("crl", "FILE", OPT_STR, crl, "of SNP: AMD's revocation list"),
	EXPECT_ROW,
	JSON_ROW,
	MANIFEST_ROW,
	ROW("nonce", "HEX", OPT_STR, nonce,
	    "what the TPM's quote was asked for with"),
	ROW("pcrs", "FILE", OPT_STR, pcrs,
	    "PCR values of the SHA-256 bank, JSON"),
	POLICY_ROW,
	ROW("quote", "FILE", OPT_STR, quote, "the TPM's quote"),
	ROW("signature", "FILE", OPT_STR, signature,
	    "the quote's signature by the attestation key"),
	ROW("td-quote", "FILE", OPT_STR, td_quote,
	    "of TDX: the TD quote about the same runtime data"),
	TRUST_ROW,
	ROW("vcek", "FILE", OPT_STR, vcek,
	    "of SNP: certificate of the key that signed"),
};

static const struct opt bundle_rows[] = {
	AT_ROW,
	ROW("expect", "NAME=VALUE", OPT_LIST, expect,
	    "a claim's value; or what the statement must say: nonce, exporter, "
	    "spki, keys or manifest"),
	ROW("group", "NAME", OPT_STR, group,
	    "judge by the policies of this worker group instead of the "
	    "attestation service's"),
	JSON_ROW,
	MANIFEST_ROW,
	POLICY_ROW,
	ROW("purpose", "PURPOSE", OPT_STR, purpose,
	    "what the evidence must have been made for", .fallback = "as"),
	TRUST_ROW,
};

static const struct opt service_rows[] = {
	AT_ROW,
	EXPECT_ROW,
	JSON_ROW,
	ROW("manifest", "FILE", OPT_STR, manifest,
	    "the manifest that must be in force"),
	POLICY_ROW,
	TRUST_ROW,
};

static const struct opt collect_rows[] = {
	TEE_COLLATERAL_ROW(struct verify_opts, collateral),
	TEE_GPU_HELPER_ROW(struct verify_opts, gpu_helper),
	ROW("nonce", "HEX", OPT_STR, nonce,
	    "32 bytes: give a whole bundle that is bound to them"),
	ROW("report-data", "HEX", OPT_STR, report_data,
	    "up to 64 bytes: give the report alone, with these in it"),
	ROW("sim-root", "FILE", OPT_STR, sim_root,
	    "root of the software TEE"),
	ROW("tee", "NAME", OPT_STR, tee,
	    "the TEE to use instead of the first that is here"),
	TEE_TSM_ROOT_ROW(struct verify_opts, tsm_root),
};

static const struct opt fetch_rows[] = {
	ROW("ca", "FILE", OPT_STR, ca,
	    "authorities of the servers' certificates", .fallback = FETCH_CA),
	ROW("chain", "FILE", OPT_STR, chain,
	    "of an NVIDIA device: its certificates, which name its chip"),
	ROW("json", NULL, OPT_FLAG, json, "print as JSON"),
	ROW("mirror", "URL", OPT_STR, mirror,
	    "with --online: ask this server, for the same paths"),
	ROW("online", NULL, OPT_FLAG, online,
	    "fetch, and save in the folder --out"),
	ROW("out", "DIR", OPT_STR, out,
	    "with --online: folder to save in; made if it is not there"),
};

#define VERB(n, what, text, table, function, count) \
	{ .name = n, .operands = what, .summary = text, OPTS(table), \
	  .opts_size = sizeof(struct verify_opts), .min_operands = count, \
	  .max_operands = count, .run = function }

static const struct verb verbs[] = {
	VERB("snp", "REPORT", "judge an AMD SEV-SNP report",
	     snp_rows, verify_snp_run, 1),
	VERB("tdx", "QUOTE", "judge an Intel TDX quote",
	     tdx_rows, verify_tdx_run, 1),
	VERB("gpu", "REPORT", "judge the report of an NVIDIA GPU or NVSwitch",
	     gpu_rows, verify_gpu_run, 1),
	VERB("vtpm", "HCL", "judge a quote of Azure's vTPM, down to the CPU",
	     vtpm_rows, verify_vtpm_run, 1),
	VERB("bundle", "FILE", "judge an evidence bundle in a file",
	     bundle_rows, verify_bundle_run, 1),
	VERB("service", "HOST:PORT", "judge a live attestation service",
	     service_rows, verify_service_run, 1),
	VERB("collect", NULL, "gather evidence of this machine",
	     collect_rows, verify_collect_run, 0),
	VERB("fetch-collateral", "FILE",
	     "say what the makers' services would be asked for",
	     fetch_rows, verify_fetch_run, 1),
};
/* clang-format on */

const struct applet applet_verify = {
	.name = "verify",
	.summary = "judge evidence or a live service, step by step",
	.needs = NEEDS_CRYPTO,
	VERBS(verbs),
};
