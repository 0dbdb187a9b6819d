#include "core/identity.h"

#include "core/clock.h"
#include "core/file.h"

#define KEY_FILE_MAX (16u << 10)
#define CERT_FILE_MAX (64u << 10)
#define CLOCK_SLACK 3600 /* seconds that a peer's clock may be behind */

static enum status load_cert(const char *path, struct x509 **out,
			     struct err *err)
{
	auto_buf struct buf text = buf_make(CERT_FILE_MAX);

	TRY(file_read(path, &text, err));
	if (x509_parse(buf_slice(&text), out, err) != OK)
		return err_wrap(err, "%s", path);
	return OK;
}

static enum status load_key(const char *path, struct keypair **out,
			    struct err *err)
{
	auto_secret struct secret *text = NULL;

	TRY(file_read_secret(path, KEY_FILE_MAX, &text, err));
	if (keypair_parse(secret_slice(text), out, err) != OK)
		return err_wrap(err, "%s", path);
	return OK;
}

/* The key must be the one in the certificate. */
static enum status same_key(const struct identity *id, const char *cert,
			    const char *key, struct err *err)
{
	auto_buf struct buf spki = buf_make(4096);

	TRY(keypair_spki(id->key, &spki, err));
	if (!slice_eq(buf_slice(&spki), x509_spki(id->cert)))
		return err_set(err, E_CONF,
			       "%s is not the key of the certificate %s", key,
			       cert);
	return OK;
}

enum status identity_load(const char *cert, const char *key,
			  struct identity *out, struct err *err)
{
	auto_identity struct identity id = { 0 };

	TRY(load_cert(cert, &id.cert, err));
	TRY(load_key(key, &id.key, err));
	TRY(same_key(&id, cert, key, err));
	*out = id;
	id = (struct identity){ 0 };
	return OK;
}

enum status identity_new(const char *common_name, unsigned days,
			 struct identity *out, struct err *err)
{
	auto_identity struct identity id = { 0 };
	auto_buf struct buf spki = buf_make(1024);
	auto_buf struct buf der = buf_make(8192);
	int64_t now = clock_wall();
	struct x509_template t = {
		.common_name = common_name,
		.not_before = now - CLOCK_SLACK,
		.not_after = now + (int64_t)days * 86400,
		.server = true,
		.client = true,
	};

	TRY(keypair_new(KEY_P256, &id.key, err));
	TRY(keypair_spki(id.key, &spki, err));
	TRY(x509_sign(&t, buf_slice(&spki), NULL, id.key, &der, err));
	TRY(x509_parse(buf_slice(&der), &id.cert, err));
	*out = id;
	id = (struct identity){ 0 };
	return OK;
}

void identity_done(struct identity *id)
{
	x509_free(id->cert);
	keypair_free(id->key);
	*id = (struct identity){ 0 };
}

enum status identity_cert_fingerprint(const char *path, uint8_t out[static 32],
				      struct err *err)
{
	auto_x509 struct x509 *cert = NULL;

	TRY(load_cert(path, &cert, err));
	x509_spki_sha256(cert, out);
	return OK;
}
