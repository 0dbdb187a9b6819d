/* The chunks of sealed messages, apart from where their keys come from.
 *
 * Source: draft-ietf-ohai-chunked-ohttp-08 sections 4 to 6: a prefix of fixed
 * length, chunks each behind its length, then a zero and the final chunk,
 * which lasts to the end of the stream and alone is sealed under the data
 * "final".  A whole message (RFC 9458) is the prefix and one ciphertext.
 * The contract of what is sealed and opened is in proxy/ohttp.h. */
#ifndef CONFD_PROXY_OHTTP_CHUNK_H
#define CONFD_PROXY_OHTTP_CHUNK_H

#include "proxy/ohttp.h"

#define OHTTP_PREFIX_MAX 128 /* bytes */

/* Seals or opens one piece after the other: an HPKE context (borrowed), or a
 * key of ours whose nonce is XORed with the number of the piece. */
struct ohttp_aead {
	struct hpke *hpke;
	struct gcm *gcm;
	uint8_t nonce[GCM_IV_LEN];
	uint64_t counter;
};

/* From a key of 16 or 32 bytes. */
enum status ohttp_aead_init(struct ohttp_aead *a, struct slice key,
			    const uint8_t nonce[static GCM_IV_LEN],
			    struct err *err);
void ohttp_aead_done(struct ohttp_aead *a);

struct ohttp_sealer {
	enum ohttp_form form; /* private, like all that follows */
	enum status failed;
	bool begun, ended;
	uint8_t prefix[OHTTP_PREFIX_MAX];
	size_t prefix_len;
	struct ohttp_aead aead;
	struct buf hold; /* OHTTP_WHOLE: plaintext so far */
};

/* limits may be NULL. prefix, and then aead, are set by the owner before the
 * first put. */
void ohttp_sealer_init(struct ohttp_sealer *s, enum ohttp_form form,
		       const struct ohttp_limits *limits);
void ohttp_sealer_prefix(struct ohttp_sealer *s, struct slice prefix);
void ohttp_sealer_done(struct ohttp_sealer *s);

/* See ohttp_client_seal. */
enum status ohttp_sealer_put(struct ohttp_sealer *s, struct slice plain,
			     bool final, struct buf *out, struct err *err);

struct ohttp_opener {
	enum ohttp_form form; /* private, like all that follows */
	enum status failed;
	unsigned char state;
	unsigned char have, need; /* bytes of a chunk's length */
	bool fresh;		  /* a chunk was authentic */
	uint64_t length;	  /* of the chunk being read, with its tag */
	size_t chunk_max;	  /* the same, at most */
	size_t final_max;	  /* of the final chunk or whole message */
	size_t prefix_len;
	struct buf work; /* a chunk in parts, or the plaintext given */
	bool given;
	struct ohttp_aead aead;
	enum status (*on_prefix)(void *ctx, struct slice prefix,
				 struct err *err);
	enum status (*on_fresh)(void *ctx, struct err *err); /* or NULL */
	void *ctx;
};

/* limits may be NULL.
 *
 * on_prefix	gets the first prefix_len bytes and sets o->aead up.
 * on_fresh	is called when the first chunk was authentic, before any of it
 *		is passed on. */
void ohttp_opener_init(struct ohttp_opener *o, enum ohttp_form form,
		       const struct ohttp_limits *limits, size_t prefix_len);
void ohttp_opener_done(struct ohttp_opener *o);

/* See ohttp_client_open. */
enum status ohttp_opener_next(struct ohttp_opener *o, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err);

#endif
