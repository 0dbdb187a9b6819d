#include "core/io/tls.h"

#include <arpa/inet.h>

#include <mbedtls/build_info.h>
/* ssl.h asks for its value, which build_info.h takes away. */
#define MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT 0
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "core/cleanup.h"

struct tls {
	size_t refs;
	bool any_name;
	bool judged_by_roots;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt chain;
	mbedtls_x509_crt roots;
	struct keypair *key;
};

struct tls_session {
	struct tls *tls;
	struct tls_transport io;
	mbedtls_ssl_context ssl;
	uint8_t ip[16]; /* the number that the certificate must name */
	size_t ip_len;	/* 0: none */
	bool wants_write;
	bool ended;  /* the transport is at its end */
	bool broken; /* the transport failed */
};

/* clang-format off */
static const int ciphersuites[] = {
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	0,
};

static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

/* What the library's codes mean to somebody who reads a log. */
static const struct {
	int rc;
	enum status code;
	const char *text;
} meanings[] = {
	{ MBEDTLS_ERR_SSL_CONN_EOF, E_IO,
	  "the peer closed the connection without ending TLS" },
	{ MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, E_IO,
	  "the peer ended TLS" },
	{ MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, E_CRYPTO,
	  "the peer refused (an alert); TLS 1.3 is required" },
	{ MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, E_CRYPTO,
	  "the peer does not speak TLS 1.3" },
	{ MBEDTLS_ERR_SSL_INVALID_RECORD, E_CRYPTO,
	  "what the peer sends is not TLS 1.3" },
	{ MBEDTLS_ERR_SSL_INVALID_MAC, E_CRYPTO,
	  "a record was altered" },
	{ MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, E_CRYPTO,
	  "no cipher suite, group or signature that both sides have" },
};
/* clang-format on */

/* Settings. */

static enum status add_der(mbedtls_x509_crt *to, const struct slice *der,
			   size_t n, const char *what, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = mbedtls_x509_crt_parse_der(to, der[i].p, der[i].len);

		if (rc != 0)
			return crypto_fail(err, E_PARSE, rc, what);
	}
	return OK;
}

/* Our own copy, by way of its text form: nothing else copies a key. */
static enum status copy_key(const struct keypair *key, struct keypair **out,
			    struct err *err)
{
	auto_buf struct buf pem = buf_make(4096);

	TRY(keypair_pem(key, &pem, err));
	return keypair_parse(buf_slice(&pem), out, err);
}

static enum status use_own(struct tls *t, const struct tls_settings *s,
			   struct err *err)
{
	TRY(add_der(&t->chain, s->chain, s->n_chain, "own certificate", err));
	TRY(copy_key(s->key, &t->key, err));

	mbedtls_pk_context *pk = keypair_pk(t->key);
	if (mbedtls_pk_check_pair(&t->chain.pk, pk, crypto_rng, NULL) != 0)
		return err_set(err, E_CONF,
			       "the key does not belong to the certificate");
	int rc = mbedtls_ssl_conf_own_cert(&t->conf, &t->chain, pk);
	return rc == 0 ? OK : crypto_fail(err, E_CONF, rc, "own certificate");
}

static enum status use_roots(struct tls *t, const struct tls_settings *s,
			     struct err *err)
{
	TRY(add_der(&t->roots, s->roots, s->n_roots, "root certificate", err));
	mbedtls_ssl_conf_ca_chain(&t->conf, &t->roots, NULL);
	t->judged_by_roots = true;
	return OK;
}

/* A client with roots needs a good certificate to go on.  A server may ask
 * and be declined, and without roots the caller judges: both go on whatever
 * the certificate is, and judge() has the last word. */
static int authmode_of(const struct tls_settings *s)
{
	if (!s->server && s->n_roots > 0)
		return MBEDTLS_SSL_VERIFY_REQUIRED;
	if (s->server && !s->ask_client)
		return MBEDTLS_SSL_VERIFY_NONE;
	return MBEDTLS_SSL_VERIFY_OPTIONAL;
}

static enum status configure(struct tls *t, const struct tls_settings *s,
			     struct err *err)
{
	mbedtls_ssl_config *conf = &t->conf;
	int rc = mbedtls_ssl_config_defaults(
		conf, s->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "TLS settings");
	mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_ciphersuites(conf, ciphersuites);
	mbedtls_ssl_conf_groups(conf, groups);
	mbedtls_ssl_conf_rng(conf, crypto_rng, NULL);
	mbedtls_ssl_conf_authmode(conf, authmode_of(s));
	t->any_name = s->any_name;
	if (s->n_roots > 0)
		TRY(use_roots(t, s, err));
	if (s->n_chain > 0)
		TRY(use_own(t, s, err));
	return OK;
}

enum status tls_new(const struct tls_settings *s, struct tls **out,
		    struct err *err)
{
	if (s->n_chain > countof(s->chain) || s->n_roots > countof(s->roots))
		return err_set(err, E_LIMIT,
			       "too many certificates: at most %zu of our own "
			       "and %zu roots",
			       countof(s->chain), countof(s->roots));
	if ((s->n_chain > 0) != (s->key != NULL))
		return err_set(err, E_CONF,
			       "a certificate and its key go together");
	if (s->server && s->n_chain == 0)
		return err_set(err, E_CONF,
			       "a TLS server needs a certificate and its key");

	struct tls *t = mem_must(sizeof(*t));
	t->refs = 1;
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_x509_crt_init(&t->chain);
	mbedtls_x509_crt_init(&t->roots);
	enum status st = configure(t, s, err);
	if (st != OK) {
		tls_unref(t);
		return st;
	}
	*out = t;
	return OK;
}

struct tls *tls_ref(struct tls *t)
{
	t->refs++;
	return t;
}

void tls_unref(struct tls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	mbedtls_ssl_config_free(&t->conf);
	mbedtls_x509_crt_free(&t->chain);
	mbedtls_x509_crt_free(&t->roots);
	keypair_free(t->key);
	mem_free(t);
}

/* The transport. */

static int do_send(void *ctx, const unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;
	long sent = s->io.send(s->io.ctx, p, n);

	if (sent == TLS_AGAIN)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	if (sent < 0) {
		s->broken = true;
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	}
	return (int)sent;
}

static int do_recv(void *ctx, unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;
	long got = s->io.recv(s->io.ctx, p, n);

	if (got == TLS_AGAIN)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (got < 0) {
		s->broken = true;
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	}
	if (got == 0)
		s->ended = true;
	return (int)got;
}

/* Outcomes. */

/* The library lists its reasons one a line. */
static enum status refuse_peer(uint32_t flags, struct err *err)
{
	char text[256];

	int n = mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags);
	if (n <= 0)
		text[0] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = p[1] == '\0' ? '\0' : ' ';
	return err_set(err, E_CRYPTO, "TLS: certificate of the peer: %s", text);
}

static enum status fail(struct tls_session *s, int rc, struct err *err)
{
	if (s->broken)
		return err_set(err, E_IO, "TLS: the connection broke");
	if (rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return refuse_peer(mbedtls_ssl_get_verify_result(&s->ssl), err);
	for (size_t i = 0; i < countof(meanings); i++)
		if (meanings[i].rc == rc)
			return err_set(err, meanings[i].code, "TLS: %s",
				       meanings[i].text);
	return crypto_fail(err, E_CRYPTO, rc, "TLS");
}

/* True when the library waits for the transport, and for which direction. */
static bool waits(struct tls_session *s, int rc)
{
	s->wants_write = rc == MBEDTLS_ERR_SSL_WANT_WRITE;
	return s->wants_write || rc == MBEDTLS_ERR_SSL_WANT_READ;
}

/* Sessions. */

static bool names_ip(const mbedtls_x509_crt *crt, const uint8_t *ip, size_t len)
{
	const mbedtls_x509_sequence *san = &crt->subject_alt_names;

	for (; san != NULL; san = san->next)
		if ((san->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) ==
			    MBEDTLS_X509_SAN_IP_ADDRESS &&
		    san->buf.len == len && memcmp(san->buf.p, ip, len) == 0)
			return true;
	return false;
}

/* The library has compared the name that it sent; numbers are not sent (RFC
 * 6066 section 3), so they are compared here. */
static int check_name(void *ctx, mbedtls_x509_crt *crt, int depth,
		      uint32_t *flags)
{
	const struct tls_session *s = ctx;

	if (depth > 0)
		return 0;
	if (s->ip_len > 0 && !names_ip(crt, s->ip, s->ip_len))
		*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	if (s->tls->any_name)
		*flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
	return 0;
}

/* Always called for clients: without it the library refuses to go on. */
static enum status set_name(struct tls_session *s, const char *name,
			    struct err *err)
{
	char sni[256] = "";
	struct slice host = slice_str(name);

	if (inet_pton(AF_INET, name, s->ip) == 1)
		s->ip_len = 4;
	else if (inet_pton(AF_INET6, name, s->ip) == 1)
		s->ip_len = 16;
	if (host.len > 0 && host.p[host.len - 1] == '.')
		host.len--; /* SNI is without the root's dot */
	if (host.len >= sizeof(sni))
		return err_set(err, E_LIMIT, "TLS: the name is too long");
	if (s->ip_len == 0)
		memcpy(sni, host.p, host.len);

	int rc = mbedtls_ssl_set_hostname(&s->ssl, sni[0] ? sni : NULL);
	return rc == 0 ? OK : crypto_fail(err, E_CRYPTO, rc, "TLS name");
}

static enum status start(struct tls_session *s, const char *name,
			 struct err *err)
{
	struct tls *t = s->tls;
	bool client = mbedtls_ssl_conf_get_endpoint(&t->conf) ==
		      MBEDTLS_SSL_IS_CLIENT;

	if (client && name == NULL && t->judged_by_roots && !t->any_name)
		return err_set(err, E_CONF,
			       "TLS: no name to find in the certificate");
	int rc = mbedtls_ssl_setup(&s->ssl, &t->conf);
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "TLS");
	if (client && name != NULL)
		TRY(set_name(s, name, err));
	else if (client && mbedtls_ssl_set_hostname(&s->ssl, NULL) != 0)
		return err_set(err, E_NOMEM, "TLS: no memory");
	mbedtls_ssl_set_bio(&s->ssl, s, do_send, do_recv, NULL);
	mbedtls_ssl_set_verify(&s->ssl, check_name, s);
	return OK;
}

enum status tls_session_new(struct tls *t, const char *name,
			    struct tls_transport io, struct tls_session **out,
			    struct err *err)
{
	struct tls_session *s = mem_must(sizeof(*s));

	s->tls = tls_ref(t);
	s->io = io;
	mbedtls_ssl_init(&s->ssl);
	enum status st = start(s, name, err);
	if (st != OK) {
		tls_session_free(s);
		return st;
	}
	*out = s;
	return OK;
}

void tls_session_free(struct tls_session *s)
{
	if (s == NULL)
		return;
	mbedtls_ssl_free(&s->ssl);
	tls_unref(s->tls);
	mem_free(s);
}

/* What a certificate is worth where the library was told to go on anyway. */
static enum status judge(struct tls_session *s, struct err *err)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&s->ssl);

	if (!s->tls->judged_by_roots ||
	    mbedtls_ssl_get_peer_cert(&s->ssl) == NULL || flags == 0)
		return OK;
	/* If that cannot be sent, the end of the stream will do. */
	(void)mbedtls_ssl_send_alert_message(&s->ssl,
					     MBEDTLS_SSL_ALERT_LEVEL_FATAL,
					     MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
	return refuse_peer(flags, err);
}

enum status tls_session_handshake(struct tls_session *s, struct err *err)
{
	int rc = mbedtls_ssl_handshake(&s->ssl);

	if (waits(s, rc))
		return E_AGAIN;
	if (rc != 0)
		return fail(s, rc, err);
	return judge(s, err);
}

bool tls_session_wants_write(const struct tls_session *s)
{
	return s->wants_write;
}

/* A record that is wrong is answered by an alert (RFC 8446 s5.2, s6.2), which
 * the library leaves out. */
static enum status refuse_record(struct tls_session *s, int rc, struct err *err)
{
	int alert = rc == MBEDTLS_ERR_SSL_INVALID_MAC
			    ? MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC
			    : MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;

	/* If it cannot be sent, the end of the stream will do. */
	if (rc == MBEDTLS_ERR_SSL_INVALID_MAC ||
	    rc == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)
		(void)mbedtls_ssl_send_alert_message(
			&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
			(unsigned char)alert);
	return fail(s, rc, err);
}

enum status tls_session_read(struct tls_session *s, uint8_t *p, size_t max,
			     size_t *n, struct err *err)
{
	int rc;

	/* 0 is the end of the transport, but also an empty record; and some
	 * servers send tickets, which we have no use for. */
	do {
		rc = mbedtls_ssl_read(&s->ssl, p, max);
	} while ((rc == 0 && !s->ended) ||
		 rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	if (waits(s, rc))
		return E_AGAIN;
	if (rc == 0)
		return fail(s, MBEDTLS_ERR_SSL_CONN_EOF, err);
	if (rc < 0 && rc != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return refuse_record(s, rc, err);
	*n = rc < 0 ? 0 : (size_t)rc;
	return OK;
}

enum status tls_session_write(struct tls_session *s, struct slice in, size_t *n,
			      struct err *err)
{
	if (in.len == 0) {
		*n = 0; /* and no empty record */
		return OK;
	}
	int rc = mbedtls_ssl_write(&s->ssl, in.p, in.len);
	if (waits(s, rc))
		return E_AGAIN;
	if (rc < 0)
		return fail(s, rc, err);
	*n = (size_t)rc;
	return OK;
}

enum status tls_session_close_notify(struct tls_session *s, struct err *err)
{
	int rc = mbedtls_ssl_close_notify(&s->ssl);

	if (waits(s, rc))
		return E_AGAIN;
	return rc == 0 ? OK : fail(s, rc, err);
}

struct slice tls_session_peer(const struct tls_session *s)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);

	if (crt == NULL)
		return (struct slice){ 0 };
	return slice_make(crt->raw.p, crt->raw.len);
}

enum status tls_session_exporter(struct tls_session *s, const char *label,
				 struct slice context, uint8_t *out, size_t len,
				 struct err *err)
{
	int rc = mbedtls_ssl_export_keying_material(&s->ssl, out, len, label,
						    strlen(label), context.p,
						    context.len, 1);

	return rc == 0 ? OK : crypto_fail(err, E_CRYPTO, rc, "TLS exporter");
}
