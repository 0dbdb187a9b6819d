/* The TEEs that we know: one const struct each, in one table.  What is not in
 * the table is refused. */
#ifndef CONFD_ATTEST_TEE_TEE_H
#define CONFD_ATTEST_TEE_TEE_H

#include "attest/claims.h"
#include "attest/evidence.h"
#include "attest/statement.h"
#include "attest/tee/tee_cache.h"
#include "attest/trace.h"

/* How to reach this machine's TEE, and what goes into its evidence beside the
 * report.  The texts have to live as long as the device. */
struct tee_settings {
	const char *sim_root; /* file of sim_root_new's; NULL: no sim here */
	/* NULL: where Linux has configfs-tsm.  For tests: only a build that
	 * may trust roots of tests takes another. */
	const char *tsm_root;
	const char *collateral; /* folder, collateral.h; NULL: none */
	const char *gpu_helper; /* gpu_device.h; NULL: no GPUs here */
};

/* Roots that are trusted beside the makers' own, which are compiled in, by
 * SHA-256 of their SubjectPublicKeyInfo: for tests with a PKI of their own. */
#define TEE_ROOTS_MAX 8
struct tee_roots {
	size_t n;
	uint8_t spki[TEE_ROOTS_MAX][32];
};

/* Whether this build may trust such roots: only one that has the software TEE,
 * which is no build for production. */
bool tee_test_roots_allowed(void);

/* Read them from certificates in PEM (--trust-root's file): each is a root.
 *
 * pem	untrusted form, trusted content.
 * out	written only on OK.
 *
 * E_CONF	this build may not; or it is not 1 to TEE_ROOTS_MAX
 *		certificates. */
enum status tee_roots_parse(struct slice pem, struct tee_roots *out,
			    struct err *err);

/* What to warn of at every start with such roots. */
extern const char tee_roots_warning[];

/* What is verified. */
struct tee_case {
	const struct evidence *evidence;
	const uint8_t (*roots)[32]; /* SHA-256 of the SubjectPublicKeyInfos */
	size_t n_roots;		    /* that the policies name, for sim */

	/* Trusted beside the makers' own roots, by SHA-256 of their
	 * SubjectPublicKeyInfo: for tests with a PKI of their own.  None
	 * where tee_test_roots_allowed() is false. */
	const uint8_t (*trust_roots)[32];
	size_t n_trust_roots;
	int64_t now; /* unix seconds */

	/* NULL, or what the evidence of many machines has in common. */
	struct tee_cache *cache;
};

struct tee {
	const char *name;  /* as in bundles and manifests */
	const char *title; /* for people */

	/* NULL, or why this build cannot use or judge it. */
	const char *missing;

	/* NULL, or what to warn of at every start. */
	const char *warning;

	/* Its verify judges an event log of the evidence. */
	bool event_log;

	/* Steps that a trace must have, beyond those of every TEE. */
	const char *const *mandatory;
	const size_t *n_mandatory;

	/* OK when this machine has it, E_NOTFOUND when not; opens nothing. */
	enum status (*detect)(const struct tee_settings *s, struct err *err);

	/* Make ready to issue.  *device is given to issue and close. */
	enum status (*open)(const struct tee_settings *s, void **device,
			    struct err *err);
	void (*close)(void *device);

	/* Have report_data signed: fills in report and collateral of out,
	 * whose other members are the caller's. */
	enum status (*issue)(void *device, const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err);

	/* NULL, or the folder that issue writes in, which a confinement has to
	 * leave writable; it returns NULL when there is none. */
	const char *(*folder)(const void *device);

	/* NULL, or a key that only this program on this machine gets, again
	 * after a restart: to seal to itself. */
	enum status (*seal_key)(void *device, uint8_t out[static 32],
				struct err *err);

	/* Check all that makes a report genuine, each rule one step, and read
	 * its claims; claims is written only on OK.  Pure: must not open
	 * files, ask the network or the clock.  Must not judge: that debug is
	 * on is a claim.  Every failure leaves a failed step. */
	enum status (*verify)(const struct tee_case *c, struct trace *trace,
			      struct claims *claims, struct err *err);
};

/* The TEE of that name, though this build may miss it; NULL: unknown. */
const struct tee *tee_find(struct slice name);

/* E_CONF, with what to do, unless this build can judge evidence of that
 * TEE. */
enum status tee_check(const char *name, struct err *err);

/* The table, for listings: NULL past its end. */
const struct tee *tee_at(size_t i);

/* This machine's TEE, opened. */
struct tee_device;

/* Open by name, or (NULL) the first that detects itself.
 *
 * E_NOTFOUND	there is none.
 * E_CONF	the settings name what cannot be used, or may not be. */
enum status tee_device_open(const struct tee_settings *s, const char *name,
			    struct tee_device **out, struct err *err);
void tee_device_close(struct tee_device *d);
static inline void tee_device_closep(struct tee_device **d)
{
	tee_device_close(*d);
}
#define auto_tee_device __attribute__((cleanup(tee_device_closep)))
const struct tee *tee_device_tee(const struct tee_device *d);

/* The folder that attesting writes in; NULL: none. */
const char *tee_device_folder(const struct tee_device *d);

/* Have report_data signed, and the report by the GPUs where there is a helper
 * for them; fills in all of out but the statement, with the collateral that
 * the folder has at this moment.  out is empty before, and of no use after a
 * failure. */
enum status tee_device_issue(struct tee_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err);

/* Attest: a whole bundle for a statement, appended to out as JSON. */
enum status tee_device_attest(struct tee_device *d, const struct statement *s,
			      struct buf *out, struct err *err);

/* The TEE's sealing key, a secret.  E_NOTFOUND where it has none. */
enum status tee_device_seal_key(struct tee_device *d, uint8_t out[static 32],
				struct err *err);

#endif
