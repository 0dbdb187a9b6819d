/* confd key: key pairs, certificates and roots for all other applets. */
#include <stdio.h>

#include "attest/tee/sim.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/hpke.h"
#include "core/keybox.h"
#include "core/log.h"
#include "core/text.h"
#include "core/x509.h"
#include "proxy/ohttp.h"

#define DAY 86400
#define CLOCK_SLACK 3600 /* seconds that a peer's clock may be behind */

static enum status print_spki(const struct keypair *key, struct err *err)
{
	auto_buf struct buf spki = buf_make(1024);
	uint8_t digest[32];
	char text[65];

	TRY(keypair_spki(key, &spki, err));
	sha256(buf_slice(&spki), digest);
	text_hex_into(text, sizeof(text), slice_of(digest));
	printf("%s\n", text);
	return OK;
}

/* generate: a key and its self-signed certificate, for admins and
 * operators. */
struct generate_opts {
	struct common_opts common;
	const char *name;
	const char *key;
	const char *cert;
	const char *curve;
	uint64_t days;
};

static const struct opt generate_rows[] = {
	{ .name = "cert",
	  .arg = "FILE",
	  .help = "write the self-signed certificate here",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, cert) },
	{ .name = "curve",
	  .arg = "CURVE",
	  .help = "p256 or p384",
	  .fallback = "p256",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, curve) },
	{ .name = "days",
	  .arg = "N",
	  .help = "validity of the certificate",
	  .fallback = "3650",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 36500,
	  OPT_AT(struct generate_opts, days) },
	{ .name = "key",
	  .arg = "FILE",
	  .help = "write the private key here, mode 0600",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct generate_opts, key) },
	{ .name = "name",
	  .arg = "NAME",
	  .help = "common name of the certificate",
	  .fallback = "confd",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, name) },
};

static enum status make_cert(const struct generate_opts *o,
			     const struct keypair *key, struct buf *pem,
			     struct err *err)
{
	auto_buf struct buf spki = buf_make(1024);
	auto_buf struct buf der = buf_make(8192);
	int64_t now = clock_wall();
	struct x509_template t = {
		.common_name = o->name,
		.not_before = now - CLOCK_SLACK,
		.not_after = now + (int64_t)o->days * DAY,
		.server = true,
		.client = true,
	};

	TRY(keypair_spki(key, &spki, err));
	TRY(x509_sign(&t, buf_slice(&spki), NULL, key, &der, err));
	x509_pem(buf_slice(&der), pem);
	return buf_check(pem, "certificate", err);
}

/* Both files or none; pub_path NULL: there is no second. */
static enum status write_both(const char *path, struct slice secret,
			      const char *pub_path, struct slice pub,
			      struct err *err)
{
	TRY(file_create(path, secret, 0600, err));
	if (pub_path == NULL || file_create(pub_path, pub, 0644, err) == OK)
		return OK;
	(void)unlink(path);
	return err->code;
}

static enum status run_generate(void *opts, const struct opt_args *args,
				struct err *err)
{
	const struct generate_opts *o = opts;
	auto_keypair struct keypair *key = NULL;
	auto_buf struct buf pem = buf_make(4096);
	auto_buf struct buf cert = buf_make(16384);

	(void)args;
	if (strcmp(o->curve, "p256") != 0 && strcmp(o->curve, "p384") != 0)
		return err_set(err, E_USAGE,
			       "--curve '%s': expected p256 or p384", o->curve);
	TRY(keypair_new(o->curve[1] == '2' ? KEY_P256 : KEY_P384, &key, err));
	TRY(keypair_pem(key, &pem, err));
	TRY(make_cert(o, key, &cert, err));
	TRY(write_both(o->key, buf_slice(&pem), o->cert, buf_slice(&cert),
		       err));
	return print_spki(key, err);
}

/* fingerprint: what a manifest calls a key. */
static enum status run_fingerprint(void *opts, const struct opt_args *args,
				   struct err *err)
{
	auto_buf struct buf text = buf_make(64u << 10);
	auto_keypair struct keypair *key = NULL;
	auto_x509 struct x509 *cert = NULL;
	uint8_t digest[32];
	char hex[65];

	(void)opts;
	TRY(ask_read(args->operands[0], &text, err));
	if (keypair_parse(buf_slice(&text), &key, err) == OK)
		return print_spki(key, err);
	if (x509_parse(buf_slice(&text), &cert, err) != OK)
		return err_set(err, E_PARSE,
			       "%s: neither a private key nor a certificate "
			       "(PEM or DER)",
			       args->operands[0]);
	x509_spki_sha256(cert, digest);
	text_hex_into(hex, sizeof(hex), slice_of(digest));
	printf("%s\n", hex);
	return OK;
}

/* sim-root: the root of software TEEs. */
struct out_opts {
	struct common_opts common;
	const char *out;
	const char *public;
	uint64_t hours;
};

static const struct opt sim_root_rows[] = {
	{ .name = "out",
	  .arg = "FILE",
	  .help = "write key and certificate here, mode 0600",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct out_opts, out) },
};

static enum status run_sim_root(void *opts, const struct opt_args *args,
				struct err *err)
{
	const struct out_opts *o = opts;
	auto_buf struct buf pem = buf_make(16384);
	uint8_t digest[32];
	char hex[65];

	(void)args;
	TRY(sim_root_new(clock_wall(), &pem, err));
	TRY(sim_root_digest(buf_slice(&pem), digest, err));
	TRY(file_create(o->out, buf_slice(&pem), 0600, err));
	text_hex_into(hex, sizeof(hex), slice_of(digest));
	printf("%s\n", hex);
	return OK;
}

/* ohttp: a key for a proxy that stands alone. */
static const struct opt ohttp_rows[] = {
	{ .name = "hours",
	  .arg = "N",
	  .help = "validity of the key",
	  .fallback = "24",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 24u * 366,
	  OPT_AT(struct out_opts, hours) },
	{ .name = "out",
	  .arg = "FILE",
	  .help = "write the private key here, mode 0600",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct out_opts, out) },
	{ .name = "public",
	  .arg = "FILE",
	  .help = "write the key configuration (application/ohttp-keys) here",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct out_opts, public) },
};

static enum status run_ohttp(void *opts, const struct opt_args *args,
			     struct err *err)
{
	const struct out_opts *o = opts;
	auto_keybox struct keybox *box = NULL;
	auto_secret struct secret *ikm = NULL;
	auto_buf struct buf priv = buf_make(4096);
	auto_buf struct buf pub = buf_make(4096);
	uint8_t point[HPKE_PUB_LEN];
	int64_t now = clock_wall();

	(void)args;
	TRY(keybox_new(&box, err));
	TRY(secret_random(32, &ikm, err));
	box->revision = 1;
	box->n_keys = 1;
	box->keys[0].not_before = now - CLOCK_SLACK;
	box->keys[0].not_after = now + (int64_t)o->hours * 3600;
	crypto_random(&box->keys[0].id, 1);
	ohttp_key_from_ikm(secret_slice(ikm).p, box->keys[0].priv, point);
	keybox_write(box, &priv);
	ohttp_keys_put(&pub, box->keys[0].id, point);
	TRY(buf_check(&pub, "key configuration", err));
	return write_both(o->out, buf_slice(&priv), o->public, buf_slice(&pub),
			  err);
}

static const struct verb verbs[] = {
	{ .name = "generate",
	  .summary = "make a key pair and a self-signed certificate, and print "
		     "its fingerprint",
	  OPTS(generate_rows),
	  .opts_size = sizeof(struct generate_opts),
	  .run = run_generate },
	{ .name = "fingerprint",
	  .operands = "FILE",
	  .summary = "print the SHA-256 of the public key of a certificate or "
		     "key",
	  .opts_size = sizeof(struct common_opts),
	  .min_operands = 1,
	  .max_operands = 1,
	  .run = run_fingerprint },
	{ .name = "sim-root",
	  .summary = "make the root key of software TEEs, and print its "
		     "fingerprint",
	  OPTS(sim_root_rows),
	  .opts_size = sizeof(struct out_opts),
	  .run = run_sim_root },
	{ .name = "ohttp",
	  .summary = "make a group key for a proxy that stands alone",
	  OPTS(ohttp_rows),
	  .opts_size = sizeof(struct out_opts),
	  .run = run_ohttp },
};

const struct applet applet_key = {
	.name = "key",
	.summary = "make keys, certificates and roots for all of these",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS,
	VERBS(verbs),
};
