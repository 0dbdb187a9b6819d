#include "proxy/ohttp.h"

#include "core/cleanup.h"
#include "proxy/ohttp_chunk.h"

/* What differs between the two forms: RFC 9458 sections 4.3 and 4.4, the
 * draft's sections 6.1 and 6.2. */
static const struct labels {
	const char *request;  /* info of the HPKE context, before the NUL */
	const char *response; /* context of its export */
} labels[] = {
	[OHTTP_WHOLE] = { "message/bhttp request", "message/bhttp response" },
	[OHTTP_CHUNKED] = { "message/bhttp chunked request",
			    "message/bhttp chunked response" },
};

#define ALGS_LEN 7 /* key id, KEM, KDF, AEAD */
#define INFO_MAX 64
#define SECRET_MAX 32

/* Nk; Nn is 12 and so max(Nn, Nk) is Nk. */
static size_t key_len(uint16_t aead)
{
	return aead == HPKE_AEAD_AES128 ? 16 : 32;
}

static void put_algs(const struct ohttp_header *h, uint8_t out[ALGS_LEN])
{
	out[0] = h->key_id;
	out[1] = (uint8_t)(h->kem >> 8);
	out[2] = (uint8_t)h->kem;
	out[3] = (uint8_t)(h->kdf >> 8);
	out[4] = (uint8_t)h->kdf;
	out[5] = (uint8_t)(h->aead >> 8);
	out[6] = (uint8_t)h->aead;
}

/* label, zero, algorithms. */
static struct slice put_info(enum ohttp_form form, const struct ohttp_header *h,
			     uint8_t out[INFO_MAX])
{
	size_t n = strlen(labels[form].request) + 1;

	memcpy(out, labels[form].request, n);
	put_algs(h, out + n);
	return slice_make(out, n + ALGS_LEN);
}

/* The key and nonce of the answer, on either side.  nonce: the answer's
 * first key_len bytes. */
static enum status response_aead(const struct hpke *hpke, enum ohttp_form form,
				 const struct ohttp_header *h,
				 const uint8_t *nonce, struct ohttp_aead *out,
				 struct err *err)
{
	size_t nk = key_len(h->aead);
	uint8_t secret[SECRET_MAX], salt[HPKE_ENC_LEN + SECRET_MAX];
	uint8_t prk[32], key[SECRET_MAX], iv[GCM_IV_LEN];

	memcpy(salt, h->enc, HPKE_ENC_LEN);
	memcpy(salt + HPKE_ENC_LEN, nonce, nk);
	hpke_export(hpke, slice_str(labels[form].response), secret, nk);
	hkdf_extract(slice_make(salt, HPKE_ENC_LEN + nk),
		     slice_make(secret, nk), prk);
	hkdf_expand(slice_of(prk), S("key"), key, nk);
	hkdf_expand(slice_of(prk), S("nonce"), iv, sizeof(iv));

	enum status status = ohttp_aead_init(out, slice_make(key, nk), iv, err);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(prk, sizeof(prk));
	explicit_bzero(key, sizeof(key));
	explicit_bzero(iv, sizeof(iv));
	return status;
}

/* The client's side. */

struct ohttp_client {
	enum ohttp_form form;
	struct ohttp_header header;
	struct hpke *hpke;
	struct ohttp_sealer request;
	struct ohttp_opener answer;
};

/* The prefix of the answer is the response nonce. */
static enum status client_on_prefix(void *ctx, struct slice nonce,
				    struct err *err)
{
	struct ohttp_client *c = ctx;

	return response_aead(c->hpke, c->form, &c->header, nonce.p,
			     &c->answer.aead, err);
}

static void client_prefix(struct ohttp_client *c)
{
	uint8_t prefix[OHTTP_HEADER_LEN];

	put_algs(&c->header, prefix);
	memcpy(prefix + ALGS_LEN, c->header.enc, HPKE_ENC_LEN);
	ohttp_sealer_prefix(&c->request, slice_of(prefix));
}

enum status ohttp_client_new(const struct ohttp_config *config, uint16_t aead,
			     enum ohttp_form form,
			     const struct ohttp_limits *limits,
			     const struct slice *ephemeral_ikm,
			     struct ohttp_client **out, struct err *err)
{
	uint8_t info[INFO_MAX];
	auto_ohttp_client struct ohttp_client *c = mem_must(sizeof(*c));

	c->form = form;
	c->header = (struct ohttp_header){ .key_id = config->id,
					   .kem = HPKE_KEM_X25519,
					   .kdf = HPKE_KDF_SHA256,
					   .aead = aead };
	ohttp_sealer_init(&c->request, form, limits);
	ohttp_opener_init(&c->answer, form, limits, key_len(aead));
	c->answer.on_prefix = client_on_prefix;
	c->answer.ctx = c;
	TRY(hpke_sender(config->pub, aead, put_info(form, &c->header, info),
			ephemeral_ikm, c->header.enc, &c->hpke, err));
	c->request.aead.hpke = c->hpke;
	client_prefix(c);
	*out = take(c);
	return OK;
}

void ohttp_client_free(struct ohttp_client *c)
{
	if (c == NULL)
		return;
	ohttp_sealer_done(&c->request);
	ohttp_opener_done(&c->answer);
	hpke_free(c->hpke);
	mem_free(c);
}

enum status ohttp_client_seal(struct ohttp_client *c, struct slice plain,
			      bool final, struct buf *out, struct err *err)
{
	return ohttp_sealer_put(&c->request, plain, final, out, err);
}

enum status ohttp_client_open(struct ohttp_client *c, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err)
{
	return ohttp_opener_next(&c->answer, in, last, used, ev, err);
}

void ohttp_client_export(const struct ohttp_client *c, struct slice label,
			 uint8_t *out, size_t len)
{
	hpke_export(c->hpke, label, out, len);
}

/* The server's side. */

struct ohttp_server {
	enum ohttp_form form;
	struct ohttp_server_keys keys;
	struct ohttp_header header;
	bool accepted; /* the first chunk was authentic and fresh */
	bool answering;
	bool nonce_set; /* by a test */
	uint8_t nonce[SECRET_MAX];
	struct hpke *hpke;
	struct ohttp_opener request;
	struct ohttp_sealer answer;
};

static enum status read_header(struct slice prefix, struct ohttp_header *out,
			       struct err *err)
{
	struct cursor c = cursor_make(prefix);
	struct ohttp_header h = { .key_id = cursor_u8(&c) };

	h.kem = cursor_u16be(&c);
	h.kdf = cursor_u16be(&c);
	h.aead = cursor_u16be(&c);
	struct slice enc = cursor_bytes(&c, HPKE_ENC_LEN);
	TRY(cursor_end(&c, "encapsulated request", err));
	memcpy(h.enc, enc.p, HPKE_ENC_LEN);
	if (h.kem != HPKE_KEM_X25519 || h.kdf != HPKE_KDF_SHA256 ||
	    (h.aead != HPKE_AEAD_AES256 && h.aead != HPKE_AEAD_AES128))
		return err_set(err, E_PARSE,
			       "encapsulated request: KEM 0x%04x, KDF 0x%04x, "
			       "AEAD 0x%04x; want those of the key "
			       "configuration",
			       h.kem, h.kdf, h.aead);
	*out = h;
	return OK;
}

static enum status server_on_prefix(void *ctx, struct slice prefix,
				    struct err *err)
{
	struct ohttp_server *s = ctx;
	uint8_t info[INFO_MAX];
	struct ohttp_key key;

	TRY(read_header(prefix, &s->header, err));
	TRY(s->keys.find(s->keys.ctx, &s->header, &key, err));
	TRY(hpke_receiver_known(key.priv, key.pub, s->header.aead,
				put_info(s->form, &s->header, info),
				s->header.enc, &s->hpke, err));
	s->request.aead.hpke = s->hpke;
	return OK;
}

static enum status server_on_fresh(void *ctx, struct err *err)
{
	struct ohttp_server *s = ctx;

	if (s->keys.fresh != NULL)
		TRY(s->keys.fresh(s->keys.ctx, &s->header, err));
	s->accepted = true;
	return OK;
}

enum status ohttp_server_new(enum ohttp_form form,
			     const struct ohttp_server_keys *keys,
			     const struct ohttp_limits *limits,
			     struct ohttp_server **out, struct err *err)
{
	struct ohttp_server *s = mem_must(sizeof(*s));

	(void)err; /* nothing fails today */
	s->form = form;
	s->keys = *keys;
	ohttp_opener_init(&s->request, form, limits, OHTTP_HEADER_LEN);
	s->request.on_prefix = server_on_prefix;
	s->request.on_fresh = server_on_fresh;
	s->request.ctx = s;
	ohttp_sealer_init(&s->answer, form, limits);
	*out = s;
	return OK;
}

void ohttp_server_free(struct ohttp_server *s)
{
	if (s == NULL)
		return;
	ohttp_opener_done(&s->request);
	ohttp_sealer_done(&s->answer);
	hpke_free(s->hpke);
	mem_free(s);
}

enum status ohttp_server_open(struct ohttp_server *s, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err)
{
	return ohttp_opener_next(&s->request, in, last, used, ev, err);
}

const struct ohttp_header *ohttp_server_header(const struct ohttp_server *s)
{
	return s->accepted ? &s->header : NULL;
}

void ohttp_server_set_nonce_for_tests(struct ohttp_server *s,
				      const uint8_t nonce[static 32])
{
	memcpy(s->nonce, nonce, sizeof(s->nonce));
	s->nonce_set = true;
}

static enum status begin_answer(struct ohttp_server *s, struct err *err)
{
	if (!s->accepted)
		return err_set(err, E_CONFLICT,
			       "sealed answer: nothing of the request was "
			       "authentic yet");
	if (!s->nonce_set)
		crypto_random(s->nonce, sizeof(s->nonce));
	TRY(response_aead(s->hpke, s->form, &s->header, s->nonce,
			  &s->answer.aead, err));
	ohttp_sealer_prefix(&s->answer,
			    slice_make(s->nonce, key_len(s->header.aead)));
	s->answering = true;
	return OK;
}

enum status ohttp_server_seal(struct ohttp_server *s, struct slice plain,
			      bool final, struct buf *out, struct err *err)
{
	if (!s->answering)
		TRY(begin_answer(s, err));
	return ohttp_sealer_put(&s->answer, plain, final, out, err);
}

void ohttp_server_export(const struct ohttp_server *s, struct slice label,
			 uint8_t *out, size_t len)
{
	hpke_export(s->hpke, label, out, len);
}
