/* What Intel says of versions: the TCB info of a family of platforms, and the
 * identity of the enclave that signs quotes; both JSON that Intel signs.
 *
 * Source: Intel PCS API v4, "Get TDX TCB Info" and "Get TD QE identity"; names
 * of members are theirs.  This module only reads what is served: whether it is
 * signed by Intel is decided in tdx_collateral.h. */
#ifndef CONFD_ATTEST_TEE_TDX_TCB_H
#define CONFD_ATTEST_TEE_TDX_TCB_H

#include "core/json.h"

#define TDX_TCB_JSON_MAX (256u << 10) /* bytes of one document */
#define TDX_TCB_LEVELS_MAX 64
#define TDX_TCB_MODULES_MAX 16
#define TDX_TCB_ISV_LEVELS_MAX 32
#define TDX_ADVISORIES_MAX 96 /* of one level, and of a platform in all */
#define TDX_ADVISORY_SIZE 24  /* "INTEL-SA-00837" and NUL */

/* How good a version is; TDX_STATUS_NONE is none of them. */
enum tdx_status {
	TDX_STATUS_NONE,
	TDX_UP_TO_DATE,
	TDX_SW_HARDENING_NEEDED,
	TDX_CONFIGURATION_NEEDED,
	TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TDX_OUT_OF_DATE,
	TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TDX_REVOKED,
	/* These two are not in documents, but follow from them. */
	TDX_TD_RELAUNCH_ADVISED,
	TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
};

/* As Intel writes it: "UpToDate". */
const char *tdx_status_name(enum tdx_status s);

/* A level of the platform. */
struct tdx_tcb_level {
	uint8_t sgx[16]; /* sgxtcbcomponents */
	uint16_t pce_svn;
	uint8_t tdx[16]; /* tdxtcbcomponents */
	enum tdx_status status;
	int64_t date;		       /* unix seconds */
	const struct json *advisories; /* strings; NULL: none */
};

/* A level of a module or enclave: TDX_UP_TO_DATE, TDX_OUT_OF_DATE or
 * TDX_REVOKED. */
struct tdx_isv_level {
	uint16_t isv_svn;
	enum tdx_status status;
	int64_t date;
	const struct json *advisories;
};

struct tdx_isv_levels {
	size_t n; /* 1 or more, newest first */
	struct tdx_isv_level level[TDX_TCB_ISV_LEVELS_MAX];
};

/* Who may sign the TDX module. */
struct tdx_module {
	uint8_t version; /* of identities: TEE_TCB_SVN[1] that it is for */
	uint8_t mrsigner[48];
	uint8_t attributes[8], attributes_mask[8];
	struct tdx_isv_levels levels; /* of identities only */
};

struct tdx_tcb_info {
	struct json *root;    /* owns what advisories refer to */
	int64_t issued, next; /* unix seconds */
	uint8_t fmspc[6], pce_id[2];
	uint32_t evaluation; /* tcbEvaluationDataNumber */
	struct tdx_module module;
	size_t n_modules;
	struct tdx_module identity[TDX_TCB_MODULES_MAX];
	size_t n_levels; /* 1 or more, newest first */
	struct tdx_tcb_level level[TDX_TCB_LEVELS_MAX];
};

struct tdx_qe_identity {
	struct json *root;
	int64_t issued, next;
	uint32_t evaluation;
	uint8_t miscselect[4], miscselect_mask[4];
	uint8_t attributes[16], attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isv_prod_id;
	struct tdx_isv_levels levels;
};

/* What the signature of a document is over. */
struct tdx_signed {
	struct slice bytes;    /* in the text, exactly as served */
	uint8_t signature[64]; /* r, s, big-endian */
};

/* Parse one document, {"tcbInfo":{...},"signature":"..."}.
 *
 * text	untrusted, any length; over outlives the call only as long as it.
 * out	on OK the caller owns it.
 *
 * Members that are not known are ignored, so that Intel may add some: they
 * are under its signature.  Nothing may stand beside the two, which would not
 * be.
 *
 * E_PARSE	not strict JSON, a member missing or of another form, not
 *		for TDX (id, version), a status or time that is not known,
 *		two identities of one module.
 * E_LIMIT	more than TDX_TCB_JSON_MAX bytes, or of anything than the
 *		numbers above. */
enum status tdx_tcb_info_parse(struct slice text, struct tdx_tcb_info **out,
			       struct tdx_signed *over, struct err *err);
void tdx_tcb_info_free(struct tdx_tcb_info *t);
static inline void tdx_tcb_info_freep(struct tdx_tcb_info **t)
{
	tdx_tcb_info_free(*t);
}
#define auto_tdx_tcb_info __attribute__((cleanup(tdx_tcb_info_freep)))

/* The same for {"enclaveIdentity":{...},"signature":"..."}. */
enum status tdx_qe_identity_parse(struct slice text,
				  struct tdx_qe_identity **out,
				  struct tdx_signed *over, struct err *err);
void tdx_qe_identity_free(struct tdx_qe_identity *q);
static inline void tdx_qe_identity_freep(struct tdx_qe_identity **q)
{
	tdx_qe_identity_free(*q);
}
#define auto_tdx_qe_identity __attribute__((cleanup(tdx_qe_identity_freep)))

#endif
