/* Command-line side of attest/peer: open a verified connection, ask, and wait
 * for the answer.  What init, status, manifest get, verify and workload have
 * in common. */
#ifndef CONFD_CMD_ASK_H
#define CONFD_CMD_ASK_H

#include "attest/peer.h"
#include "core/identity.h"
#include "core/opts.h"

#define ASK_PORT 9443

/* Options of an applet that speaks to an attestation service. */
struct ask_opts {
	const char *as;
	const char *manifest;
	const char *cert;
	const char *key;
	const char *trust_root;
	const struct tee_roots
		*roots; /* those of trust_root, if read already */
	int64_t at;	/* judge as of then; 0: now */
};

/* clang-format off */
/* Their rows, in the order of their names, for applets with others between
 * them; o is the member of the applet's struct that holds them. */
#define ASK_AS_ROW(type, o)                                                 \
	{ .name = "as", .arg = "HOST:PORT",                                 \
	  .help = "the attestation service (port 9443 by default)",         \
	  .kind = OPT_STR, .flags = OPT_REQUIRED, OPT_AT(type, o.as) }
#define ASK_CERT_ROW(type, o)                                               \
	{ .name = "cert", .arg = "FILE",                                    \
	  .help = "certificate to show, where the service asks who you are", \
	  .kind = OPT_STR, OPT_AT(type, o.cert) }
#define ASK_KEY_ROW(type, o)                                                \
	{ .name = "key", .arg = "FILE",                                     \
	  .help = "private key of --cert", .kind = OPT_STR,                 \
	  OPT_AT(type, o.key) }
#define ASK_MANIFEST_ROW(type, o)                                           \
	{ .name = "manifest", .arg = "FILE",                                \
	  .help = "the manifest that must be in force",                     \
	  .kind = OPT_STR, OPT_AT(type, o.manifest) }
#define ASK_TRUST_ROW(type, member)                                         \
	{ .name = "trust-root", .arg = "FILE",                              \
	  .help = "for tests: trust these roots too, beside the makers' own", \
	  .kind = OPT_STR, OPT_AT(type, member) }
#define ASK_ROWS(type, o)                                                   \
	ASK_AS_ROW(type, o), ASK_CERT_ROW(type, o), ASK_KEY_ROW(type, o),   \
	ASK_MANIFEST_ROW(type, o)
/* clang-format on */

/* A verified connection and what belongs to it. */
struct ask {
	struct loop *loop;
	struct peer *peer;
	struct manifest *manifest; /* of --manifest; NULL without */
	struct identity identity;

	struct loop_timer *deadline; /* private, as all below */
	bool done;		     /* the answer has come */
	struct err err;
	unsigned status;
	struct buf *body;
};

/* Read a file that was named on the command line.  E_IO when it is not there,
 * E_CONF when it is larger than out may become. */
enum status ask_read(const char *path, struct buf *out, struct err *err);

/* Read a manifest file whole: text and parsed. E_CONF with file and line. */
enum status ask_load_manifest(const char *path, struct manifest **out,
			      struct err *err);

/* Read --trust-root's file, if there is one, and warn of it.  E_CONF in builds
 * that trust the makers' roots alone. */
enum status ask_load_roots(const char *path, struct tee_roots *out,
			   struct err *err);

/* Connect and verify; errors as peer_open, through ask_refused.  ask_done in
 * any case: the trace of a refusal is there until then. */
enum status ask_open(const struct ask_opts *o, enum peer_expect expect,
		     struct ask *a, struct err *err);
void ask_done(struct ask *a);

/* What is malformed or oversized in place of evidence is no evidence: make it
 * the refusal (E_CRYPTO) that it is to a program's caller. */
void ask_refused(struct err *err);
#define auto_ask __attribute__((cleanup(ask_done)))

/* One request; the body of a 2xx answer is appended to out, any other is an
 * error as peer_refusal; E_UNAVAIL when it is not there, whole, in a minute. */
enum status ask_call(struct ask *a, const char *method, const char *target,
		     struct slice body, struct buf *out, struct err *err);

/* Verify and append the manifest in force. */
enum status ask_manifest(const struct ask_opts *o, struct buf *out,
			 struct err *err);

#endif
