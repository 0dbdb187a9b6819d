/* The certificate and key that a person or program shows: for options
 * --cert and --key, and for manifests. */
#ifndef CONFD_CORE_IDENTITY_H
#define CONFD_CORE_IDENTITY_H

#include "core/crypto.h"
#include "core/x509.h"

struct identity {
	struct x509 *cert;
	struct keypair *key;
};

/* Load both (PEM or DER); the key file must be private (file_read_secret).
 * E_CONF when the key is not that of the certificate. */
enum status identity_load(const char *cert, const char *key,
			  struct identity *out, struct err *err);

/* Make a P-256 key and a self-signed certificate over it, valid for days. */
enum status identity_new(const char *common_name, unsigned days,
			 struct identity *out, struct err *err);
void identity_done(struct identity *id);
#define auto_identity __attribute__((cleanup(identity_done)))

/* SHA-256 of the SubjectPublicKeyInfo of the certificate in a file. */
enum status identity_cert_fingerprint(const char *path, uint8_t out[static 32],
				      struct err *err);

#endif
