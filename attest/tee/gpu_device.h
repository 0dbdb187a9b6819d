/* This machine's GPUs, asked through a helper: the vendor's library is loaded
 * at run time, which a static program cannot do.
 *
 * The helper is a program that is started for each request as
 *
 *	HELPER --nonce HEX
 *
 * with 64 lower-case hexadecimal digits, an empty environment, nothing on its
 * standard input, and our standard error.  Within the time-out it writes to
 * its standard output one JSON object and no more, and exits with 0:
 *
 *	{"v":1,"gpus":[{"arch":"hopper","report":"...","chain":"..."}]}
 *
 * arch		"hopper" or "blackwell".
 * report	base64 of the signed report with that nonce; gpu_report.h.
 * chain	the certificates of the key that signed, in PEM, its own first.
 * rims		may be left out: an object of further texts by name, such as
 *		reference values; they travel as they are.
 *
 * Every GPU of the machine has a member.  What the helper says is not
 * believed: verifiers judge it.  On another exit status nothing that it wrote
 * counts. */
#ifndef CONFD_ATTEST_TEE_GPU_DEVICE_H
#define CONFD_ATTEST_TEE_GPU_DEVICE_H

#include "attest/evidence.h"

#define GPU_DEVICE_NONCE_LEN 32
#define GPU_DEVICE_OUTPUT_MAX (768u << 10) /* bytes of a helper's output */
#define GPU_DEVICE_TIMEOUT_MS 60000

/* How to reach them. */
struct gpu_device_settings {
	const char *helper; /* path from the root; NULL: no GPUs here */
	int64_t timeout_ms; /* 0: GPU_DEVICE_TIMEOUT_MS */
};

/* E_NOTFOUND without a helper; E_CONF, with what to do, when it cannot be
 * run. */
enum status gpu_device_check(const struct gpu_device_settings *s,
			     struct err *err);

/* Have all GPUs sign nonce, and put what they say into out, which had none.
 * Waits until the helper has ended; out is written only on OK.
 *
 * E_NOTFOUND	it found no GPU.
 * E_PARSE	what it wrote is not of the form above.
 * E_LIMIT	it wrote too much.
 * E_CONFLICT	a report is of another nonce.
 * E_UNAVAIL	it took too long, and was killed.
 * E_IO		it could not be started, or failed. */
enum status gpu_device_issue(const struct gpu_device_settings *s,
			     const uint8_t nonce[static GPU_DEVICE_NONCE_LEN],
			     struct evidence *out, struct err *err);

/* Read what a helper wrote, strictly; the reports' nonces included.
 *
 * text	untrusted, any length; not referred to after the return. */
enum status gpu_device_parse(struct slice text,
			     const uint8_t nonce[static GPU_DEVICE_NONCE_LEN],
			     struct evidence *out, struct err *err);

#endif
