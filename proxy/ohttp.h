/* Oblivious HTTP: sealed requests and answers, whole and in chunks.
 *
 * Source: RFC 9458; draft-ietf-ohai-chunked-ohttp-08 for the chunked form.
 * The only KEM is DHKEM(X25519, HKDF-SHA256), the only KDF HKDF-SHA256; the
 * AEAD is AES-256-GCM or AES-128-GCM.
 *
 * One object is one exchange, on its client's or on its server's side: it
 * seals in one direction and opens in the other, in any interleaving.  What
 * is sealed is any byte string (we seal Binary HTTP, see proxy/bhttp.h).
 * Both forms have one interface: in OHTTP_WHOLE nothing comes out before the
 * end.  No input or output is done here. */
#ifndef CONFD_PROXY_OHTTP_H
#define CONFD_PROXY_OHTTP_H

#include "core/buf.h"
#include "core/hpke.h"

#define OHTTP_TYPE_KEYS "application/ohttp-keys"
#define OHTTP_TYPE_REQ "message/ohttp-req"
#define OHTTP_TYPE_RES "message/ohttp-res"
#define OHTTP_TYPE_CHUNKED_REQ "message/ohttp-chunked-req"
#define OHTTP_TYPE_CHUNKED_RES "message/ohttp-chunked-res"

enum ohttp_form { OHTTP_WHOLE, OHTTP_CHUNKED };

#define OHTTP_CHUNK \
	16384 /* bytes of plaintext: no chunk of ours is larger,
			     and every receiver takes this much */
#define OHTTP_HEADER_LEN (7 + HPKE_ENC_LEN)

/* Key configurations (application/ohttp-keys): proxy/ohttp_keys.c. */

#define OHTTP_SUITES_MAX 8
#define OHTTP_CONFIGS_MAX 16
#define OHTTP_KEYS_MAX 4096 /* bytes of a list */

struct ohttp_suite {
	uint16_t kdf, aead;
};

struct ohttp_config {
	uint8_t id;
	uint8_t pub[HPKE_PUB_LEN];
	struct ohttp_suite suites[OHTTP_SUITES_MAX]; /* as listed; those that
							we have not are left
							out */
	size_t n_suites;
};

/* Parse a list.  Entries of other KEMs are skipped, and so are those with no
 * suite of ours; *n may come out 0.
 *
 * out		room for max; written only on OK.
 * E_PARSE	an empty list, lengths that do not fit, an empty or cut list of
 *		suites, bytes left over, or two of our entries with one id.
 * E_LIMIT	more than OHTTP_KEYS_MAX bytes, or more entries of ours than
 *		max. */
enum status ohttp_keys_parse(struct slice in, struct ohttp_config *out,
			     size_t max, size_t *n, struct err *err);

/* Append one entry (with its length) that lists AES-256-GCM, then
 * AES-128-GCM. */
void ohttp_keys_put(struct buf *out, uint8_t id,
		    const uint8_t pub[static HPKE_PUB_LEN]);

/* The entry and AEAD to use: the first entry that lists AES-256-GCM, else the
 * first.  E_NOTFOUND when n is 0. */
enum status ohttp_keys_choose(const struct ohttp_config *configs, size_t n,
			      const struct ohttp_config **config,
			      uint16_t *aead, struct err *err);

/* The key pair that follows from 32 bytes of key material (RFC 9180
 * DeriveKeyPair), for the service that makes a group's keys. */
void ohttp_key_from_ikm(const uint8_t ikm[static 32],
			uint8_t priv[static HPKE_PRIV_LEN],
			uint8_t pub[static HPKE_PUB_LEN]);

/* The id of the key of an epoch. */
static inline uint8_t ohttp_key_id(uint64_t epoch)
{
	return (uint8_t)(epoch & 0xff);
}

/* What both sides' readers answer. */
enum ohttp_event_kind {
	OHTTP_MORE, /* all of in was used; give more */
	OHTTP_DATA, /* plain is the next piece, authentic and in order */
	OHTTP_END   /* the message is complete; only when last was said */
};

struct ohttp_event {
	enum ohttp_event_kind kind;
	struct slice plain; /* DATA: never empty; valid until the next call
			       for this object */
};

struct ohttp_limits {
	size_t chunk;	/* bytes of plaintext in one chunk that we take; 0:
			   OHTTP_CHUNK; never less than OHTTP_CHUNK */
	size_t message; /* bytes of plaintext in OHTTP_WHOLE; 0: 128 MiB */
};

/* The client's side. */
struct ohttp_client;

/* Begin an exchange under a configuration that ohttp_keys_choose gave.
 * ephemeral_ikm: NULL outside tests. */
enum status ohttp_client_new(const struct ohttp_config *config, uint16_t aead,
			     enum ohttp_form form,
			     const struct ohttp_limits *limits,
			     const struct slice *ephemeral_ikm,
			     struct ohttp_client **out, struct err *err);
void ohttp_client_free(struct ohttp_client *c);
static inline void ohttp_client_freep(struct ohttp_client **c)
{
	ohttp_client_free(*c);
}
#define auto_ohttp_client __attribute__((cleanup(ohttp_client_freep)))

/* Append the next part of the request, sealed, to out (before the first: the
 * header).  Empty parts are nothing unless final, and nothing may follow
 * final.  A part of more than OHTTP_CHUNK becomes several chunks.  E_LIMIT
 * when out is full or the exchange has used up its chunks: it has then
 * failed. */
enum status ohttp_client_seal(struct ohttp_client *c, struct slice plain,
			      bool final, struct buf *out, struct err *err);

/* Open the answer: take the next event off the front of in.
 *
 * last		no bytes follow in: OHTTP_MORE does not come then.
 * *used	bytes of in that are done with; call again with the rest until
 *		OHTTP_MORE or OHTTP_END.
 *
 * E_CRYPTO	a chunk that is not authentic, or is empty and not final.
 * E_IO		the input ended before the final chunk: it was cut off.
 * E_LIMIT	a chunk or message larger than the limits.
 * E_PARSE	bytes that are of no form.
 *
 * A failure is final: every later call fails alike. */
enum status ohttp_client_open(struct ohttp_client *c, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err);

/* Context.Export of this exchange's HPKE context, for secrets that both sides
 * derive besides (tickets). */
void ohttp_client_export(const struct ohttp_client *c, struct slice label,
			 uint8_t *out, size_t len);

/* The server's side. */
struct ohttp_server;

/* What the request says in clear. */
struct ohttp_header {
	uint8_t key_id;
	uint16_t kem, kdf, aead;
	uint8_t enc[HPKE_ENC_LEN]; /* differs in every request */
};

/* Borrowed: valid until the call for which they were found returns. */
struct ohttp_key {
	const uint8_t *priv; /* HPKE_PRIV_LEN bytes */
	const uint8_t *pub;  /* HPKE_PUB_LEN bytes; knowing them saves time */
};

struct ohttp_server_keys {
	/* Lend the keys of header->key_id.  A failure ends the exchange with
	 * it, such as E_NOTFOUND for an id that is not known. */
	enum status (*find)(void *ctx, const struct ohttp_header *header,
			    struct ohttp_key *out, struct err *err);

	/* The first chunk is authentic and nothing of it was passed on: the
	 * place for the replay check.  May be NULL.  A failure ends the
	 * exchange with it. */
	enum status (*fresh)(void *ctx, const struct ohttp_header *header,
			     struct err *err);
	void *ctx;
};

/* Begin an exchange.  keys is copied; its functions are called from
 * ohttp_server_open. */
enum status ohttp_server_new(enum ohttp_form form,
			     const struct ohttp_server_keys *keys,
			     const struct ohttp_limits *limits,
			     struct ohttp_server **out, struct err *err);
void ohttp_server_free(struct ohttp_server *s);
static inline void ohttp_server_freep(struct ohttp_server **s)
{
	ohttp_server_free(*s);
}
#define auto_ohttp_server __attribute__((cleanup(ohttp_server_freep)))

/* Open the request, as ohttp_client_open does the answer.  Besides:
 *
 * E_PARSE	algorithms that we have not.
 * and whatever the functions in keys fail with. */
enum status ohttp_server_open(struct ohttp_server *s, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err);

/* The header, once the request's first chunk was authentic; else NULL. */
const struct ohttp_header *ohttp_server_header(const struct ohttp_server *s);

/* Append the next part of the answer, as ohttp_client_seal does of the
 * request (before the first: the response nonce).  May begin once
 * ohttp_server_header is not NULL, also before the request is complete;
 * E_CONFLICT before. */
enum status ohttp_server_seal(struct ohttp_server *s, struct slice plain,
			      bool final, struct buf *out, struct err *err);

/* As ohttp_client_export; only when ohttp_server_header is not NULL. */
void ohttp_server_export(const struct ohttp_server *s, struct slice label,
			 uint8_t *out, size_t len);

/* Tests only: the response nonce (32 bytes; 16 are used for AES-128-GCM)
 * instead of a random one.  Before the first seal. */
void ohttp_server_set_nonce_for_tests(struct ohttp_server *s,
				      const uint8_t nonce[static 32]);

#endif
