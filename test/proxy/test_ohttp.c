#include "proxy/ohttp.h"

#include "core/cleanup.h"
#include "core/mem.h"
#include "test/core/hex.h"
#include "test/proxy/ohttp_vectors.h"
#include "test/test.h"

/* The server's key, and what was asked of its owner. */
struct owner {
	uint8_t priv[32], pub[32];
	enum status find, fresh; /* what to answer */
	unsigned found, freshened;
	struct ohttp_header header;
};

static enum status find(void *ctx, const struct ohttp_header *header,
			struct ohttp_key *out, struct err *err)
{
	struct owner *o = ctx;

	o->found++;
	o->header = *header;
	if (o->find != OK)
		return err_set(err, o->find, "no such key");
	*out = (struct ohttp_key){ o->priv, o->pub };
	return OK;
}

static enum status fresh(void *ctx, const struct ohttp_header *header,
			 struct err *err)
{
	struct owner *o = ctx;

	(void)header;
	o->freshened++;
	return o->fresh == OK ? OK : err_set(err, o->fresh, "used");
}

static struct ohttp_server *serve(enum ohttp_form form, struct owner *o,
				  const char *priv,
				  const struct ohttp_limits *limits)
{
	const struct ohttp_server_keys keys = { find, fresh, o };
	struct ohttp_server *s;
	struct err err;

	*o = (struct owner){ .find = OK };
	memcpy(o->priv, hex(priv).b, sizeof(o->priv));
	x25519_public(o->priv, o->pub);
	return EXPECT(ohttp_server_new(form, &keys, limits, &s, &err) == OK)
		       ? s
		       : NULL;
}

/* Either side's reader. */
struct reader {
	struct ohttp_client *client;
	struct ohttp_server *server;
};

static enum status next(const struct reader *r, struct slice in, bool last,
			size_t *used, struct ohttp_event *ev, struct err *err)
{
	return r->client != NULL
		       ? ohttp_client_open(r->client, in, last, used, ev, err)
		       : ohttp_server_open(r->server, in, last, used, ev, err);
}

/* Give part, in a block of its own; data is appended to out. */
static enum status give(const struct reader *r, struct slice part, bool last,
			struct buf *out)
{
	auto_mem uint8_t *copy = mem_must(part.len);
	struct slice in = slice_make(copy, part.len);
	struct ohttp_event ev;
	struct err err;
	size_t used;

	if (part.len > 0)
		memcpy(copy, part.p, part.len);
	do {
		enum status status = next(r, in, last, &used, &ev, &err);
		if (status != OK) {
			EXPECT(err.code == status && err.text[0] != '\0');
			EXPECT(next(r, S(""), true, &used, &ev, &err) ==
			       status);
			return status;
		}
		in = slice_from(in, used);
		if (ev.kind == OHTTP_DATA)
			buf_put(out, ev.plain);
	} while (ev.kind == OHTTP_DATA);
	EXPECT(in.len == 0);
	EXPECT(last == (ev.kind == OHTTP_END));
	return OK;
}

/* The whole of sealed, in pieces of cut bytes.  late: the end is only said
 * when all was given. */
static enum status read_cut(const struct reader *r, struct slice sealed,
			    size_t cut, bool late, struct buf *out)
{
	while (sealed.len > cut || (late && sealed.len > 0)) {
		struct slice part = slice_sub(sealed, 0, cut);

		TRY(give(r, part, false, out));
		sealed = slice_from(sealed, part.len);
	}
	return give(r, sealed, true, out);
}

static const size_t cuts[] = { 1, 2, 3, 5, 7, 16, 39, 40, 41, SIZE_MAX };

TEST(servers_read_the_requests_of_the_vectors)
{
	for (size_t i = 0; i < countof(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct hex sealed = hex(v->request);

		for (size_t c = 0; c < 2 * countof(cuts); c++) {
			struct owner o = { .find = OK };
			auto_buf struct buf out = buf_make(1000);
			auto_ohttp_server struct ohttp_server *s =
				serve(v->form, &o, v->priv, NULL);
			struct reader r = { .server = s };

			CHECK(ohttp_server_header(s) == NULL);
			CHECK(read_cut(&r, hex_slice(&sealed), cuts[c / 2],
				       c % 2 != 0, &out) == OK);
			CHECK(hex_is(out.mem, out.len, v->plain));
			CHECK(o.found == 1 && o.freshened == 1);
			CHECK(ohttp_server_header(s) != NULL);
			CHECK(memcmp(ohttp_server_header(s)->enc, sealed.b + 7,
				     32) == 0);
			CHECK(o.header.key_id == sealed.b[0]);
		}
	}
}

static size_t digit(char c)
{
	return (size_t)(c > '9' ? c - 'a' + 10 : c - '0');
}

/* Seal the answer of a vector in its parts. */
static bool answer(struct ohttp_server *s, const struct vector *v,
		   struct buf *out)
{
	struct hex plain = hex(v->answer);
	struct slice rest = hex_slice(&plain);
	struct err err;

	for (const char *p = v->parts; *p != '\0'; p++) {
		struct slice part = slice_sub(rest, 0, digit(*p));

		rest = slice_from(rest, part.len);
		if (!EXPECT(ohttp_server_seal(s, part, p[1] == '\0', out,
					      &err) == OK))
			return false;
	}
	return true;
}

TEST(servers_seal_the_answers_of_the_vectors)
{
	for (size_t i = 0; i < countof(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct hex request = hex(v->request);
		struct owner o = { .find = OK };
		auto_buf struct buf out = buf_make(1000);
		auto_ohttp_server struct ohttp_server *s =
			serve(v->form, &o, v->priv, NULL);
		struct reader r = { .server = s };

		if (v->sealed == NULL)
			continue;
		CHECK(read_cut(&r, hex_slice(&request), 9, true, &out) == OK);
		ohttp_server_set_nonce_for_tests(s, hex(v->sealed).b);
		buf_clear(&out);
		CHECK(answer(s, v, &out));
		CHECK(hex_is(out.mem, out.len, v->sealed));
	}
}

/* A client of the key PUB whose ephemeral key is known. */
static struct ohttp_client *known_client(enum ohttp_form form, uint16_t aead)
{
	struct ohttp_config config = { .id = 7 };
	uint8_t ikm[32];
	struct slice ikm_slice = slice_of(ikm);
	struct ohttp_client *c;
	struct err err;

	memset(ikm, 0x33, sizeof(ikm));
	memcpy(config.pub, hex(PUB).b, sizeof(config.pub));
	return EXPECT(ohttp_client_new(&config, aead, form, NULL, &ikm_slice,
				       &c, &err) == OK)
		       ? c
		       : NULL;
}

TEST(clients_make_the_requests_and_read_the_answers_of_the_vectors)
{
	for (size_t i = 4; i < countof(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct hex sealed = hex(v->sealed);
		auto_buf struct buf out = buf_make(1000);
		struct err err;

		for (size_t c = 0; c < 2 * countof(cuts); c++) {
			auto_ohttp_client struct ohttp_client *cl =
				known_client(v->form, hex(v->request).b[6]);
			struct reader r = { .client = cl };

			buf_clear(&out);
			CHECK(ohttp_client_seal(cl, S("the "), false, &out,
						&err) == OK);
			CHECK(ohttp_client_seal(cl, S(""), false, &out, &err) ==
			      OK);
			CHECK(ohttp_client_seal(cl, S("requ"), false, &out,
						&err) == OK);
			CHECK(ohttp_client_seal(cl, S("est"), true, &out,
						&err) == OK);
			CHECK(hex_is(out.mem, out.len, v->request));
			buf_clear(&out);
			CHECK(read_cut(&r, hex_slice(&sealed), cuts[c / 2],
				       c % 2 != 0, &out) == OK);
			CHECK(hex_is(out.mem, out.len, v->answer));
		}
	}
}

/* Recorded from the Rust crate "ohttp" 0.8.0 as the server. */
TEST(clients_read_the_answers_of_another_server)
{
	static const char *const sealed[] = {
		[OHTTP_WHOLE] =
			"5eade69a83f9c8e7d1ab60505a2f57f5c364bd2ff817990c4503"
			"9542db0db69cc8adf83fc3ef80e4429b4ca5de457f0a0bcc",
		[OHTTP_CHUNKED] =
			"f84933912a3de867c83a785535e6c8c71b3ff0a1477b22435a1e"
			"67ee53a75f4085bdfdaa07d44ecdbe34e0e317b5326a9e136941"
			"ea0df41ddcc9ee1f9af3b3a9c4c420d4009f61cf2f10161b2834"
			"b835f5bade1298",
	};

	for (size_t i = 0; i < countof(sealed); i++) {
		struct hex h = hex(sealed[i]);
		auto_ohttp_client struct ohttp_client *c =
			known_client((enum ohttp_form)i, HPKE_AEAD_AES128);
		auto_buf struct buf out = buf_make(1000);
		struct reader r = { .client = c };

		CHECK(read_cut(&r, hex_slice(&h), 3, false, &out) == OK);
		CHECK(hex_is(out.mem, out.len, ANSWER));
	}
}

/* Refusals.  The request of a vector, changed. */

static enum status read_request(enum ohttp_form form, struct slice sealed,
				size_t cut, const struct ohttp_limits *limits,
				struct buf *out)
{
	struct owner o = { .find = OK };
	auto_ohttp_server struct ohttp_server *s =
		serve(form, &o, PRIV, limits);
	struct reader r = { .server = s };

	return read_cut(&r, sealed, cut, true, out);
}

TEST(every_changed_byte_is_refused)
{
	for (size_t i = 4; i < countof(vectors); i++) {
		struct hex h = hex(vectors[i].request);
		struct hex want = hex(vectors[i].plain);

		for (size_t at = 0; at < h.len; at++) {
			auto_buf struct buf out = buf_make(1000);

			h.b[at] ^= 0x40;
			CHECK(read_request(vectors[i].form, hex_slice(&h), 13,
					   NULL, &out) != OK);
			CHECK(slice_starts(hex_slice(&want), buf_slice(&out)));
			h.b[at] ^= 0x40;
		}
	}
}

TEST(every_cut_is_noticed)
{
	for (size_t i = 4; i < countof(vectors); i++) {
		struct hex h = hex(vectors[i].request);

		for (size_t len = 0; len < h.len; len++) {
			struct slice cut = slice_make(h.b, len);
			auto_buf struct buf out = buf_make(1000);
			enum status got = read_request(vectors[i].form, cut,
						       SIZE_MAX, NULL, &out);

			CHECK(got == E_IO || got == E_CRYPTO);
		}
	}
}

TEST(a_stream_without_its_final_chunk_was_cut_off)
{
	struct hex h = hex(vectors[5].request);
	auto_buf struct buf out = buf_make(1000);

	/* Both chunks before the final one, and nothing else. */
	CHECK(read_request(OHTTP_CHUNKED, slice_make(h.b, h.len - 20), 100,
			   NULL, &out) == E_IO);
	CHECK(slice_eq_str(buf_slice(&out), "the requ"));
	/* And with the sign of the final chunk. */
	CHECK(read_request(OHTTP_CHUNKED, slice_make(h.b, h.len - 19), 100,
			   NULL, &out) == E_IO);
}

TEST(the_forms_are_not_mixed_up)
{
	for (size_t i = 4; i < countof(vectors); i++) {
		struct hex h = hex(vectors[i].request);
		auto_buf struct buf out = buf_make(1000);

		CHECK(read_request(vectors[i].form == OHTTP_WHOLE
					   ? OHTTP_CHUNKED
					   : OHTTP_WHOLE,
				   hex_slice(&h), 7, NULL, &out) != OK);
		CHECK(out.len == 0);
	}
}

/* Both sides, and the bytes between them. */
struct both {
	struct owner o;
	struct ohttp_client *c;
	struct ohttp_server *s;
	struct buf wire, plain;
};

static void both_done(struct both *b)
{
	ohttp_client_free(b->c);
	ohttp_server_free(b->s);
	buf_done(&b->wire);
	buf_done(&b->plain);
}
#define auto_both __attribute__((cleanup(both_done)))

static void both_begin(struct both *b, enum ohttp_form form)
{
	*b = (struct both){ .wire = buf_make(1 << 20),
			    .plain = buf_make(1 << 20) };
	b->c = known_client(form, HPKE_AEAD_AES256);
	b->s = serve(form, &b->o, PRIV, NULL);
}

/* Chunks of the request "a", "bb", "ccc", "dddd" (final), each by itself; the
 * first has the header. */
static bool four_chunks(struct slice out[4], struct both *b)
{
	static const char *const parts[] = { "a", "bb", "ccc", "dddd" };
	size_t at[5] = { 0 };
	struct err err;

	for (size_t i = 0; i < 4; i++) {
		if (!EXPECT(ohttp_client_seal(b->c, slice_str(parts[i]), i == 3,
					      &b->wire, &err) == OK))
			return false;
		at[i + 1] = b->wire.len;
	}
	for (size_t i = 0; i < 4; i++)
		out[i] = slice_sub(buf_slice(&b->wire), at[i],
				   at[i + 1] - at[i]);
	return true;
}

/* Read chunks in the order of digits. */
static enum status in_order(const char *order, const char *want)
{
	auto_both struct both b = { .c = NULL };
	auto_buf struct buf in = buf_make(1000);
	struct slice chunk[4];
	struct owner o = { .find = OK };
	auto_ohttp_server struct ohttp_server *s =
		serve(OHTTP_CHUNKED, &o, PRIV, NULL);
	struct reader r = { .server = s };

	both_begin(&b, OHTTP_CHUNKED);
	if (!four_chunks(chunk, &b))
		return E_NOTFOUND;
	for (; *order != '\0'; order++)
		buf_put(&in, chunk[*order - '0']);
	enum status got = read_cut(&r, buf_slice(&in), 11, false, &b.plain);
	EXPECT(slice_eq_str(buf_slice(&b.plain), want));
	return got;
}

TEST(chunks_swapped_dropped_or_repeated_are_refused)
{
	CHECK(in_order("0123", "abbcccdddd") == OK);
	CHECK(in_order("0213", "a") == E_CRYPTO);
	CHECK(in_order("013", "abb") == E_CRYPTO);
	CHECK(in_order("01123", "abb") == E_CRYPTO);
	CHECK(in_order("012", "abbccc") == E_IO);
	CHECK(in_order("01233", "abbccc") == E_CRYPTO);
}

TEST(a_chunk_is_not_final_nor_the_final_one_a_chunk)
{
	auto_both struct both b = { .c = NULL };
	struct slice chunk[4];
	uint8_t zero = 0, twenty = 20;

	both_begin(&b, OHTTP_CHUNKED);
	CHECK(four_chunks(chunk, &b));
	for (int i = 0; i < 2; i++) {
		auto_buf struct buf in = buf_make(1000);
		auto_buf struct buf out = buf_make(1000);

		buf_put(&in, chunk[0]);
		buf_put(&in, chunk[1]);
		buf_put(&in, i == 0 ? slice_make(&zero, 1)
				    : slice_sub(chunk[2], 0, 1));
		buf_put(&in, slice_from(chunk[2], 1));
		buf_put(&in, i == 0 ? S("") : slice_make(&twenty, 1));
		buf_put(&in, i == 0 ? S("") : slice_from(chunk[3], 1));
		CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 100, NULL,
				   &out) == E_CRYPTO);
	}
}

TEST(an_empty_chunk_is_refused_unless_it_is_final)
{
	/* Sealed by hand: 16 bytes for no plaintext. */
	struct hex h = hex(vectors[5].request);
	auto_buf struct buf out = buf_make(1000);
	auto_buf struct buf in = buf_make(1000);

	buf_put(&in, slice_make(h.b, 39));
	buf_put_u8(&in, 16);
	buf_put(&in, slice_sub(hex_slice(&h), 50, 16));
	CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 100, NULL, &out) ==
	      E_CRYPTO);
	in.mem[39] = 15;
	CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 1, NULL, &out) ==
	      E_CRYPTO);
}

TEST(an_empty_final_chunk_is_a_message)
{
	auto_both struct both b = { .c = NULL };
	struct reader r;
	struct err err;

	both_begin(&b, OHTTP_CHUNKED);
	r = (struct reader){ .server = b.s };
	CHECK(ohttp_client_seal(b.c, S(""), true, &b.wire, &err) == OK);
	CHECK(read_cut(&r, buf_slice(&b.wire), 5, true, &b.plain) == OK);
	CHECK(b.plain.len == 0 && b.o.freshened == 1);
}

TEST(lengths_may_take_more_bytes_than_they_need)
{
	static const char *const forms[] = { "4014", "80000014",
					     "c000000000000014" };
	struct hex h = hex(vectors[5].request);

	for (size_t i = 0; i < countof(forms); i++) {
		struct hex length = hex(forms[i]);
		auto_buf struct buf in = buf_make(1000);
		auto_buf struct buf out = buf_make(1000);

		buf_put(&in, slice_make(h.b, 39));
		buf_put(&in, hex_slice(&length));
		buf_put(&in, slice_from(hex_slice(&h), 40));
		CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 1, NULL,
				   &out) == OK);
		CHECK(slice_eq_str(buf_slice(&out), "the request"));
	}
}

/* A request of n bytes in one chunk, made with room to spare. */
static enum status one_chunk(enum ohttp_form form, size_t n, size_t limit,
			     size_t cut)
{
	struct ohttp_limits l = { limit, limit };
	auto_both struct both b = { .c = NULL };
	auto_mem uint8_t *plain = mem_must(n);
	struct err err;

	both_begin(&b, form);
	EXPECT(ohttp_client_seal(b.c, slice_make(plain, n), true, &b.wire,
				 &err) == OK);
	enum status got =
		read_request(form, buf_slice(&b.wire), cut, &l, &b.plain);
	if (got == OK)
		EXPECT(b.plain.len == n && all_zero(b.plain.mem, n));
	return got;
}

TEST(whole_messages_are_limited)
{
	CHECK(one_chunk(OHTTP_WHOLE, 100, 100, SIZE_MAX) == OK);
	CHECK(one_chunk(OHTTP_WHOLE, 100, 100, 7) == OK);
	CHECK(one_chunk(OHTTP_WHOLE, 101, 100, SIZE_MAX) == E_LIMIT);
	CHECK(one_chunk(OHTTP_WHOLE, 101, 100, 7) == E_LIMIT);
	CHECK(one_chunk(OHTTP_WHOLE, 100000, 0, 4096) == OK);
	CHECK(one_chunk(OHTTP_WHOLE, 0, 1, 1) == OK);
}

TEST(long_parts_become_chunks_that_everybody_takes)
{
	static const size_t sizes[] = { OHTTP_CHUNK - 1, OHTTP_CHUNK,
					OHTTP_CHUNK + 1, 3 * OHTTP_CHUNK,
					100000 };

	for (size_t i = 0; i < countof(sizes); i++) {
		CHECK(one_chunk(OHTTP_CHUNKED, sizes[i], 0, SIZE_MAX) == OK);
		CHECK(one_chunk(OHTTP_CHUNKED, sizes[i], 1, 1000) == OK);
		CHECK(one_chunk(OHTTP_CHUNKED, sizes[i], 1 << 20, 70000) == OK);
	}
}

TEST(chunks_are_limited_before_they_are_read)
{
	struct hex h = hex(vectors[5].request);
	static const char *const lengths[] = { "80004011", /* 16384+16+1 */
					       "bfffffff", "ffffffffffffffff" };
	struct ohttp_limits l = { OHTTP_CHUNK, 0 };

	for (size_t i = 0; i < countof(lengths); i++) {
		struct hex length = hex(lengths[i]);
		auto_buf struct buf in = buf_make(1000);
		auto_buf struct buf out = buf_make(1000);

		buf_put(&in, slice_make(h.b, 39));
		buf_put(&in, hex_slice(&length));
		CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 100, &l,
				   &out) == E_LIMIT);
	}
}

TEST(a_final_chunk_is_limited)
{
	struct hex h = hex(vectors[5].request);
	auto_buf struct buf in = buf_make(1 << 20);
	auto_buf struct buf out = buf_make(1000);
	auto_mem uint8_t *junk = mem_must(OHTTP_CHUNK + 17);

	buf_put(&in, slice_make(h.b, 39));
	buf_put_u8(&in, 0);
	buf_put(&in, slice_make(junk, OHTTP_CHUNK + 17));
	CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), 1000, NULL, &out) ==
	      E_LIMIT);
	CHECK(read_request(OHTTP_CHUNKED, buf_slice(&in), SIZE_MAX, NULL,
			   &out) == E_LIMIT);
	CHECK(read_request(OHTTP_CHUNKED,
			   slice_sub(buf_slice(&in), 0, in.len - 1), 1000, NULL,
			   &out) == E_CRYPTO);
}

TEST(algorithms_that_we_have_not_are_refused_before_a_key_is_asked_for)
{
	static const uint8_t at[] = { 2, 4, 6 };
	struct hex h = hex(vectors[6].request);

	for (size_t i = 0; i < countof(at); i++) {
		struct owner o = { .find = OK };
		auto_buf struct buf out = buf_make(1000);
		auto_ohttp_server struct ohttp_server *s =
			serve(OHTTP_WHOLE, &o, PRIV, NULL);
		struct reader r = { .server = s };

		h.b[at[i]] += 3;
		CHECK(read_cut(&r, hex_slice(&h), 50, true, &out) == E_PARSE);
		CHECK(o.found == 0);
		h.b[at[i]] -= 3;
	}
}

TEST(what_the_owner_of_the_keys_refuses_stays_refused)
{
	struct hex h = hex(vectors[5].request);

	for (int i = 0; i < 2; i++) {
		struct owner o = { .find = OK };
		struct err err;
		auto_buf struct buf out = buf_make(1000);
		auto_ohttp_server struct ohttp_server *s =
			serve(OHTTP_CHUNKED, &o, PRIV, NULL);
		struct reader r = { .server = s };

		o.find = i == 0 ? E_NOTFOUND : OK;
		o.fresh = i == 1 ? E_CONFLICT : OK;
		CHECK(read_cut(&r, hex_slice(&h), 3, true, &out) ==
		      (i == 0 ? E_NOTFOUND : E_CONFLICT));
		CHECK(out.len == 0 && ohttp_server_header(s) == NULL);
		CHECK(ohttp_server_seal(s, S("x"), true, &out, &err) ==
		      E_CONFLICT);
		CHECK(out.len == 0);
	}
}

TEST(freshness_is_not_asked_for_what_is_not_authentic)
{
	struct hex h = hex(vectors[5].request);
	struct owner o = { .find = OK };
	auto_buf struct buf out = buf_make(1000);
	auto_ohttp_server struct ohttp_server *s =
		serve(OHTTP_CHUNKED, &o, PRIV, NULL);
	struct reader r = { .server = s };

	h.b[45] ^= 1;
	CHECK(read_cut(&r, hex_slice(&h), 3, true, &out) == E_CRYPTO);
	CHECK(o.found == 1 && o.freshened == 0);
}

TEST(a_low_order_enc_is_refused)
{
	struct hex h = hex(vectors[5].request);
	auto_buf struct buf out = buf_make(1000);

	memset(h.b + 7, 0, 32);
	CHECK(read_request(OHTTP_CHUNKED, hex_slice(&h), 100, NULL, &out) ==
	      E_CRYPTO);
}

TEST(both_directions_interleave)
{
	auto_both struct both b = { .c = NULL };
	struct err err;

	both_begin(&b, OHTTP_CHUNKED);
	const struct reader server = { .server = b.s };
	const struct reader client = { .client = b.c };

	CHECK(ohttp_client_seal(b.c, S("one"), false, &b.wire, &err) == OK);
	CHECK(give(&server, buf_slice(&b.wire), false, &b.plain) == OK);
	buf_clear(&b.wire);
	CHECK(ohttp_server_seal(b.s, S("uno"), false, &b.wire, &err) == OK);
	CHECK(give(&client, buf_slice(&b.wire), false, &b.plain) == OK);
	buf_clear(&b.wire);
	CHECK(ohttp_client_seal(b.c, S("two"), true, &b.wire, &err) == OK);
	CHECK(give(&server, buf_slice(&b.wire), true, &b.plain) == OK);
	buf_clear(&b.wire);
	CHECK(ohttp_server_seal(b.s, S("due"), false, &b.wire, &err) == OK);
	CHECK(ohttp_server_seal(b.s, S(""), true, &b.wire, &err) == OK);
	CHECK(give(&client, buf_slice(&b.wire), true, &b.plain) == OK);
	CHECK(slice_eq_str(buf_slice(&b.plain), "oneunotwodue"));
}

TEST(each_event_comes_out_as_soon_as_it_is_there)
{
	auto_both struct both b = { .c = NULL };
	struct err err;

	both_begin(&b, OHTTP_CHUNKED);
	const struct reader r = { .server = b.s };

	for (size_t i = 1; i <= 100; i++) {
		buf_clear(&b.wire);
		CHECK(ohttp_client_seal(b.c, S("data: x\n\n"), false, &b.wire,
					&err) == OK);
		CHECK(give(&r, buf_slice(&b.wire), false, &b.plain) == OK);
		CHECK_EQ_U64(b.plain.len, 9 * i);
	}
}

TEST(nothing_follows_the_final_part)
{
	auto_both struct both b = { .c = NULL };
	struct err err;

	both_begin(&b, OHTTP_CHUNKED);
	CHECK(ohttp_client_seal(b.c, S("x"), true, &b.wire, &err) == OK);
	size_t len = b.wire.len;
	CHECK(ohttp_client_seal(b.c, S(""), false, &b.wire, &err) == OK);
	CHECK(ohttp_client_seal(b.c, S("y"), false, &b.wire, &err) ==
	      E_CONFLICT);
	CHECK(ohttp_client_seal(b.c, S(""), true, &b.wire, &err) == E_CONFLICT);
	CHECK(b.wire.len == len);
}

TEST(a_full_buffer_ends_the_exchange_and_is_left_as_it_was)
{
	for (size_t max = 0; max < 39 + 1 + 17; max++) {
		auto_both struct both b = { .c = NULL };
		auto_buf struct buf out = buf_make(max);
		struct err err;

		both_begin(&b, OHTTP_CHUNKED);
		CHECK(ohttp_client_seal(b.c, S("x"), false, &out, &err) ==
		      E_LIMIT);
		CHECK(out.len == 0 && !out.bad);
		CHECK(ohttp_client_seal(b.c, S("x"), false, &b.wire, &err) ==
		      E_LIMIT);
		CHECK(b.wire.len == 0);
	}
}

TEST(two_exchanges_never_look_alike)
{
	struct ohttp_config config = { .id = 7 };
	struct ohttp_client *c[2];
	auto_buf struct buf a = buf_make(1000), b = buf_make(1000);
	struct err err;

	memcpy(config.pub, hex(PUB).b, sizeof(config.pub));
	for (size_t i = 0; i < 2; i++) {
		CHECK(ohttp_client_new(&config, HPKE_AEAD_AES256, OHTTP_WHOLE,
				       NULL, NULL, &c[i], &err) == OK);
		CHECK(ohttp_client_seal(c[i], S("x"), true, i == 0 ? &a : &b,
					&err) == OK);
		ohttp_client_free(c[i]);
	}
	CHECK(memcmp(a.mem, b.mem, 7) == 0);
	CHECK(memcmp(a.mem + 7, b.mem + 7, 32) != 0);
}

TEST(both_sides_export_the_same_secret)
{
	auto_both struct both b = { .c = NULL };
	uint8_t mine[32], yours[32], other[32];
	struct err err;

	both_begin(&b, OHTTP_CHUNKED);
	const struct reader r = { .server = b.s };

	CHECK(ohttp_client_seal(b.c, S("x"), true, &b.wire, &err) == OK);
	CHECK(read_cut(&r, buf_slice(&b.wire), 100, true, &b.plain) == OK);
	ohttp_client_export(b.c, S("label"), mine, sizeof(mine));
	ohttp_server_export(b.s, S("label"), yours, sizeof(yours));
	ohttp_server_export(b.s, S("Label"), other, sizeof(other));
	CHECK(memcmp(mine, yours, 32) == 0 && memcmp(mine, other, 32) != 0);
}
