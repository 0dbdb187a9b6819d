#include "core/ocsp.h"

#include "core/cleanup.h"
#include "core/x509_usage.h"
#include "test/core/pki_forge.h"
#include "test/test.h"

#define SIGNING "1.3.6.1.5.5.7.3.9"
#define YEAR ((int64_t)365 * 24 * 3600)

/* A CA, a certificate of its, and responders of several kinds. */
struct world {
	struct pki_cert ca, other_ca, cert, responder, stranger, plain, old;
	struct x509 *x_ca, *x_cert, *x_other;
};

static void world_make(struct world *w)
{
	const struct pki_spec ca = { .name = "CA",
				     .ca = true,
				     .usage = PKI_CERTIFIES };
	const struct pki_spec other = { .name = "Other",
					.ca = true,
					.usage = PKI_CERTIFIES };
	const struct pki_spec cert = { .name = "Device",
				       .serial = S_INIT("\x41\x01\x02\x03") };
	struct pki_spec responder = { .name = "Responder",
				      .purpose = SIGNING,
				      .usage = PKI_SIGNS };

	pki_make(&ca, NULL, &w->ca);
	pki_make(&other, NULL, &w->other_ca);
	pki_make(&cert, &w->ca, &w->cert);
	pki_make(&responder, &w->ca, &w->responder);
	pki_make(&responder, &w->other_ca, &w->stranger);
	responder.to = PKI_2030 - 1;
	pki_make(&responder, &w->ca, &w->old);
	responder.to = 0;
	responder.purpose = NULL;
	pki_make(&responder, &w->ca, &w->plain);
	w->x_ca = pki_x509(&w->ca);
	w->x_other = pki_x509(&w->other_ca);
	w->x_cert = pki_x509(&w->cert);
}

static void world_done(struct world *w)
{
	struct pki_cert *all[] = { &w->ca,	  &w->other_ca, &w->cert,
				   &w->responder, &w->stranger, &w->plain,
				   &w->old };

	for (size_t i = 0; i < countof(all); i++)
		pki_done(all[i]);
	x509_free(w->x_ca);
	x509_free(w->x_cert);
	x509_free(w->x_other);
}
#define auto_world __attribute__((cleanup(world_done)))

/* The response as bytes; parsed where that works. */
static enum status respond(const struct world *w, const struct pki_ocsp *o,
			   struct ocsp **out, struct err *err)
{
	auto_buf struct buf der = buf_make(OCSP_MAX);

	pki_ocsp(o, &w->cert, &w->ca, &der);
	return ocsp_parse(buf_slice(&der), out, err);
}

/* Parse, find, verify, be current; the first that fails. */
static enum status all(const struct world *w, const struct pki_ocsp *o,
		       int64_t at)
{
	auto_ocsp struct ocsp *parsed = NULL;
	struct ocsp_answer a;
	struct err err;

	TRY(respond(w, o, &parsed, &err));
	TRY(ocsp_find(parsed, w->x_cert, w->x_ca, &a, &err));
	TRY(ocsp_verify(parsed, w->x_ca, at, &err));
	return ocsp_current(&a, at, &err);
}

TEST(ocsp_says_what_the_issuer_said)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();
	auto_ocsp struct ocsp *good = NULL, *revoked = NULL, *unknown = NULL;
	struct ocsp_answer a = { 0 };
	struct err err;

	world_make(&w);
	o.nonce = S("a nonce");
	CHECK(respond(&w, &o, &good, &err) == OK);
	CHECK(ocsp_count(good) == 1);
	CHECK(ocsp_produced_at(good) == PKI_2030 - YEAR);
	CHECK(slice_eq(ocsp_nonce(good), S("a nonce")));
	CHECK(ocsp_check_nonce(good, S("a nonce"), &err) == OK);
	CHECK(ocsp_check_nonce(good, S("a nonc"), &err) == E_CRYPTO);
	CHECK(ocsp_check_nonce(good, S(""), &err) == E_CRYPTO);
	CHECK(ocsp_find(good, w.x_cert, w.x_ca, &a, &err) == OK);
	CHECK(a.status == OCSP_GOOD && a.has_next_update);
	CHECK(a.next_update == PKI_2030 + YEAR);

	o = pki_ocsp_good();
	o.status = OCSP_REVOKED;
	o.revoked_at = PKI_2020;
	o.reason = 1;
	CHECK(respond(&w, &o, &revoked, &err) == OK);
	CHECK(ocsp_nonce(revoked).len == 0);
	CHECK(ocsp_check_nonce(revoked, S(""), &err) == E_CRYPTO);
	CHECK(ocsp_find(revoked, w.x_cert, w.x_ca, &a, &err) == OK);
	CHECK(a.status == OCSP_REVOKED && a.revoked_at == PKI_2020);
	CHECK(a.reason == 1);

	o.status = OCSP_UNKNOWN;
	CHECK(respond(&w, &o, &unknown, &err) == OK);
	CHECK(ocsp_find(unknown, w.x_cert, w.x_ca, &a, &err) == OK);
	CHECK(a.status == OCSP_UNKNOWN);
}

TEST(ocsp_every_hash_names_the_certificate_and_no_other)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();
	struct ocsp_answer a = { .reason = 77 };
	struct err err;

	world_make(&w);
	auto_x509 struct x509 *sibling = pki_x509(&w.responder);
	for (int hash = HASH_SHA256; hash <= HASH_SHA512; hash++) {
		auto_ocsp struct ocsp *p = NULL;

		o.hash = (enum hash_alg)hash;
		CHECK(respond(&w, &o, &p, &err) == OK);
		CHECK(ocsp_find(p, sibling, w.x_ca, &a, &err) == E_NOTFOUND);
		CHECK(ocsp_find(p, w.x_cert, w.x_other, &a, &err) ==
		      E_NOTFOUND);
		CHECK(a.reason == 77);
		CHECK(ocsp_find(p, w.x_cert, w.x_ca, &a, &err) == OK);
		a.reason = 77;
	}
}

TEST(ocsp_is_signed_by_the_issuer_or_its_responder)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();

	world_make(&w);
	const struct {
		const struct pki_cert *signer;
		bool carry;
		enum status want;
	} rows[] = {
		{ &w.ca, false, OK },
		{ &w.ca, true, OK },
		{ &w.responder, true, OK },
		{ &w.responder, false, E_CRYPTO },
		{ &w.stranger, true, E_CRYPTO },
		{ &w.plain, true, E_CRYPTO },
		{ &w.cert, true, E_CRYPTO },
		{ &w.other_ca, true, E_CRYPTO },
		{ &w.old, true, E_STALE },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		for (int by_name = 0; by_name < 2; by_name++) {
			o.signer = rows[i].signer;
			o.carry = rows[i].carry;
			o.by_name = by_name != 0;
			CHECK(all(&w, &o, PKI_2030) == rows[i].want);
		}
	}
}

/* The signature is checked against the signer also when its time is over. */
TEST(ocsp_of_an_old_responder_does_not_hide_a_forgery)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();
	auto_buf struct buf der = buf_make(OCSP_MAX);
	auto_ocsp struct ocsp *p = NULL;
	struct err err;

	world_make(&w);
	o.signer = &w.old;
	o.carry = true;
	pki_ocsp(&o, &w.cert, &w.ca, &der);
	/* A byte of the time when it was produced. */
	struct slice s = buf_slice(&der);
	size_t at = slice_search(s, S("20290101000000Z"));
	CHECK(at < s.len);
	der.mem[der.head + at + 8] ^= 1;
	CHECK(ocsp_parse(buf_slice(&der), &p, &err) == OK);
	CHECK(ocsp_verify(p, w.x_ca, PKI_2030, &err) == E_CRYPTO);
}

TEST(ocsp_counts_in_its_time_only)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();

	world_make(&w);
	CHECK(all(&w, &o, PKI_2030 - YEAR - 1) == E_STALE);
	CHECK(all(&w, &o, PKI_2030 - YEAR) == OK);
	CHECK(all(&w, &o, PKI_2030 + YEAR) == OK);
	CHECK(all(&w, &o, PKI_2030 + YEAR + 1) == E_STALE);
	o.produced = PKI_2030 + 1;
	CHECK(all(&w, &o, PKI_2030) == E_STALE);
	o.produced = o.this_update = PKI_2030;
	o.next_update = 0;
	CHECK(all(&w, &o, PKI_2030) == OK);
	CHECK(all(&w, &o, PKI_2030 + 1) == E_STALE);
	o.next_update = o.this_update - 1;
	CHECK(all(&w, &o, PKI_2030) == E_PARSE);
}

TEST(ocsp_that_contradicts_itself_or_asks_for_more_is_refused)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();

	world_make(&w);
	o.twice = true;
	CHECK(all(&w, &o, PKI_2030) == E_CRYPTO);
	o = pki_ocsp_good();
	o.critical = true;
	CHECK(all(&w, &o, PKI_2030) == E_PARSE);
}

TEST(ocsp_without_an_answer_is_not_one)
{
	static const uint8_t later[] = { 0x30, 3, 0x0a, 1, 3 };
	static const uint8_t odd[] = { 0x30, 3, 0x0a, 1, 4 };
	static const uint8_t empty[] = { 0x30, 3, 0x0a, 1, 0 };
	auto_buf struct buf large = buf_make(OCSP_MAX + 1);
	struct ocsp *p = NULL;
	struct err err;

	CHECK(ocsp_parse(slice_of(later), &p, &err) == E_STALE);
	CHECK(ocsp_parse(slice_of(odd), &p, &err) == E_PARSE);
	CHECK(ocsp_parse(slice_of(empty), &p, &err) == E_PARSE);
	CHECK(ocsp_parse(S(""), &p, &err) == E_PARSE);
	while (large.len <= OCSP_MAX)
		buf_put_u8(&large, 0x30);
	CHECK(ocsp_parse(buf_slice(&large), &p, &err) == E_LIMIT);
	CHECK(p == NULL);
}

TEST(ocsp_pem_is_read_and_written)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();
	auto_buf struct buf der = buf_make(OCSP_MAX);
	auto_buf struct buf pem = buf_make((size_t)2 * OCSP_MAX);
	auto_ocsp struct ocsp *p = NULL;
	struct ocsp *none = NULL;
	struct err err;

	world_make(&w);
	pki_ocsp(&o, &w.cert, &w.ca, &der);
	ocsp_pem(buf_slice(&der), &pem);
	CHECK(ocsp_parse(buf_slice(&pem), &p, &err) == OK);
	CHECK(slice_eq(ocsp_der(p), buf_slice(&der)));
	buf_put(&pem, S("x"));
	CHECK(ocsp_parse(buf_slice(&pem), &none, &err) == E_PARSE);
}

/* No byte can be changed, and none be missing, without a refusal. */
TEST(ocsp_with_any_bit_changed_is_refused)
{
	auto_world struct world w;
	struct pki_ocsp o = pki_ocsp_good();
	auto_buf struct buf der = buf_make(OCSP_MAX);
	struct err err;

	world_make(&w);
	o.by_name = true;
	pki_ocsp(&o, &w.cert, &w.ca, &der);
	for (size_t i = 0; i < der.len; i++) {
		auto_ocsp struct ocsp *p = NULL, *cut = NULL;

		der.mem[der.head + i] ^= (uint8_t)(1u << i % 8);
		if (ocsp_parse(buf_slice(&der), &p, &err) == OK)
			CHECK(ocsp_verify(p, w.x_ca, PKI_2030, &err) != OK);
		der.mem[der.head + i] ^= (uint8_t)(1u << i % 8);
		CHECK(ocsp_parse(slice_sub(buf_slice(&der), 0, i), &cut,
				 &err) != OK);
	}
}

TEST(a_request_asks_about_one_certificate)
{
	auto_world struct world w;
	auto_buf struct buf out = buf_make(512);
	uint8_t name[48];
	struct err err;

	world_make(&w);
	CHECK(ocsp_request(w.x_cert, w.x_ca, &out, &err) == OK);
	struct der at = der_make(buf_slice(&out));
	for (int layer = 0; layer < 5; layer++) {
		struct der in = der_enter(&at, DER_SEQUENCE);

		CHECK(!at.bad && !der_more(&at));
		at = in;
	}
	struct der alg = der_enter(&at, DER_SEQUENCE);
	CHECK(der_oid_is(der_oid(&alg), "2.16.840.1.101.3.4.2.2"));
	CHECK(!der_more(&alg));
	sha384(x509_subject(w.x_ca), name);
	CHECK(slice_eq(der_get(&at, DER_OCTET_STRING), slice_of(name)));
	CHECK(der_get(&at, DER_OCTET_STRING).len == 48);
	CHECK(x509_is_serial(w.x_cert, der_get(&at, DER_INTEGER)));
	CHECK(der_end(&at, "CertID", &err) == OK);

	/* What does not fit is not cut. */
	auto_buf struct buf small = buf_make(64);
	CHECK(ocsp_request(w.x_cert, w.x_ca, &small, &err) == OK && small.bad);
}

TEST(certificate_usages_are_read)
{
	auto_world struct world w;
	struct err err;

	world_make(&w);
	auto_x509 struct x509 *r = pki_x509(&w.responder);
	CHECK(x509_usage_signs(r, &err) == OK);
	CHECK(x509_usage_signs(w.x_ca, &err) == E_CRYPTO);
	CHECK(x509_usage_signs(w.x_cert, &err) == E_CRYPTO);
	CHECK(x509_usage_purpose(r, SIGNING, &err) == OK);
	CHECK(x509_usage_purpose(r, "1.3.6.1.5.5.7.3.1", &err) == E_CRYPTO);
	CHECK(x509_usage_purpose(w.x_ca, SIGNING, &err) == E_CRYPTO);
	CHECK(x509_usage_is_ca(w.x_ca) && !x509_usage_is_ca(r));
}
