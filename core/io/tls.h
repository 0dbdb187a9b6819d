/* TLS 1.3 over Mbed TLS: settings that connections share.
 *
 * Certificates authenticate nothing by themselves here: both sides prove
 * possession of the key in the certificate they present (RFC 8446 s4.4.3),
 * and the caller decides by its SubjectPublicKeyInfo, by a CA, or by evidence
 * bound to the connection (conn_exporter).  No tickets, no resumption, no
 * early data: each connection is fresh. */
#ifndef CONFD_CORE_IO_TLS_H
#define CONFD_CORE_IO_TLS_H

#include "core/x509.h"

struct tls; /* immutable once in use; reference-counted */

#define TLS_ROOTS_MAX 256 /* a system has about 150 */

struct tls_settings {
	bool server;

	/* Own certificate chain (DER, leaf first) and key.  A server needs
	 * them; a client has them or not. n_chain of 0: none. */
	struct slice chain[4];
	size_t n_chain;
	const struct keypair *key; /* copied */

	/* Server: ask the client for a certificate (it may decline). */
	bool ask_client;

	/* Roots (DER) that the peer's chain must lead to; none: any peer
	 * certificate is taken and judged by the caller.  With roots a client
	 * also checks the name it connects to unless any_name. */
	struct slice roots[TLS_ROOTS_MAX];
	size_t n_roots;
	bool any_name;
};

/* E_CONF when certificate and key are not there together or do not match,
 * E_PARSE for what is no certificate, E_LIMIT for too many. */
enum status tls_new(const struct tls_settings *s, struct tls **out,
		    struct err *err);
struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls *t); /* NULL is ignored */

/* One session; used by core/io/conn only.  Bytes go through the two
 * callbacks, which return a count, TLS_AGAIN or TLS_FAIL (recv: 0 at end). */
#define TLS_AGAIN (-1)
#define TLS_FAIL (-2)
struct tls_session;
struct tls_transport {
	long (*send)(void *ctx, const uint8_t *p, size_t n);
	long (*recv)(void *ctx, uint8_t *p, size_t n);
	void *ctx;
};

/* name: the host; NULL for servers, or when there is none.  A name is sent as
 * SNI; with roots, and without any_name, it or the number must stand in the
 * certificate (E_CONF when there is no name to look for). */
enum status tls_session_new(struct tls *t, const char *name,
			    struct tls_transport io, struct tls_session **out,
			    struct err *err);
void tls_session_free(struct tls_session *s);

/* E_AGAIN: wait until the transport can go on in the direction that
 * tls_session_wants_write tells. */
enum status tls_session_handshake(struct tls_session *s, struct err *err);
bool tls_session_wants_write(const struct tls_session *s);

/* *n bytes read or written.  E_AGAIN as above; a repeated write must offer
 * the same bytes.  *n of 0 from read: close_notify came. An end of the
 * transport without close_notify is E_IO: truncation. */
enum status tls_session_read(struct tls_session *s, uint8_t *p, size_t max,
			     size_t *n, struct err *err);
enum status tls_session_write(struct tls_session *s, struct slice in, size_t *n,
			      struct err *err);
enum status tls_session_close_notify(struct tls_session *s, struct err *err);

/* After the handshake.  DER of the peer's certificate, empty if it has
 * none; RFC 8446 s7.5 exporter. */
struct slice tls_session_peer(const struct tls_session *s);
enum status tls_session_exporter(struct tls_session *s, const char *label,
				 struct slice context, uint8_t *out, size_t len,
				 struct err *err);

#endif
