#include "attest/tee/tee_cache.h"

#include "core/cleanup.h"
#include "test/attest/hw_world.h"
#include "test/test.h"

/* The steps of the last judgement, as text. */
static void steps(const struct hw_world *w, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < w->trace.n; i++) {
		const struct trace_step *s = &w->trace.step[i];

		buf_putf(out, "%s %d %s %s\n", s->rule->step, (int)s->outcome,
			 s->expected, s->found);
	}
}

/* Judge without, then twice with the cache: the same, step by step. */
static bool comes_out_the_same(struct hw_world *w, struct tee_cache *c,
			       enum status want)
{
	auto_buf struct buf plain = buf_make(1u << 20);
	auto_buf struct buf with = buf_make(1u << 20);

	w->vc.cache = NULL;
	bool good = EXPECT(hw_judge(w) == want);
	steps(w, &plain);
	w->vc.cache = c;
	for (int i = 0; i < 2; i++) {
		good &= EXPECT(hw_judge(w) == want);
		steps(w, &with);
		good &= EXPECT(slice_eq(buf_slice(&plain), buf_slice(&with)));
	}
	return good;
}

TEST(verdicts_with_what_is_kept_are_those_without)
{
	auto_tee_cache struct tee_cache c = { 0 };

	for (int key = 0; key < SNP_KEYS; key++) {
		auto_hw struct hw_world w;

		hw_snp(&w, SNP_GENOA, (enum snp_key)key, 3);
		CHECK(comes_out_the_same(&w, &c, OK));
		CHECK(c.snp.n == (size_t)key + 1);
		struct snp_certs *kept = c.snp.item[0].thing;
		CHECK(kept->ark_signed && kept->signer_signed[key]);
		CHECK(kept->crl_signed);
	}
	auto_hw struct hw_world w;
	hw_tdx(&w);
	CHECK(comes_out_the_same(&w, &c, OK));
	CHECK(c.tdx.n == 1 && c.snp.n == 2 && c.rims.n == 0);
}

TEST(time_trust_and_revocation_are_not_kept)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_hw struct hw_world snp, tdx;

	hw_snp(&snp, SNP_MILAN, SNP_KEY_VCEK, 3);
	hw_tdx(&tdx);
	struct hw_world *const worlds[] = { &snp, &tdx };
	for (size_t i = 0; i < countof(worlds); i++) {
		struct hw_world *w = worlds[i];
		int64_t now = w->vc.now;

		CHECK(comes_out_the_same(w, &c, OK));
		w->vc.now = now + (int64_t)20 * 365 * 24 * 60 * 60;
		w->vc.cache = &c;
		CHECK(hw_judge(w) == (i == 0 ? E_STALE : E_CRYPTO));
		w->vc.now = now;
		w->vc.n_trust_roots = 0;
		CHECK(hw_judge(w) == E_CRYPTO);
		w->vc.n_trust_roots = 1;
		CHECK(hw_judge(w) == OK);
	}
	/* Revoked by lists that come later: other texts. */
	snp.snp.n_revoked = 1;
	snp.snp.revoked[0] = SNP_FORGE_SIGNER_SERIAL;
	hw_attest(&snp);
	CHECK(hw_judge(&snp) == E_CRYPTO);
	CHECK(hw_refused(&snp, E_CRYPTO, "snp.crl.revoked"));
	tdx.tdx.o.revoke_signer = true;
	hw_attest(&tdx);
	CHECK(hw_judge(&tdx) == E_CRYPTO);
	CHECK(hw_refused(&tdx, E_CRYPTO, "tdx.root_crl.signers"));
	CHECK(c.snp.n == 1 && c.tdx.n == 1); /* no failure is kept */
}

TEST(a_list_that_is_left_out_is_not_replaced_by_a_kept_one)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_MILAN, SNP_KEY_VCEK, 3);
	w.vc.cache = &c;
	CHECK(hw_judge(&w) == OK && w.claims.snp.crl);
	w.snp.crl = false;
	hw_attest(&w);
	CHECK(comes_out_the_same(&w, &c, hw_judge(&w)));
	CHECK(!trace_has(&w.trace, "snp.crl.signature"));
}

TEST(failures_are_not_kept)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_MILAN, SNP_KEY_VCEK, 3);
	w.vc.n_trust_roots = 0;
	CHECK(comes_out_the_same(&w, &c, E_CRYPTO));
	CHECK(c.snp.n == 0);
	auto_hw struct hw_world t;
	hw_tdx(&t);
	t.tdx.o.qe_upper = 1;
	hw_attest(&t);
	CHECK(comes_out_the_same(&t, &c, E_CRYPTO));
	CHECK(c.tdx.n == 0);
}

TEST(reference_values_of_gpus_are_kept)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	hw_gpus(&w, 2);
	CHECK(comes_out_the_same(&w, &c, OK));
	CHECK(c.rims.n == 2 && c.snp.n == 1);
}

/* Texts that stand apart are not the same joined. */
TEST(only_the_exact_texts_are_found)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.crl = true;
	snp_forge_make(&f, &made);
	struct snp_collateral in = { .leaf = buf_slice(&made.leaf),
				     .chain = buf_slice(&made.chain),
				     .crl = buf_slice(&made.crl) };
	CHECK(tee_cache_find_snp(NULL, &in) == NULL);
	CHECK(tee_cache_find_snp(&c, &in) == NULL);
	tee_cache_keep_snp(&c, &in);
	CHECK(tee_cache_find_snp(&c, &in) != NULL);
	tee_cache_keep_snp(&c, &in);
	CHECK(c.snp.n == 1);
	struct snp_collateral other = in;
	other.crl.len--;
	CHECK(tee_cache_find_snp(&c, &other) == NULL);
	other = in;
	other.table = S("x"); /* which may have more */
	CHECK(tee_cache_find_snp(&c, &other) == NULL);
	other = in;
	other.leaf.len = 0; /* the chain may have it */
	CHECK(tee_cache_find_snp(&c, &other) == NULL);
	tee_cache_keep_snp(&c, &other);
	other = in;
	other.chain = buf_slice(&made.leaf); /* not apart */
	tee_cache_keep_snp(&c, &other);
	CHECK(c.snp.n == 1);
}

TEST(the_least_used_goes_first)
{
	auto_tee_cache struct tee_cache c = { 0 };
	auto_forged struct snp_forged made;
	auto_buf struct buf chain = buf_make(65536);
	struct snp_collateral in[TEE_CACHE_MAX + 1];
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	buf_put(&chain, buf_slice(&made.chain));
	for (size_t i = 0; i < countof(in); i++)
		buf_put_u8(&chain, '\n');
	for (size_t i = 0; i < countof(in); i++) {
		in[i] = (struct snp_collateral){
			.leaf = buf_slice(&made.leaf),
			.chain = slice_sub(buf_slice(&chain), 0,
					   made.chain.len + i),
		};
		tee_cache_keep_snp(&c, &in[i]);
		CHECK(tee_cache_find_snp(&c, &in[0]) != NULL);
	}
	CHECK(c.snp.n == TEE_CACHE_MAX);
	CHECK(tee_cache_find_snp(&c, &in[1]) == NULL);
	for (size_t i = 2; i < countof(in); i++)
		CHECK(tee_cache_find_snp(&c, &in[i]) != NULL);
}
